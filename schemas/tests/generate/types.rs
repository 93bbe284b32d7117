//! Writes records, word lists and patterns as Rust.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::catalog::{Catalog, snake};
use super::schema::{Form, Member, Pattern, Schema};
use super::unions;

/// Writes types into one file, each once.
pub struct Writer<'c> {
    pub catalog: &'c Catalog,
    pub out: String,
    written: BTreeSet<String>,
}

impl<'c> Writer<'c> {
    pub fn new(catalog: &'c Catalog) -> Writer<'c> {
        Writer {
            catalog,
            out: String::new(),
            written: BTreeSet::new(),
        }
    }

    pub fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// Writes text as documentation, each paragraph a comment.
    pub fn doc(&mut self, text: &str) {
        writeln!(self.out, "/// {text}").expect("a String takes every write");
    }

    /// Whether the name is new to this file; it is not the next time.
    pub fn claim(&mut self, name: &str) -> bool {
        self.written.insert(name.to_owned())
    }

    /// Writes the type of a schema, and those of what stands inline in it.
    pub fn define(&mut self, schema: &Schema) {
        match &schema.form {
            Form::Record(members) => {
                let name = self.catalog.rust_name(schema);
                self.record(&name, schema, members);
            }
            Form::Union { tag, arms } => unions::write(self, schema, tag, arms),
            Form::Words(words) => self.words(schema, words),
            Form::List { items, .. } => self.define(items),
            Form::Table { values, .. } => self.define(values),
            _ => {}
        }
    }

    /// Writes a record as a struct. The constant that tags it is left out: the enum around it writes that.
    pub fn record(&mut self, name: &str, schema: &Schema, members: &[Member]) {
        if !self.claim(name) {
            return;
        }
        assert!(
            !members.is_empty(),
            "{}: a record without members",
            schema.path
        );
        self.doc(self.catalog.description(schema));
        self.line("#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]");
        self.line("#[serde(rename_all = \"camelCase\")]");
        self.line(&format!("pub struct {name} {{"));
        for member in members
            .iter()
            .filter(|member| !matches!(member.schema.form, Form::Const(_)))
        {
            self.member(member);
        }
        self.line("}\n");
        for member in members {
            self.define(&member.schema);
        }
    }

    fn member(&mut self, member: &Member) {
        let Member {
            name,
            required,
            schema,
        } = member;
        let (rust_type, form) = (self.rust_type(schema), self.form(schema));
        self.doc(self.catalog.description(schema));
        let is_flag = matches!(self.catalog.follow(schema).form, Form::Boolean);
        let rust_type = if *required {
            self.line(&format!(
                "#[serde(deserialize_with = \"required::<{form}, _>\")]"
            ));
            rust_type
        } else if is_flag {
            self.line("#[serde(default, skip_serializing_if = \"std::ops::Not::not\")]");
            rust_type
        } else {
            self.line("#[serde(default, skip_serializing_if = \"Option::is_none\")]");
            self.line(&format!(
                "#[serde(deserialize_with = \"optional::<{form}, _>\")]"
            ));
            format!("Option<{rust_type}>")
        };
        self.line(&format!("pub {}: {rust_type},", snake(name)));
    }

    fn words(&mut self, schema: &Schema, words: &[String]) {
        let name = self.catalog.rust_name(schema);
        if !self.claim(&name) {
            return;
        }
        let variants: Vec<String> = words
            .iter()
            .map(|word| super::catalog::pascal(word))
            .collect();
        self.doc(self.catalog.description(schema));
        self.line("#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]");
        self.line("#[serde(rename_all = \"snake_case\")]");
        self.line(&format!("pub enum {name} {{"));
        for (word, variant) in words.iter().zip(&variants) {
            self.doc(&format!("`{word}`"));
            self.line(&format!("{variant},"));
        }
        self.line("}\n");
        self.line(&format!("impl Words for {name} {{"));
        self.line(&format!(
            "const WORDS: &'static [&'static str] = &{words:?};\n"
        ));
        self.line("fn from_word(word: &str) -> Option<Self> { match word {");
        for (word, variant) in words.iter().zip(&variants) {
            self.line(&format!("{word:?} => Some(Self::{variant}),"));
        }
        self.line("_ => None, } } }\n");
    }

    /// Writes a pattern as a type without values, which holds the rule.
    pub fn pattern(&mut self, schema: &Schema, pattern: &Pattern) {
        let name = self.catalog.rust_name(schema);
        let range = |(first, last): &(char, char)| match first == last {
            true => format!("b{first:?}"),
            false => format!("b{first:?}..=b{last:?}"),
        };
        let ranges: Vec<String> = pattern.ranges.iter().map(range).collect();
        self.doc(self.catalog.description(schema));
        self.line("#[derive(Clone, Copy, Debug)]");
        self.line(&format!("pub enum {name} {{}}\n"));
        self.line(&format!("impl Pattern for {name} {{"));
        self.line(&format!(
            "const PATTERN: &'static str = {:?};",
            pattern.text
        ));
        self.line(&format!("const BYTES_MIN: usize = {};", pattern.min));
        self.line(&format!("const BYTES_MAX: usize = {};\n", pattern.max));
        self.line(&format!(
            "fn allows(byte: u8) -> bool {{ matches!(byte, {}) }}",
            ranges.join(" | ")
        ));
        self.line("}\n");
    }

    /// The Rust type of what a schema allows.
    pub fn rust_type(&self, schema: &Schema) -> String {
        let schema = self.catalog.follow(schema);
        match &schema.form {
            Form::Any => "Json".to_owned(),
            Form::Boolean => "bool".to_owned(),
            Form::Integer { .. } => "u64".to_owned(),
            Form::Text | Form::Pattern(_) => "String".to_owned(),
            Form::Free => "JsonObject".to_owned(),
            Form::List { items, .. } => format!("Vec<{}>", self.rust_type(items)),
            Form::Table { values, .. } => format!("BTreeMap<String, {}>", self.rust_type(values)),
            Form::Words(_) | Form::Record(_) | Form::Union { .. } => self.catalog.rust_name(schema),
            Form::Const(_) | Form::Ref(_) => panic!("{}: a constant that is no tag", schema.path),
        }
    }

    /// The form (`src/forms.rs`) that reads what a schema allows.
    fn form(&self, schema: &Schema) -> String {
        let schema = self.catalog.follow(schema);
        match &schema.form {
            Form::Any => "Any".to_owned(),
            Form::Boolean => "Flag".to_owned(),
            Form::Integer { min, max } => format!("Integer<{min}, {max}>"),
            Form::Text => "Text".to_owned(),
            Form::Pattern(_) if schema.path.contains("/$defs/") => {
                format!("Matching<patterns::{}>", self.catalog.rust_name(schema))
            }
            Form::Pattern(_) => panic!("{}: a pattern must be a definition", schema.path),
            Form::List { items, min } => format!("List<{}, {min}>", self.form(items)),
            Form::Table { values, min } => format!("Table<{}, {min}>", self.form(values)),
            Form::Words(_) => format!("Word<{}>", self.rust_type(schema)),
            Form::Free | Form::Record(_) | Form::Union { .. } => {
                format!("Object<{}>", self.rust_type(schema))
            }
            Form::Const(_) | Form::Ref(_) => panic!("{}: a constant that is no tag", schema.path),
        }
    }
}

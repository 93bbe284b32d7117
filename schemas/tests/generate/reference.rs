//! Writes `spec/v1/reference.md`: every message, op, limit and error in tables, for people.

use std::fmt::Write;

use super::catalog::{Catalog, Message};
use super::node::Node;
use super::schema::{Form, Member, Schema, tag_of};

const HEAD: &str = "# Reference

Every message, value, limit and error of Syncline v1, in tables. Generated from `schemas/v1` by the tests of `schemas`: change it
there. The chapters say what it all means; members that no table names are ignored (JSON-UNKNOWN-MEMBER).
";

/// The page's text.
pub fn page(catalog: &Catalog) -> String {
    let mut page = Page {
        catalog,
        out: HEAD.to_owned(),
    };
    page.messages();
    page.op();
    page.values();
    page.scalars();
    page.limits();
    page.errors();
    page.out
}

struct Page<'c> {
    catalog: &'c Catalog,
    out: String,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        writeln!(self.out, "{line}").expect("a String takes every write");
    }

    fn heading(&mut self, heading: &str) {
        self.line(&format!("\n{heading}\n"));
    }

    fn table(&mut self, columns: &[&str]) {
        self.line(&format!("| {} |", columns.join(" | ")));
        self.line(&format!("|{}", "---|".repeat(columns.len())));
    }

    fn row(&mut self, cells: &[&str]) {
        let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn messages(&mut self) {
        self.heading("## Messages");
        self.table(&["message", "from", "answered by", "what it does"]);
        for message in &self.catalog.messages {
            let name = format!("[`{0}`](#{0})", message.name);
            self.row(&[
                &name,
                &message.from,
                &code_list(&message.reply),
                self.catalog.description(&message.schema),
            ]);
        }
        for message in &self.catalog.messages {
            self.message(message);
        }
    }

    fn message(&mut self, message: &Message) {
        self.heading(&format!("### {}", message.name));
        let side = &message.from;
        let about = self.catalog.description(&message.schema).to_owned();
        self.line(&format!(
            "{about} From the {side}. Chapter [{0}]({0}.md).\n",
            message.chapter
        ));
        self.members(&message.schema);
    }

    /// A table of a record's members, then one for each record that stands inline in it.
    fn members(&mut self, record: &Schema) {
        self.table(&["member", "type", "presence", "meaning"]);
        for member in record.members() {
            let presence = if member.required {
                "required"
            } else {
                "optional"
            };
            self.row(&[
                &format!("`{}`", member.name),
                &type_of(self.catalog, &member.schema),
                presence,
                meaning(member),
            ]);
        }
        for inline in record
            .members()
            .iter()
            .filter_map(|member| inline_record(&member.schema))
        {
            let title = inline
                .title
                .clone()
                .expect("the catalog saw to it that inline records have titles");
            self.line(&format!(
                "\n`{title}`: {}\n",
                self.catalog.description(inline)
            ));
            self.members(inline);
        }
    }

    fn op(&mut self) {
        self.heading("## Ops");
        let op = &self.catalog.op;
        self.line(&format!(
            "{} Chapter [mutations](mutations.md).",
            self.catalog.description(op)
        ));
        self.arms(op);
    }

    fn values(&mut self) {
        self.line("\n## Values that messages share");
        for schema in &self.catalog.shared {
            match schema.form {
                Form::Record(_) => {
                    self.value(schema);
                    self.line("");
                    self.members(schema);
                }
                Form::Union { .. } => {
                    self.value(schema);
                    self.arms(schema);
                }
                _ => {}
            }
        }
    }

    fn value(&mut self, schema: &Schema) {
        self.heading(&format!("### {}", definition_name(schema)));
        self.line(self.catalog.description(schema));
    }

    fn arms(&mut self, union: &Schema) {
        let Form::Union { arms, .. } = &union.form else {
            panic!("{}: not a union", union.path)
        };
        for arm in arms {
            let (tag, word) = tag_of(arm).expect("the reader saw to it that arms have tags");
            let about = self.catalog.description(arm).to_owned();
            self.line(&format!("\nWith `{tag}` `{word}`: {about}\n"));
            match self.shown_before(union, arm) {
                Some(name) => {
                    let line = format!("Members as in [{name}](#{name}).");
                    self.line(&line);
                }
                None => self.members(arm),
            }
        }
    }

    /// The name of an earlier union of the page that has the same arm.
    fn shown_before(&self, union: &Schema, arm: &Schema) -> Option<&str> {
        let mut earlier = self
            .catalog
            .unions()
            .take_while(|(other, _)| other.path != union.path);
        let found = earlier.find(|(_, arms)| arms.iter().any(|other| other.same_as(arm)));
        found.map(|(other, _)| definition_name(other))
    }

    fn scalars(&mut self) {
        self.heading("## Names and numbers");
        self.table(&["type", "allowed", "meaning"]);
        for schema in &self.catalog.shared {
            let allowed = match &schema.form {
                Form::Pattern(pattern) => format!("`{}`", pattern.text),
                Form::Text => "any string".to_owned(),
                Form::Integer { min, max } => range(*min, *max),
                _ => continue,
            };
            let name = definition_name(schema);
            let anchored = format!("<a id=\"{}\"></a>`{name}`", name.to_lowercase());
            self.row(&[&anchored, &allowed, self.catalog.description(schema)]);
        }
    }

    fn limits(&mut self) {
        self.heading("## Limits");
        self.line(&format!(
            "{}\n",
            self.catalog.description(&self.catalog.limits)
        ));
        self.table(&["limit", "default", "minimum", "meaning"]);
        for member in self.catalog.limits.members() {
            let Form::Integer { min, .. } = member.schema.form else {
                panic!("{}: not an integer", member.name)
            };
            let default = member
                .schema
                .default
                .expect("the Rust writer saw to it that limits have defaults");
            let meaning = self.catalog.description(&member.schema);
            self.row(&[
                &format!("`{}`", member.name),
                &default.to_string(),
                &min.to_string(),
                meaning,
            ]);
        }
    }

    fn errors(&mut self) {
        self.heading("## Errors");
        self.line("By what carries them. What each column says stands in the chapter [errors](errors.md).");
        let carriers = [
            ("error", "The message `error`"),
            ("refused", "A result of status `refused`"),
            ("deferred", "A result of status `deferred`"),
            ("rejected", "A result of status `rejected`"),
            ("goaway", "The message `goaway`"),
        ];
        let known = |error: &Node| {
            carriers
                .iter()
                .any(|(carrier, _)| *carrier == error.text("carrier"))
        };
        assert!(
            self.catalog.errors.iter().all(known),
            "an error's carrier has no table in the reference"
        );
        for (carrier, heading) in carriers {
            self.heading(&format!("### {heading}"));
            self.table(&[
                "code",
                "scope",
                "retryable",
                "definite",
                "fault",
                "members",
                "meaning",
            ]);
            for error in self
                .catalog
                .errors
                .iter()
                .filter(|error| error.text("carrier") == carrier)
            {
                self.error(error);
            }
        }
    }

    fn error(&mut self, error: &Node) {
        let yes_no = |name| if error.flag(name) { "yes" } else { "no" };
        self.row(&[
            &format!("`{}`", error.text("code")),
            error.text("scope"),
            yes_no("retryable"),
            yes_no("definite"),
            error.text("fault"),
            &code_list(&error.texts("members")),
            error.text("summary"),
        ]);
    }
}

/// The type of a value, in words, with links to what is defined elsewhere on the page.
fn type_of(catalog: &Catalog, schema: &Schema) -> String {
    match &schema.form {
        Form::Any => "any value".to_owned(),
        Form::Ref(path) => {
            let name = definition_name(catalog.find(path));
            format!("[{name}](#{})", name.to_lowercase())
        }
        Form::Const(word) => format!("`\"{word}\"`"),
        Form::Boolean => "boolean".to_owned(),
        Form::Integer { min, max } => range(*min, *max),
        Form::Text => "string".to_owned(),
        Form::Pattern(pattern) => format!("`{}`", pattern.text),
        Form::Words(words) => words
            .iter()
            .map(|word| format!("`\"{word}\"`"))
            .collect::<Vec<_>>()
            .join(", "),
        Form::List { items, min } => {
            format!("array{} of {}", at_least(*min), type_of(catalog, items))
        }
        Form::Table { values, min } => format!(
            "object{}, any names, each {}",
            at_least(*min),
            type_of(catalog, values)
        ),
        Form::Free => "object".to_owned(),
        Form::Record(_) => schema
            .title
            .as_ref()
            .map_or("object".to_owned(), |title| format!("{title} (below)")),
        Form::Union { .. } => panic!("{}: a union must be a definition", schema.path),
    }
}

fn at_least(min: u64) -> String {
    if min == 0 {
        String::new()
    } else {
        format!(" (at least {min})")
    }
}

fn range(min: u64, max: u64) -> String {
    let max = if max == (1 << 53) - 1 {
        "2^53 - 1".to_owned()
    } else {
        max.to_string()
    };
    format!("integer, {min} to {max}")
}

/// What is said of a member here; what is said of its type stands where the type's link leads.
fn meaning(member: &Member) -> &str {
    member.schema.description.as_deref().unwrap_or_default()
}

/// The record that stands inline in a schema, itself or as an array's items.
fn inline_record(schema: &Schema) -> Option<&Schema> {
    match &schema.form {
        Form::Record(_) => Some(schema),
        Form::List { items, .. } => inline_record(items),
        _ => None,
    }
}

/// The name under which a schema is found on the page: that of its definition, or of its file.
fn definition_name(schema: &Schema) -> &str {
    let path = schema.path.trim_end_matches('#').trim_end_matches(".json");
    path.rsplit('/')
        .next()
        .expect("a split gives at least one piece")
}

fn code_list(names: &[impl AsRef<str>]) -> String {
    names
        .iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

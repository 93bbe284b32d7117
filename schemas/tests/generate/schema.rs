//! The subset of JSON Schema that messages may be written in, and its reader.
//!
//! The subset is closed: a keyword, or a combination, that is not understood here is refused with its path, for a keyword
//! that a generator passes over is a rule that nobody keeps.

use super::node::Node;

/// A schema that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    /// Where it stands: file, then JSON Pointer.
    pub path: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub default: Option<u64>,
    pub form: Form,
}

/// What a schema allows.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Any value.
    Any,
    /// What the schema at this path allows.
    Ref(String),
    Const(String),
    Boolean,
    Integer {
        min: u64,
        max: u64,
    },
    Text,
    Pattern(Pattern),
    Words(Vec<String>),
    List {
        items: Box<Schema>,
        min: u64,
    },
    /// Any member names, values of one form.
    Table {
        values: Box<Schema>,
        min: u64,
    },
    /// An object, nothing said about its members.
    Free,
    Record(Vec<Member>),
    Union {
        tag: String,
        arms: Vec<Schema>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub name: String,
    pub required: bool,
    pub schema: Schema,
}

/// `^[class]{min,max}$`.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    pub text: String,
    pub ranges: Vec<(char, char)>,
    pub min: u64,
    pub max: u64,
}

impl Schema {
    /// Reads the schema at the path. Panics at what it does not understand.
    pub fn read(path: &str, node: &Node) -> Schema {
        let keywords = Keywords { path, node };
        Schema {
            path: path.to_owned(),
            title: keywords.text("title"),
            description: keywords.text("description"),
            default: keywords.integer("default"),
            form: keywords.form(),
        }
    }

    /// The members of a record; none of anything else.
    pub fn members(&self) -> &[Member] {
        match &self.form {
            Form::Record(members) => members,
            _ => &[],
        }
    }

    /// Whether the two allow the same and say the same, wherever they stand.
    pub fn same_as(&self, other: &Schema) -> bool {
        let (mine, theirs) = (self.members(), other.members());
        self.title == other.title
            && self.description == other.description
            && mine.len() == theirs.len()
            && mine.iter().zip(theirs).all(|(one, two)| {
                one.name == two.name
                    && one.required == two.required
                    && one.schema.form == two.schema.form
                    && one.schema.description == two.schema.description
            })
    }
}

/// Keywords that say something about a schema without changing what it allows.
const ANNOTATIONS: &[&str] = &["$schema", "$id", "$defs", "title", "description", "default"];

struct Keywords<'n> {
    path: &'n str,
    node: &'n Node,
}

impl Keywords<'_> {
    fn form(&self) -> Form {
        if let Some(reference) = self.text("$ref") {
            self.allow(&["$ref"]);
            return Form::Ref(self.resolve(&reference));
        }
        if let Some(constant) = self.text("const") {
            self.allow(&["const"]);
            return Form::Const(constant);
        }
        if self.node.member("oneOf").is_some() {
            self.allow(&["oneOf"]);
            return self.union();
        }
        match self.text("type").as_deref() {
            None => self.any(),
            Some("boolean") => {
                self.allow(&["type"]);
                Form::Boolean
            }
            Some("integer") => self.integer_form(),
            Some("string") => self.string_form(),
            Some("array") => self.list(),
            Some("object") => self.object(),
            Some(other) => self.refuse(&format!("type {other:?}")),
        }
    }

    fn any(&self) -> Form {
        self.allow(&[]);
        Form::Any
    }

    fn integer_form(&self) -> Form {
        self.allow(&["type", "minimum", "maximum"]);
        let max = self.bound("maximum");
        if max > (1 << 53) - 1 {
            self.refuse("a maximum above 2^53 - 1");
        }
        Form::Integer {
            min: self.bound("minimum"),
            max,
        }
    }

    fn string_form(&self) -> Form {
        if let Some(words) = self.node.member("enum") {
            self.allow(&["type", "enum"]);
            let word = |node: &Node| match node {
                Node::Text(word) => word.clone(),
                other => self.refuse(&format!("the enum value {other:?}")),
            };
            return Form::Words(words.items().iter().map(word).collect());
        }
        match self.text("pattern") {
            Some(pattern) => {
                self.allow(&["type", "pattern"]);
                let read = Pattern::read(&pattern);
                Form::Pattern(
                    read.unwrap_or_else(|| self.refuse(&format!("the pattern {pattern:?}"))),
                )
            }
            None => {
                self.allow(&["type"]);
                Form::Text
            }
        }
    }

    fn list(&self) -> Form {
        self.allow(&["type", "items", "minItems"]);
        let anything = Node::Object(Vec::new());
        let items = self.node.member("items").unwrap_or(&anything);
        Form::List {
            items: self.child("items", items),
            min: self.integer("minItems").unwrap_or(0),
        }
    }

    fn object(&self) -> Form {
        if let Some(properties) = self.node.member("properties") {
            self.allow(&["type", "properties", "required"]);
            return self.record(properties);
        }
        if let Some(values) = self.node.member("additionalProperties") {
            self.allow(&["type", "additionalProperties", "minProperties"]);
            let values = self.child("additionalProperties", values);
            return Form::Table {
                values,
                min: self.integer("minProperties").unwrap_or(0),
            };
        }
        self.allow(&["type"]);
        Form::Free
    }

    fn record(&self, properties: &Node) -> Form {
        let required = if self.node.member("required").is_some() {
            self.node.texts("required")
        } else {
            Vec::new()
        };
        let member = |(name, node): &(String, Node)| Member {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            schema: *self.child(&format!("properties/{name}"), node),
        };
        if let Some(name) = required
            .iter()
            .find(|name| properties.member(name).is_none())
        {
            self.refuse(&format!("the required member {name:?} without a property"));
        }
        Form::Record(properties.members().iter().map(member).collect())
    }

    /// A union of records, told apart by the constant of one member, the same in all, whose value is the arm's title.
    fn union(&self) -> Form {
        let arms = self
            .node
            .member("oneOf")
            .expect("the caller looked")
            .items();
        let read = |(index, arm): (usize, &Node)| *self.child(&format!("oneOf/{index}"), arm);
        let arms: Vec<Schema> = arms.iter().enumerate().map(read).collect();
        let tag = arms
            .first()
            .and_then(tag_of)
            .map(|(name, _)| name.to_owned());
        let tag = tag.unwrap_or_else(|| self.refuse("a union without a constant in its first arm"));
        for arm in &arms {
            if tag_of(arm) != arm.title.as_deref().map(|title| (tag.as_str(), title)) {
                self.refuse(&format!(
                    "an arm whose required constant {tag:?} is not its title, {:?}",
                    arm.title
                ));
            }
        }
        Form::Union { tag, arms }
    }

    fn child(&self, step: &str, node: &Node) -> Box<Schema> {
        Box::new(Schema::read(&format!("{}/{step}", self.path), node))
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.node.member(name) {
            None => None,
            Some(Node::Text(text)) => Some(text.clone()),
            Some(other) => self.refuse(&format!("{name}: {other:?}")),
        }
    }

    fn integer(&self, name: &str) -> Option<u64> {
        match self.node.member(name) {
            None => None,
            Some(Node::Integer(number)) => Some(*number),
            Some(other) => self.refuse(&format!("{name}: {other:?}")),
        }
    }

    fn bound(&self, name: &str) -> u64 {
        self.integer(name)
            .unwrap_or_else(|| self.refuse(&format!("an integer without {name}")))
    }

    /// The path that a reference means, from the file in which it stands.
    fn resolve(&self, reference: &str) -> String {
        let file = self.path.split('#').next().unwrap_or_default();
        let (target, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let target = match target.strip_prefix("../") {
            _ if target.is_empty() => file.to_owned(),
            Some(target) => target.to_owned(),
            None => target.to_owned(),
        };
        format!("{target}#{pointer}")
    }

    fn allow(&self, keywords: &[&str]) {
        let understood = |name: &str| keywords.contains(&name) || ANNOTATIONS.contains(&name);
        if let Some((name, _)) = self
            .node
            .members()
            .iter()
            .find(|(name, _)| !understood(name))
        {
            self.refuse(&format!("the keyword {name:?} beside {keywords:?}"));
        }
    }

    fn refuse(&self, what: &str) -> ! {
        panic!("{}: the generator does not understand {what}", self.path)
    }
}

/// The required constant of a record, if it has one: its name and its value.
pub fn tag_of(record: &Schema) -> Option<(&str, &str)> {
    record
        .members()
        .iter()
        .find_map(|member| match &member.schema.form {
            Form::Const(value) if member.required => Some((member.name.as_str(), value.as_str())),
            _ => None,
        })
}

impl Pattern {
    fn read(text: &str) -> Option<Pattern> {
        let (class, count) = text
            .strip_prefix("^[")?
            .strip_suffix("}$")?
            .split_once("]{")?;
        let (min, max) = count.split_once(',')?;
        let mut ranges = Vec::new();
        let mut chars = class.chars().peekable();
        while let Some(first) = chars.next() {
            let is_range = chars.peek() == Some(&'-') && chars.clone().nth(1).is_some();
            let last = if is_range { chars.nth(1)? } else { first };
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            if !plain(first) || !plain(last) || first > last {
                return None;
            }
            ranges.push((first, last));
        }
        Some(Pattern {
            text: text.to_owned(),
            ranges,
            min: min.parse().ok()?,
            max: max.parse().ok()?,
        })
    }
}

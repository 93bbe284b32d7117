//! All schema files together: what they define, in order, and the Rust names of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::node::Node;
use super::schema::{Form, Schema};

/// Rust's name of a thing whose own name would be misunderstood.
const RENAMED: &[(&str, &str)] = &[("error", "ErrorMessage")];

/// The files of `v1/`, read.
pub struct Catalog {
    /// Every file's own schema and every definition in it, by path.
    schemas: BTreeMap<String, Schema>,
    /// The definitions of `common.json`, in its order.
    pub shared: Vec<Schema>,
    pub op: Schema,
    pub limits: Schema,
    pub messages: Vec<Message>,
    pub errors: Vec<Node>,
}

/// A line of the message table, with its schema.
pub struct Message {
    pub name: String,
    pub from: String,
    pub reply: Vec<String>,
    pub chapter: String,
    pub schema: Schema,
}

/// The folder of the data files.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("v1")
}

pub fn read(path: &str) -> Node {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    Node::parse(&text)
}

impl Catalog {
    pub fn load() -> Catalog {
        let table = read("messages.json");
        let errors = read("errors.json")
            .member("errors")
            .expect("the registry lists errors")
            .items()
            .to_vec();
        let messages = table
            .member("messages")
            .expect("the table lists messages")
            .items();
        let messages: Vec<Message> = messages.iter().map(message).collect();
        let common = read("common.json");
        let shared: Vec<Schema> = common
            .member("$defs")
            .expect("common.json has definitions")
            .members()
            .iter()
            .map(|(name, node)| Schema::read(&format!("common.json#/$defs/{name}"), node))
            .collect();
        let file = |path: &str| Schema::read(&format!("{path}#"), &read(path));
        let (op, limits) = (file("op.json"), file("limits.json"));
        let all = shared
            .iter()
            .chain([&op, &limits])
            .chain(messages.iter().map(|message| &message.schema));
        let schemas = all
            .map(|schema| (schema.path.clone(), schema.clone()))
            .collect();
        Catalog {
            schemas,
            shared,
            op,
            limits,
            messages,
            errors,
        }
    }

    /// The schema that a reference means.
    pub fn find(&self, path: &str) -> &Schema {
        self.schemas
            .get(path)
            .unwrap_or_else(|| panic!("no schema stands at {path}"))
    }

    /// The schema itself, or what it refers to.
    pub fn follow<'c>(&'c self, schema: &'c Schema) -> &'c Schema {
        match &schema.form {
            Form::Ref(path) => self.follow(self.find(path)),
            _ => schema,
        }
    }

    /// What the schema, or what it refers to, says about itself.
    pub fn description<'c>(&'c self, schema: &'c Schema) -> &'c str {
        let said = schema
            .description
            .as_deref()
            .or(self.follow(schema).description.as_deref());
        said.unwrap_or_else(|| panic!("{}: a description is missing", schema.path))
    }

    /// Every union of the catalog, with its arms.
    pub fn unions(&self) -> impl Iterator<Item = (&Schema, &[Schema])> {
        self.shared
            .iter()
            .chain([&self.op])
            .filter_map(|schema| match &schema.form {
                Form::Union { arms, .. } => Some((schema, arms.as_slice())),
                _ => None,
            })
    }

    /// Rust's name of a record, union, word list or pattern.
    pub fn rust_name(&self, schema: &Schema) -> String {
        let last = schema
            .path
            .trim_end_matches('#')
            .trim_end_matches(".json")
            .rsplit('/')
            .next()
            .unwrap_or_default();
        let inline = schema.path.contains("#/") && !schema.path.contains("#/$defs/");
        assert!(
            !inline || schema.title.is_some(),
            "{}: what stands inline needs a title",
            schema.path
        );
        let name = schema.title.as_deref().unwrap_or(last);
        match RENAMED.iter().find(|(own, _)| *own == name) {
            Some((_, renamed)) => (*renamed).to_owned(),
            None => pascal(name),
        }
    }

    /// Rust's name of a union's arm: its title, and its union's name where arms of one title differ.
    pub fn arm_name(&self, union: &Schema, arm: &Schema) -> String {
        let mut namesakes = self
            .unions()
            .flat_map(|(_, arms)| arms)
            .filter(|other| other.title == arm.title);
        let title = pascal(
            arm.title
                .as_deref()
                .expect("the reader saw to it that arms have titles"),
        );
        if namesakes.all(|other| other.same_as(arm)) {
            title
        } else {
            title + &self.rust_name(union)
        }
    }
}

fn message(line: &Node) -> Message {
    let name = line.text("name");
    let schema_path = format!("messages/{name}.json");
    Message {
        name: name.to_owned(),
        from: line.text("from").to_owned(),
        reply: line.texts("reply").into_iter().map(str::to_owned).collect(),
        chapter: line.text("chapter").to_owned(),
        schema: Schema::read(&format!("{schema_path}#"), &read(&schema_path)),
    }
}

/// `mutationResult` to `MutationResult`.
pub fn pascal(name: &str) -> String {
    let word = |word: &str| {
        let mut chars = word.chars();
        let first = chars.next().into_iter().flat_map(char::to_uppercase);
        first.chain(chars.clone()).collect::<String>()
    };
    name.split('_').map(word).collect()
}

/// `opId` to `op_id`.
pub fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

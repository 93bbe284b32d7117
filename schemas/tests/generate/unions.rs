//! Writes unions as Rust: an enum over the arms' structs, what all arms share as methods, and the enums of all
//! messages of one direction, which are unions too.

use super::catalog::{Message, pascal, snake};
use super::schema::{Form, Member, Schema, tag_of};
use super::types::Writer;

/// Writes a union and the structs of its arms.
pub fn write(writer: &mut Writer<'_>, union: &Schema, tag: &str, arms: &[Schema]) {
    let name = writer.catalog.rust_name(union);
    let arms: Vec<Arm<'_>> = arms
        .iter()
        .map(|schema| Arm::of(writer, union, schema))
        .collect();
    writer.doc(writer.catalog.description(union));
    enum_of(writer, &name, tag, &arms);
    reading(writer, &name, tag, &arms);
    sharing(writer, &name, tag, &arms);
    widening(writer, union, &name, &arms);
    for arm in &arms {
        writer.record(&arm.rust, arm.schema, arm.schema.members());
    }
}

/// Writes the enum of all messages that one side sends.
pub fn write_messages(writer: &mut Writer<'_>, side: &str, messages: &[&Message]) {
    let name = format!("{}Message", pascal(side));
    let arms: Vec<Arm<'_>> = messages
        .iter()
        .map(|message| Arm::of_message(writer, message))
        .collect();
    writer.doc(&format!("A message that a {side} sends."));
    writer.line("#[allow(clippy::large_enum_variant, reason = \"the large ones are rare: one a connection\")]");
    enum_of(writer, &name, "type", &arms);
    reading(writer, &name, "type", &arms);
    writer.line(&format!("impl {name} {{"));
    tag_method(writer, "type_name", "The message's `type`.", &arms);
    writer.line(&format!(
        "/// Reads a frame's text, nested at most `depth_max` deep (`limits.depthMax`).
        ///
        /// # Errors
        /// The text is not JSON within the rules, or no message that a {side} sends.
        pub fn decode(text: &str, depth_max: u64) -> Result<Self, DecodeError> {{
            decode::message(text, depth_max, Self::TAGS)
        }}

        /// The frame's text.
        #[must_use]
        pub fn encode(&self) -> String {{
            serde_json::to_string(self).expect(\"a message has only members that JSON can say\")
        }}
        }}\n"
    ));
}

struct Arm<'s> {
    /// The tag's value.
    word: String,
    /// The struct.
    rust: String,
    schema: &'s Schema,
}

impl<'s> Arm<'s> {
    fn of(writer: &Writer<'_>, union: &Schema, schema: &'s Schema) -> Arm<'s> {
        let (_, word) = tag_of(schema).expect("the reader saw to it that arms have tags");
        Arm {
            word: word.to_owned(),
            rust: writer.catalog.arm_name(union, schema),
            schema,
        }
    }

    fn of_message(writer: &Writer<'_>, message: &'s Message) -> Arm<'s> {
        let rust = writer.catalog.rust_name(&message.schema);
        Arm {
            word: message.name.clone(),
            rust,
            schema: &message.schema,
        }
    }

    fn variant(&self) -> String {
        pascal(&self.word)
    }
}

fn enum_of(writer: &mut Writer<'_>, name: &str, tag: &str, arms: &[Arm<'_>]) {
    writer.line("#[derive(Clone, Debug, PartialEq, Eq, Serialize)]");
    writer.line(&format!(
        "#[serde(tag = {tag:?}, rename_all = \"camelCase\")]"
    ));
    writer.line(&format!("pub enum {name} {{"));
    for arm in arms {
        writer.doc(writer.catalog.description(arm.schema));
        if arm.word.contains('_') {
            writer.line(&format!("#[serde(rename = {:?})]", arm.word));
        }
        writer.line(&format!("{}({}),", arm.variant(), arm.rust));
    }
    writer.line("}\n");
}

/// Writes how the union is read by its tag, and made from each arm.
fn reading(writer: &mut Writer<'_>, name: &str, tag: &str, arms: &[Arm<'_>]) {
    let words: Vec<&str> = arms.iter().map(|arm| arm.word.as_str()).collect();
    writer.line(&format!("impl {name} {{"));
    writer.line(&format!(
        "/// The values of `{tag}`, in the schema's order."
    ));
    writer.line(&format!(
        "pub const TAGS: &'static [&'static str] = &{words:?};"
    ));
    writer.line("}\n");
    writer.line(&format!("impl<'de> Tagged<'de> for {name} {{"));
    writer.line(&format!("const TAG: &'static str = {tag:?};\n"));
    writer
        .line("fn read_arm<A: MapAccess<'de>>(tag: &str, members: A) -> Result<Self, A::Error> {");
    writer.line("let members = MapAccessDeserializer::new(members); match tag {");
    for arm in arms {
        writer.line(&format!(
            "{:?} => {}::deserialize(members).map(Self::{}),",
            arm.word,
            arm.rust,
            arm.variant()
        ));
    }
    writer.line("other => Err(A::Error::unknown_variant(other, Self::TAGS)), } } }\n");
    writer.line(&format!(
        "impl<'de> Deserialize<'de> for {name} {{
            fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {{ tagged::read(source) }}
        }}\n"
    ));
    for arm in arms {
        writer.line(&format!(
            "impl From<{rust}> for {name} {{
                fn from(arm: {rust}) -> Self {{ Self::{variant}(arm) }}
            }}\n",
            rust = arm.rust,
            variant = arm.variant()
        ));
    }
}

/// Writes a method for the tag and one for each member that all arms have alike.
fn sharing(writer: &mut Writer<'_>, name: &str, tag: &str, arms: &[Arm<'_>]) {
    writer.line(&format!("impl {name} {{"));
    tag_method(writer, &snake(tag), &format!("The arm's `{tag}`."), arms);
    let (first, others) = arms.split_first().expect("a union has arms");
    for member in first.schema.members() {
        let alike = |arm: &Arm<'_>| {
            let has = |other: &Member| {
                other.name == member.name
                    && other.required == member.required
                    && other.schema.form == member.schema.form
            };
            arm.schema.members().iter().any(has)
        };
        if !matches!(member.schema.form, Form::Const(_)) && others.iter().all(alike) {
            shared_member(writer, member, arms);
        }
    }
    writer.line("}\n");
}

fn tag_method(writer: &mut Writer<'_>, method: &str, doc: &str, arms: &[Arm<'_>]) {
    writer.doc(doc);
    writer.line("#[must_use]");
    writer.line(&format!(
        "pub fn {method}(&self) -> &'static str {{ match self {{"
    ));
    for arm in arms {
        writer.line(&format!("Self::{}(_) => {:?},", arm.variant(), arm.word));
    }
    writer.line("} }\n");
}

fn shared_member(writer: &mut Writer<'_>, member: &Member, arms: &[Arm<'_>]) {
    let field = snake(&member.name);
    let owned = writer.rust_type(&member.schema);
    let (given, expression) = match (owned.as_str(), member.required) {
        ("u64" | "bool", true) => (owned, format!("arm.{field}")),
        ("u64", false) => ("Option<u64>".to_owned(), format!("arm.{field}")),
        ("String", true) => ("&str".to_owned(), format!("&arm.{field}")),
        ("String", false) => ("Option<&str>".to_owned(), format!("arm.{field}.as_deref()")),
        (_, true) => (format!("&{owned}"), format!("&arm.{field}")),
        (_, false) => (format!("Option<&{owned}>"), format!("arm.{field}.as_ref()")),
    };
    writer.doc(writer.catalog.description(&member.schema));
    writer.line("#[must_use]");
    writer.line(&format!(
        "pub fn {field}(&self) -> {given} {{ match self {{"
    ));
    for arm in arms {
        writer.line(&format!("Self::{}(arm) => {expression},", arm.variant()));
    }
    writer.line("} }\n");
}

/// Writes the conversion into each wider union: one that has all of this one's arms, and more.
fn widening(writer: &mut Writer<'_>, union: &Schema, name: &str, arms: &[Arm<'_>]) {
    let catalog = writer.catalog;
    for (wider, wider_arms) in catalog
        .unions()
        .filter(|(wider, _)| wider.path != union.path)
    {
        let has = |arm: &Arm<'_>| {
            wider_arms
                .iter()
                .any(|other| catalog.arm_name(wider, other) == arm.rust)
        };
        if !arms.iter().all(has) {
            continue;
        }
        let wider = catalog.rust_name(wider);
        writer.line(&format!(
            "impl From<{name}> for {wider} {{ fn from(narrow: {name}) -> Self {{ match narrow {{"
        ));
        for arm in arms {
            writer.line(&format!(
                "{name}::{0}(arm) => Self::{0}(arm),",
                arm.variant()
            ));
        }
        writer.line("} } }\n");
    }
}

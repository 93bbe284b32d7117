//! The generated files of `src/generated/`, as texts.

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::catalog::{Catalog, pascal, snake};
use super::node::Node;
use super::schema::Form;
use super::types::Writer;
use super::unions;

/// Every file: its name within `src/generated/`, and its text.
pub fn files(catalog: &Catalog) -> Vec<(&'static str, String)> {
    let files = [
        ("mod.rs", modules()),
        ("patterns.rs", patterns(catalog)),
        ("shared.rs", shared(catalog)),
        ("op.rs", op(catalog)),
        ("limits.rs", limits(catalog)),
        ("messages.rs", messages(catalog)),
        ("errors.rs", errors(catalog)),
        ("files.rs", embedded(catalog)),
    ];
    files
        .into_iter()
        .map(|(name, text)| (name, format_rust(&text)))
        .collect()
}

/// What every generated file says first.
fn head(about: &str) -> String {
    format!(
        "//! {about}\n//!\n//! Generated from `v1/` by `tests/generate`: change the schemas, then run the tests.\n\n"
    )
}

const UNION_USES: &str = "use serde::de::value::MapAccessDeserializer;
    use serde::de::{Deserializer, Error, MapAccess};
    use serde::{Deserialize, Serialize};
    use crate::tagged::{self, Tagged};\n";

fn modules() -> String {
    let names = [
        "errors", "files", "limits", "messages", "op", "patterns", "shared",
    ];
    let lines = names.map(|name| format!("pub mod {name};\n"));
    head("What the schemas and the registry say, in Rust.")
        + &lines
            .concat()
            .replace("pub mod", "pub(crate) mod")
            .replace("pub(crate) mod patterns", "pub mod patterns")
}

fn patterns(catalog: &Catalog) -> String {
    let mut writer = Writer::new(catalog);
    writer.out = head("The rules of names, one type each: `Ident::matches(text)`.")
        + "use crate::forms::Pattern;\n\n";
    for schema in &catalog.shared {
        if let Form::Pattern(pattern) = &schema.form {
            writer.pattern(schema, pattern);
        }
    }
    writer.out
}

fn shared(catalog: &Catalog) -> String {
    let mut writer = Writer::new(catalog);
    writer.out = head("What several messages share: `common.json`.")
        + UNION_USES
        + "use crate::Json;
        use crate::forms::{Any, Integer, List, Matching, Object, Text, Words, optional, required};
        use super::patterns;\n\n";
    catalog
        .shared
        .iter()
        .for_each(|schema| writer.define(schema));
    writer.out
}

fn op(catalog: &Catalog) -> String {
    let mut writer = Writer::new(catalog);
    writer.out = head("One operation of a mutation: `op.json`.")
        + UNION_USES
        + "use std::collections::BTreeMap;
        use crate::{Json, TableSchema};
        use crate::forms::{Any, Integer, List, Matching, Object, Table, Text, optional, required};
        use super::patterns;\n\n";
    writer.define(&catalog.op);
    writer.out
}

fn limits(catalog: &Catalog) -> String {
    let mut writer = Writer::new(catalog);
    writer.out = head("What a server allows: `limits.json`.")
        + "use serde::{Deserialize, Serialize};
        use crate::forms::{Integer, optional, required};\n\n";
    writer.define(&catalog.limits);
    writer.line("/// The reference server's limits: each member's `default`.");
    writer.line("impl Default for Limits { fn default() -> Self { Self {");
    for member in catalog.limits.members() {
        let default = member
            .schema
            .default
            .unwrap_or_else(|| panic!("{}: no default", member.schema.path));
        let default = match member.required {
            true => default.to_string(),
            false => format!("Some({default})"),
        };
        writer.line(&format!("{}: {default},", snake(&member.name)));
    }
    writer.line("} } }");
    writer.out
}

fn messages(catalog: &Catalog) -> String {
    let mut writer = Writer::new(catalog);
    writer.out = head("The messages: `messages.json` and `messages/`.")
        + UNION_USES
        + "use std::collections::BTreeMap;
        use crate::decode::{self, DecodeError};
        use crate::forms::{Any, Flag, Integer, List, Matching, Object, Table, Text, Word, Words, optional, required};
        use crate::{Change, Cursor, HistoryOrder, Json, JsonObject, Limits, MutationResult, Outcome, PastChange, Place};
        use super::patterns;\n\n";
    for side in ["client", "server"] {
        let sent: Vec<_> = catalog
            .messages
            .iter()
            .filter(|message| message.from == side)
            .collect();
        unions::write_messages(&mut writer, side, &sent);
    }
    catalog
        .messages
        .iter()
        .for_each(|message| writer.define(&message.schema));
    writer.out
}

fn errors(catalog: &Catalog) -> String {
    let mut out = head("The codes of `errors.json`.")
        + "use crate::errors::{Carrier, ErrorDef, Fault, Scope};\n\n";
    let constant = |error: &Node| error.text("code").to_uppercase();
    for error in &catalog.errors {
        let variant = |name: &str| pascal(error.text(name));
        out += &format!(
            "/// {summary}\npub const {name}: ErrorDef = ErrorDef {{ code: {code:?}, carrier: Carrier::{carrier}, \
             scope: Scope::{scope}, retryable: {retryable}, definite: {definite}, fault: Fault::{fault}, \
             members: &{members:?}, summary: {summary:?} }};\n\n",
            summary = error.text("summary"),
            name = constant(error),
            code = error.text("code"),
            carrier = variant("carrier"),
            scope = variant("scope"),
            retryable = error.flag("retryable"),
            definite = error.flag("definite"),
            fault = variant("fault"),
            members = error.texts("members"),
        );
    }
    let all: Vec<String> = catalog
        .errors
        .iter()
        .map(|error| format!("&{}", constant(error)))
        .collect();
    out + &format!(
        "/// Every code, in the registry's order.\npub const ALL: &[&ErrorDef] = &[{}];\n",
        all.join(", ")
    )
}

fn embedded(catalog: &Catalog) -> String {
    let messages = catalog
        .messages
        .iter()
        .map(|message| format!("messages/{}.json", message.name));
    let paths = ["common.json", "limits.json", "op.json", "where.json"]
        .map(str::to_owned)
        .into_iter()
        .chain(messages);
    let include = |path: &str| format!("include_str!(\"../../v1/{path}\")");
    let entry = |path: String| {
        format!(
            "SchemaFile {{ path: {path:?}, text: {} }},\n",
            include(&path)
        )
    };
    head("The data files, embedded.")
        + "use crate::files::SchemaFile;\n\n"
        + "/// Every JSON Schema: what messages share, then the messages, in the order of their table.\n"
        + &format!(
            "pub const SCHEMAS: &[SchemaFile] = &[{}];\n\n",
            paths.map(entry).collect::<String>()
        )
        + &format!(
            "/// The message table.\npub const MESSAGES: &str = {};\n\n",
            include("messages.json")
        )
        + &format!(
            "/// The error registry.\npub const ERRORS: &str = {};\n",
            include("errors.json")
        )
}

/// Has rustfmt lay out a text, by the project's own settings.
fn format_rust(text: &str) -> String {
    let mut rustfmt = Command::new("rustfmt")
        .args(["--edition", "2024", "--emit", "stdout"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("rustfmt is installed: it is part of the toolchain");
    let mut input = rustfmt.stdin.take().expect("the input was asked for");
    // rustfmt reads all before it writes, so this cannot block for ever.
    input
        .write_all(text.as_bytes())
        .expect("rustfmt reads what it is given");
    drop(input);
    let output = rustfmt.wait_with_output().expect("rustfmt ends");
    assert!(
        output.status.success(),
        "rustfmt refused the generated code:\n{text}"
    );
    String::from_utf8(output.stdout).expect("rustfmt writes UTF-8")
}

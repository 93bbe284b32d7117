//! Reading a `declare` as far as it can be judged without the state: its names, its schema, and whether all that it says is offered here.
//!
//! What is not known is refused, a member as well as a word: an older server must not take a table to be decided in a way of which it knows nothing (TAB-REFUSED).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use syncline_schemas::{Declare, Granularity, Json, Limits, Strategy, TableKind, errors};

use crate::names;
use crate::request::{OpFault, check_each};
use crate::schema::Schema;
use crate::tables::{self, Declaration};

/// The members that are known.
const MEMBERS: [&str; 7] = [
    "op",
    "table",
    "strategy",
    "granularity",
    "resolver",
    "schema",
    "kind",
];

/// Reads a declaration, of which this is the text.
pub(crate) fn read(
    text: &Json,
    declare: Declare,
    limits: &Limits,
    capabilities: &[String],
) -> Result<Declaration, OpFault> {
    let checked = names::check_table(&declare.table, limits);
    check_each([("/table", checked, "tableBytesMax")])?;
    let schema = { declare.schema.as_ref() }.map(|schema| Schema::read(schema, limits));
    let schema = schema.transpose()?;
    if let Some(member) = unknown_member(text) {
        let at = format!("/{}", member.replace('~', "~0").replace('/', "~1"));
        return Err(not_known(at));
    }
    let declaration = Declaration {
        table: declare.table.into(),
        strategy: known(declare.strategy, Strategy::of_word, "/strategy")?,
        granularity: known(declare.granularity, Granularity::of_word, "/granularity")?,
        resolver: declare.resolver.map(Arc::from),
        schema,
        kind: known(declare.kind, TableKind::of_word, "/kind")?,
    };
    match tables::refused(&declaration, capabilities) {
        None => Ok(declaration),
        Some((at, why)) => Err((&errors::SETTING_REFUSED, at.to_owned(), why.to_owned())),
    }
}

/// What the word of a setting says.
fn known<T>(
    word: Option<String>,
    of_word: fn(&str) -> Option<T>,
    at: &str,
) -> Result<Option<T>, OpFault> {
    let read = |word: String| of_word(&word).ok_or_else(|| not_known(at.to_owned()));
    word.map(read).transpose()
}

fn not_known(at: String) -> OpFault {
    let why = "this server knows no such setting";
    (&errors::SETTING_REFUSED, at, why.to_owned())
}

/// A setting of which nothing is known here.
fn unknown_member(text: &Json) -> Option<String> {
    let mut source = serde_json::Deserializer::from_str(text.get());
    // The frame that it came in was bounded in depth.
    source.disable_recursion_limit();
    let members = BTreeMap::<String, IgnoredAny>::deserialize(&mut source).ok()?;
    { members.into_keys() }.find(|name| !MEMBERS.contains(&name.as_str()))
}

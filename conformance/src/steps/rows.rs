//! `rows`: what a replica holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subscribe::sub;
use crate::drive::replicas::Expected;
use crate::drive::{Cx, Stop};
use crate::scenario::{Template, Text};

/// Awaits that a subscription's replica has all that was acknowledged so far of its tables, then compares its rows.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rows {
    /// The subscription's name.
    pub sub: Text,
    /// The rows that must be there.
    pub rows: Vec<Row>,
    /// false: other rows may be there too.
    #[serde(default = "yes")]
    pub exactly: bool,
    /// Rows that must not be there, for where `exactly` is false.
    #[serde(default)]
    pub absent: Vec<AbsentRow>,
    /// true: awaits nothing, compares what the replica holds now.
    #[serde(default)]
    pub now: bool,
}

impl Rows {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let sub = sub(cx, &self.sub)?;
        let expected = expected(cx, &self.rows, &self.absent, self.exactly)?;
        let late = if self.now {
            None
        } else {
            cx.caught_up(sub).await.err()
        };
        let (rows, at) = cx.with(|state| {
            let sub = &state.facts.subs[sub];
            (
                sub.replica.rows.clone(),
                sub.parts.last().map(|part| part.at),
            )
        });
        match (expected.check(cx, &rows), late) {
            // Nobody knows whether the rest would have come.
            (_, Some(unknown @ (Stop::Unknown(_) | Stop::Lost(_) | Stop::DidNotHappen(_)))) => {
                Err(unknown)
            }
            (Err(difference), _) => Err(difference.at(at)),
            (Ok(()), late) => late.map_or(Ok(()), Err),
        }
    }
}

/// What a step expects of rows.
pub(super) fn expected(
    cx: &Cx,
    rows: &[Row],
    absent: &[AbsentRow],
    exactly: bool,
) -> Result<Expected, Stop> {
    let pattern = |template: &Option<Template>| {
        template
            .as_ref()
            .map(|template| cx.pattern(&template.0))
            .transpose()
    };
    let key = |table: &Template, key: &Template| {
        Ok::<_, Stop>((cx.string(&table.0)?, cx.string(&key.0)?))
    };
    let row = |row: &Row| {
        Ok::<_, Stop>((
            key(&row.table, &row.key)?,
            pattern(&row.value)?,
            pattern(&row.version)?,
        ))
    };
    Ok(Expected {
        rows: rows.iter().map(row).collect::<Result<_, _>>()?,
        absent: absent
            .iter()
            .map(|row| key(&row.table, &row.key))
            .collect::<Result<_, _>>()?,
        exactly,
    })
}

/// A row that must be there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Row {
    /// Its table.
    pub table: Template,
    /// Its key (a string, or a generator of one).
    pub key: Template,
    /// A pattern for its value. Unlike in frames, objects must have no other members. Without it any value will do.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub value: Option<Template>,
    /// A pattern for its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Template>,
}

/// A row that must not be there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AbsentRow {
    /// Its table.
    pub table: Template,
    /// Its key.
    pub key: Template,
}

pub(crate) fn yes() -> bool {
    true
}

/// A member that is there, `null` included.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Template>, D::Error> {
    Template::deserialize(source).map(Some)
}

//! `subscribe`: a replica of some tables.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::drive::{Cx, Spoken, State, Stop};
use crate::history::ConnIx;
use crate::matcher::{Others, short};
use crate::scenario::{Template, Text};
use crate::vars::Bound;

/// Sends `subscribe`, awaits `subscribed` and the first complete update, and keeps a replica from then on. Binds the name in `as` to
/// `${s.shape}`, `${s.id}` and `${s.to}` (the `to` of the first complete update).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subscribe {
    /// Where.
    pub conn: Text,
    /// The tables: a list of names, or an object of names with their settings.
    pub tables: Template,
    /// The `cursor` to send, `{"epoch": ..., "version": ...}`. Without it, and without `resume`, none is sent.
    pub cursor: Option<Template>,
    /// The name of an earlier subscription, of this or another connection, open or not: goes on from its rows and its cursor.
    pub resume: Option<Text>,
    /// Names the subscription.
    pub r#as: Option<Text>,
    /// What to await.
    #[serde(default)]
    pub r#await: SubscribeAwait,
    /// Expects this error code instead of `subscribed`.
    pub refused: Option<Text>,
    /// A pattern that each part of the first complete update must match, as `{"replace": {"$absent": true}}`.
    pub expect: Option<Template>,
}

impl Subscribe {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let conn = cx.conn(&self.conn)?;
        let asked = self.ask(cx, conn).await?;
        if self.r#await == SubscribeAwait::Nothing {
            return Ok(());
        }
        let wanted = self.refused.as_ref().map_or_else(
            || "subscribed".to_owned(),
            |code| format!("the error {}", code.0),
        );
        let (at, answer) = cx.answer(conn, asked, &wanted).await?;
        if let Some(code) = &self.refused {
            let code = cx.text(code)?;
            let is_it = answer.kind() == "error" && answer.string("code") == Some(&code);
            return if is_it {
                Ok(())
            } else {
                Err(Stop::fail(wanted, answer.to_string()).at([asked.at, at]))
            };
        }
        if answer.kind() != "subscribed" {
            return Err(Stop::fail(wanted, answer.to_string()).at([asked.at, at]));
        }
        if self.r#await == SubscribeAwait::Update {
            self.first_update(cx, conn, asked.at).await
        } else {
            Ok(())
        }
    }

    /// Sends the `subscribe`; gives it.
    pub(super) async fn ask(&self, cx: &Cx, conn: ConnIx) -> Result<Spoken, Stop> {
        let resumes = self.resume.as_ref().map(|name| sub(cx, name)).transpose()?;
        let asked = cx
            .say_resuming(conn, &self.message(cx, resumes)?, resumes)
            .await?;
        if let Some(name) = &self.r#as {
            let name = cx.text(name)?;
            cx.with(|state| state.vars.bind(&name, Bound::Sub(asked.at)));
        }
        Ok(asked)
    }

    fn message(&self, cx: &Cx, resumes: Option<usize>) -> Result<Value, Stop> {
        let tables = match cx.value(&self.tables.0)? {
            Value::Array(names) => {
                let name = |name: Value| {
                    name.as_str()
                        .map(|name| (name.to_owned(), json!({})))
                        .ok_or("a table's name is no string")
                };
                Value::Object(
                    names
                        .into_iter()
                        .map(name)
                        .collect::<Result<_, _>>()
                        .map_err(Stop::misuse)?,
                )
            }
            tables => tables,
        };
        let id = format!("sub-{}", cx.with(State::counted));
        let mut message = json!({ "type": "subscribe", "id": id, "tables": tables });
        if let Some(cursor) = &self.cursor {
            message["cursor"] = cx.value(&cursor.0)?;
        }
        let stands =
            resumes.and_then(|sub| cx.with(|state| state.facts.subs[sub].held().cursor.clone()));
        if let Some((epoch, version)) = stands {
            message["cursor"] = json!({ "epoch": epoch, "version": version });
        }
        Ok(message)
    }

    async fn first_update(&self, cx: &Cx, conn: ConnIx, asked_at: usize) -> Result<(), Stop> {
        let parts = cx
            .until(
                conn,
                "the first complete update of the subscription",
                Duration::ZERO,
                |state| {
                    let sub = &state.facts.subs[state.facts.sub_of(asked_at)?];
                    let last = sub.completes.first()?.last;
                    let parts: Vec<usize> = sub.parts[..=last].iter().map(|part| part.at).collect();
                    state.looked[conn].awaited.extend(&parts);
                    Some(Ok(parts))
                },
            )
            .await?;
        let Some(expect) = &self.expect else {
            return Ok(());
        };
        let pattern = cx.pattern(&expect.0)?;
        for at in parts {
            let frame = cx.with(|state| state.facts.frame(at).cloned());
            cx.matches(
                &pattern,
                frame.and_then(|frame| frame.json).as_ref(),
                Others::Allowed,
            )
            .map_err(|mismatch| {
                Stop::fail(
                    format!("an update like {}", short(&pattern)),
                    mismatch.to_string(),
                )
                .at([at])
            })?;
        }
        Ok(())
    }
}

/// The subscription of this name.
pub(super) fn sub(cx: &Cx, name: &Text) -> Result<usize, Stop> {
    let name = cx.text(name)?;
    let found = cx.with(|state| match state.vars.bound(&name) {
        Some(Bound::Sub(asked_at)) => state.facts.sub_of(*asked_at),
        _ => None,
    });
    found.ok_or_else(|| Stop::misuse(format!("{name:?} is no subscription that was accepted")))
}

/// What a `subscribe` awaits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubscribeAwait {
    /// `subscribed` and the first complete update.
    #[default]
    Update,
    /// `subscribed`.
    Subscribed,
    /// Nothing.
    Nothing,
}

//! `fault`: something goes wrong with the network.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::faults::{self, Mark, Trigger, Ways};
use crate::history::Event;
use crate::scenario::{Number, Text};
use crate::vars::Bound;

/// Puts a fault on connections, from now on or from a frame on, until `heal`; connections of these names that are opened later have it too. What it
/// hits is counted: a scenario with a fault that has hit nothing says nothing.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Fault {
    /// The connections' names; they need not be open yet.
    pub conns: Vec<Text>,
    /// What goes wrong.
    pub kind: Kind,
    /// In which directions.
    #[serde(default)]
    pub ways: Ways,
    /// At which frame it begins. Without it: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Trigger>,
    /// `delay`: how long. `stall`: how long; without it until it is healed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<Number>,
    /// `delay`: up to so much longer, by chance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<Number>,
    /// `throttle`: bytes a second. `chop`: bytes at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<Number>,
    /// true: it may hit nothing, and the scenario still says something.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// `fragment`: how many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Number>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The connection ends, at both sides.
    Cut,
    /// The connection ends by a TCP reset.
    Reset,
    /// Nothing passes any more and nobody is told: half-open. What is sent is lost; once healed, the connection is reset.
    Silence,
    /// Nothing passes for a while; nothing is lost.
    Stall,
    /// Everything is late.
    Delay,
    /// Little passes at a time.
    Throttle,
    /// What passes comes in small pieces.
    Chop,
    /// Each message comes in several WebSocket frames.
    Fragment,
}

impl Fault {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let names = self
            .conns
            .iter()
            .map(|name| cx.text(name))
            .collect::<Result<Vec<_>, _>>()?;
        let number =
            |number: &Option<Number>| number.as_ref().map(|number| cx.number(number)).transpose();
        let (ms, bytes) = (number(&self.ms)?, number(&self.bytes)?.unwrap_or(1));
        let kind = match self.kind {
            Kind::Cut => faults::Kind::Cut,
            Kind::Reset => faults::Kind::Reset,
            Kind::Silence => faults::Kind::Silence,
            Kind::Stall => faults::Kind::Stall(ms),
            Kind::Delay => {
                faults::Kind::Delay(ms.unwrap_or(0), number(&self.jitter_ms)?.unwrap_or(0))
            }
            Kind::Throttle => faults::Kind::Throttle(bytes),
            Kind::Chop => faults::Kind::Chop(bytes),
            Kind::Fragment => faults::Kind::Fragment(number(&self.parts)?.unwrap_or(1)),
        };
        let fault = faults::Fault {
            kind,
            ways: self.ways,
            at: self.at.clone(),
            mark: Arc::new(Mark::default()),
        };
        let network = cx
            .network
            .as_ref()
            .ok_or_else(|| Stop::misuse("the run has no network of its own"))?;
        cx.with(|state| {
            for name in &names {
                match state.vars.bound(name) {
                    Some(Bound::Conn(conn)) if fault.may_end() => {
                        let conn = *conn;
                        state.let_end(conn);
                    }
                    _ => {}
                }
            }
        });
        cx.journal.record(Event::Fault {
            what: format!("{}: {}", names.join(", "), self.told()),
        });
        network.add(&names, &fault, (!self.optional).then_some(&cx.place));
        Ok(())
    }

    /// What is wrong with how it is written.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let has = [
            self.ms.is_some(),
            self.jitter_ms.is_some(),
            self.bytes.is_some(),
            self.parts.is_some(),
        ];
        let (may, must) = match self.kind {
            Kind::Cut | Kind::Reset | Kind::Silence => ([false; 4], [false; 4]),
            Kind::Stall => ([true, false, false, false], [false; 4]),
            Kind::Delay => ([true, true, false, false], [true, false, false, false]),
            Kind::Throttle | Kind::Chop => {
                ([false, false, true, false], [false, false, true, false])
            }
            Kind::Fragment => ([false, false, false, true], [false, false, false, true]),
        };
        let names = ["ms", "jitterMs", "bytes", "parts"];
        let wrong =
            (0..4).find(|index| has[*index] && !may[*index] || must[*index] && !has[*index])?;
        Some(format!(
            "a fault of this kind {} `{}`",
            if has[wrong] { "has no" } else { "must have" },
            names[wrong]
        ))
    }

    /// For people: what it does.
    fn told(&self) -> String {
        let told = serde_json::to_value(self).unwrap_or_default();
        let members = told.as_object().into_iter().flatten();
        let said = members.filter(|(name, value)| {
            !["conns", "kind"].contains(&name.as_str()) && **value != "both"
        });
        let said: Vec<_> = said
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        [told["kind"].as_str().unwrap_or_default().to_owned()]
            .into_iter()
            .chain(said)
            .collect::<Vec<_>>()
            .join(", ")
    }
}

//! Tables' settings: what was declared of them, once each, and what goes with what (chapter *tables*).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use syncline_schemas::errors;
use syncline_schemas::{Granularity, JsonObject, Limits, Strategy, TableKind};

use crate::config::{CONFLICTS, Config, DOCUMENTS, FIELDS};
use crate::record::Declared;
use crate::request::{Op, Verdict, reject};
use crate::schema::Schema;

/// What was declared of a table. What nobody has declared is as the chapter says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// What becomes of a concurrent write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Strategy>,
    /// Whether writes of one row are concurrent, or of one field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granularity: Option<Granularity>,
    /// What resolves conflicts, where the strategy is `custom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<Arc<str>>,
    /// Which values its rows may get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Arc<Schema>>,
    /// What it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TableKind>,
    /// When it was declared first: rows that were there before count as written then (CFL-MOMENT-KEPT).
    pub at_ms: u64,
}

impl Settings {
    /// What becomes of a concurrent write.
    pub(crate) fn strategy(&self) -> Strategy {
        self.strategy.unwrap_or(Strategy::ClientWins)
    }

    /// Whether anything but the kind was declared.
    pub(crate) fn has_more_than_kind(&self) -> bool {
        let conflicts = self.strategy.is_some() || self.granularity.is_some();
        conflicts || self.resolver.is_some() || self.schema.is_some()
    }

    /// As `subscribed` tells them (TAB-TOLD).
    pub(crate) fn told(&self) -> JsonObject {
        let without_rules = Settings {
            schema: None,
            ..self.clone()
        };
        let value = serde_json::to_value(without_rules).unwrap_or_default();
        let mut told = value.as_object().cloned().unwrap_or_default();
        told.remove("atMs");
        let version = self.schema.iter().map(|schema| schema.version.into());
        told.extend(version.map(|version| ("schemaVersion".to_owned(), version)));
        told
    }
}

/// All tables that were declared.
pub(crate) type Tables = BTreeMap<Arc<str>, Arc<Settings>>;

/// What is said of a table's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Declaration {
    pub(crate) table: Arc<str>,
    pub(crate) strategy: Option<Strategy>,
    pub(crate) granularity: Option<Granularity>,
    pub(crate) resolver: Option<Arc<str>>,
    pub(crate) schema: Option<Arc<Schema>>,
    pub(crate) kind: Option<TableKind>,
}

/// What of a declaration is not offered, or does not go together in itself.
pub(crate) fn refused(
    declare: &Declaration,
    capabilities: &[String],
) -> Option<(&'static str, &'static str)> {
    let offers = |capability: &str| capabilities.iter().any(|name| name == capability);
    if declare
        .strategy
        .is_some_and(|strategy| strategy != Strategy::ClientWins)
        && !offers(CONFLICTS)
    {
        return Some((
            "/strategy",
            "this needs the capability conflicts, which is not offered here",
        ));
    }
    if declare.granularity == Some(Granularity::Field) && !(offers(CONFLICTS) && offers(FIELDS)) {
        return Some(("/granularity", "fields are not decided one by one here"));
    }
    if declare.kind.is_some() && !offers(DOCUMENTS) {
        return Some((
            "/kind",
            "this needs the capability documents, which is not offered here",
        ));
    }
    if declare.granularity == Some(Granularity::Field) && declare.strategy.is_some_and(is_whole) {
        return Some(("/granularity", FIELDS_UNTOLD));
    }
    None
}

/// What of the settings of a table, as they would be, does not go together (CFL-RESOLVER): the same said again goes with what was said before.
fn unpaired(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let custom = settings.strategy == Some(Strategy::Custom);
    match (custom, &settings.resolver) {
        (true, None) => Some(("/strategy", "`custom` needs a resolver")),
        (false, Some(_)) => Some(("/resolver", "a resolver goes with the strategy `custom`")),
        _ => None,
    }
}

/// Decides the declarations of a mutation: what changes (TAB-SAME, TAB-OTHERWISE, TAB-LIMITS).
pub(crate) fn decide(
    tables: &Tables,
    config: &Config,
    at_ms: u64,
    ops: &[Op],
) -> Verdict<Vec<Declared>> {
    let mut changes = Vec::new();
    let mut declared = tables.len() as u64;
    for (index, op) in ops.iter().enumerate() {
        let Op::Declare(op) = op else { continue };
        let known = tables.get(&op.table);
        let at = |member: &str| Some(format!("/ops/{index}{member}"));
        if let Some(resolver) = &op.resolver
            && !config.resolvers.has(resolver)
        {
            let message = "this server has no such resolver";
            return reject(&errors::SETTING_REFUSED, at("/resolver"), message);
        }
        let settings = match known {
            Some(known) => merged(known, op, at_ms).map_err(|member| otherwise(at(member)))?,
            None => {
                declared += 1;
                if declared > most(&config.limits) {
                    let message = format!("limits.declaredTablesMax is {}", most(&config.limits));
                    return reject(&errors::LIMIT_EXCEEDED, at(""), &message);
                }
                Settings {
                    strategy: op.strategy,
                    granularity: op.granularity,
                    resolver: op.resolver.clone(),
                    schema: op.schema.clone(),
                    kind: op.kind,
                    at_ms,
                }
            }
        };
        if let Some(member) = unfit(op, &settings) {
            return reject(&errors::SETTING_REFUSED, at(member), FIELDS_UNTOLD);
        }
        if let Some((member, message)) = unpaired(&settings) {
            return reject(&errors::SETTING_REFUSED, at(member), message);
        }
        if known.is_none_or(|known| **known != settings) {
            let table = op.table.clone();
            changes.push(Declared { table, settings });
        }
    }
    Ok(changes)
}

/// Why `field` does not go with a strategy of several values, or of values that a resolver makes.
const FIELDS_UNTOLD: &str = "under this strategy no field can be told apart";

/// Whether a strategy decides rows alone.
fn is_whole(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::KeepBoth | Strategy::Custom)
}

/// The setting of a declaration that does not go with what was declared before (FLD-GRANULARITY-REFUSED).
fn unfit(declare: &Declaration, settings: &Settings) -> Option<&'static str> {
    let unfit = is_whole(settings.strategy()) && settings.granularity == Some(Granularity::Field);
    let by = match declare.granularity {
        Some(Granularity::Field) => "/granularity",
        _ => "/strategy",
    };
    unfit.then_some(by)
}

fn most(limits: &Limits) -> u64 {
    limits.declared_tables_max.unwrap_or(0)
}

fn otherwise(at: Option<String>) -> Box<crate::record::Rejection> {
    let refused = reject::<()>(
        &errors::DECLARED_OTHERWISE,
        at,
        "this was declared otherwise before",
    );
    refused.expect_err("a rejection")
}

/// The settings with what a declaration says; the member that was declared otherwise, if there is one.
fn merged(known: &Settings, declare: &Declaration, at_ms: u64) -> Result<Settings, &'static str> {
    fn set<T: PartialEq + Clone>(
        known: &Option<T>,
        said: Option<T>,
        member: &'static str,
    ) -> Result<Option<T>, &'static str> {
        match (known, said) {
            (Some(known), Some(said)) if *known != said => Err(member),
            (None, said) => Ok(said),
            (known, _) => Ok(known.clone()),
        }
    }
    Ok(Settings {
        strategy: set(&known.strategy, declare.strategy, "/strategy")?,
        granularity: set(&known.granularity, declare.granularity, "/granularity")?,
        resolver: set(&known.resolver, declare.resolver.clone(), "/resolver")?,
        schema: raised(&known.schema, &declare.schema)?,
        kind: set(&known.kind, declare.kind, "/kind")?,
        // Rows of before count as written when the strategy was declared (CFL-MOMENT-KEPT). Without one there is nothing to note: to say the same is no change.
        at_ms: match (known.strategy, declare.strategy) {
            (None, Some(_)) => at_ms,
            _ => known.at_ms,
        },
    })
}

/// The schema with what a declaration says: the higher version stands (TAB-RAISED).
fn raised(
    known: &Option<Arc<Schema>>,
    said: &Option<Arc<Schema>>,
) -> Result<Option<Arc<Schema>>, &'static str> {
    match (known, said) {
        (Some(known), Some(said)) if said.version == known.version && said.rules != known.rules => {
            Err("/schema")
        }
        (Some(known), Some(said)) if said.version > known.version => Ok(Some(said.clone())),
        (None, said) => Ok(said.clone()),
        (known, _) => Ok(known.clone()),
    }
}

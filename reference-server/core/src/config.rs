//! What an engine is set up with: limits, retention, the size of a part. Everything has a bound, and the bounds must fit each other.

use syncline_schemas::{Limits, ServerInfo};

use crate::resolver::Resolvers;

/// The settings of one workspace's engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What clients may do, announced in every `welcome`. `in_flight_max` must never be lowered over a workspace's life (CONN-LIMITS).
    pub limits: Limits,
    /// How long deletes are remembered.
    pub retention: Retention,
    /// The size in bytes up to which one `update` frame is filled. A larger change still goes, alone.
    pub part_bytes: usize,
    /// Bytes of rows that a step may leave before what waits is left to the next step. A push whose own ops leave twice as much is
    /// deferred there.
    pub step_bytes: u64,
    /// Which program serves, as told in `welcome`.
    pub server: ServerInfo,
    /// What is offered beyond the core, announced in every `welcome`: names of [`CAPABILITIES`].
    pub capabilities: Vec<String>,
    /// What declarations may name as `resolver`.
    pub resolvers: Resolvers,
}

/// What this engine can offer beyond the core.
pub const CAPABILITIES: &[&str] = &[
    CONFLICTS, DIGESTS, DOCUMENTS, FIELDS, FILTERS, HISTORY, PRESENCE, SEQUENCES, TABLES,
];

/// The capability of the chapter on conflicts.
pub(crate) const CONFLICTS: &str = "conflicts";

/// The capability of the chapter on digests.
pub(crate) const DIGESTS: &str = "digests";

/// The capability of the chapter on documents.
pub(crate) const DOCUMENTS: &str = "documents";

/// The capability of the chapter on fields.
pub(crate) const FIELDS: &str = "fields";

/// The capability of the chapter on filters.
pub(crate) const FILTERS: &str = "filters";

/// The capability of the chapter on history.
pub(crate) const HISTORY: &str = "history";

/// The capability of the chapter on sequences.
pub(crate) const SEQUENCES: &str = "sequences";

/// The capability of the chapter on tables.
pub(crate) const TABLES: &str = "tables";

/// The capability of the chapter on presence.
pub(crate) const PRESENCE: &str = "presence";

impl Config {
    /// Whether a capability is offered.
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            limits: Limits::default(),
            retention: Retention::default(),
            part_bytes: 64 * 1024,
            step_bytes: 32 << 20,
            server: ServerInfo {
                name: "syncline".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            capabilities: CAPABILITIES.iter().map(ToString::to_string).collect(),
            resolvers: Resolvers::default(),
        }
    }
}

/// How long deletes are remembered, and with them from how far back a replica can resume without a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The versions, counted back from the head, whose deletes are kept.
    pub versions_max: u64,
    /// The age in milliseconds up to which deletes are kept. It is kept to about a sixty-fourth of itself.
    pub age_ms_max: u64,
}

impl Default for Retention {
    /// A million versions, thirty days.
    fn default() -> Retention {
        Retention {
            versions_max: 1_000_000,
            age_ms_max: 30 * 24 * 3600 * 1000,
        }
    }
}

/// A character may take six bytes in JSON (`\u0001`).
const ESCAPED: u64 = 6;
/// Bytes of one result of an `ack` without its message and pointer: names of members, a code and an `opId` of 64 bytes each, two integers.
const RESULT_BYTES: u64 = 320;
/// Bytes of one result that has neither a code nor anything else to tell of a rejection.
const APPLIED_BYTES: u64 = 160;
/// Bytes of what a result tells of one op beside the op's index: names of members, two integers.
const OP_RESULT_BYTES: u64 = 80;
/// Bytes of a sibling beside its value.
const SIBLING_BYTES: u64 = 48;
/// Bytes of a frame beside what is counted: names of members, identifiers, integers, the limits in `welcome`.
const FRAME_REST: u64 = 2048;

impl Config {
    /// Checks that whatever is accepted within the limits can be answered and delivered within `frameBytesMax`
    /// (FRAME-SIZE-SENT, UPD-DELIVERABLE).
    ///
    /// # Errors
    /// Says which limit does not fit.
    pub fn check(&self) -> Result<(), String> {
        let limits = &self.limits;
        let names =
            ESCAPED.saturating_mul(limits.table_bytes_max.saturating_add(limits.key_bytes_max));
        let results = limits
            .in_flight_max
            .max(limits.push_mutations_max)
            .saturating_mul(self.result_bytes());
        let tables = ESCAPED.saturating_mul(limits.table_bytes_max.saturating_add(2));
        let needs = [
            (
                "valueBytesMax",
                limits.value_bytes_max.saturating_add(names),
            ),
            (
                "siblingsMax",
                limits
                    .value_bytes_max
                    .saturating_add(names)
                    .saturating_add(SIBLING_BYTES.saturating_mul(limits.siblings_max.unwrap_or(0))),
            ),
            (
                "inFlightMax or pushMutationsMax, or what mutationSequencesMax adds to each result,",
                results,
            ),
            (
                "shapeTablesMax",
                limits.shape_tables_max.saturating_mul(tables),
            ),
            (
                "filterBytesMax",
                { limits.shape_tables_max.saturating_mul(tables) }
                    .saturating_add(limits.filter_bytes_max.unwrap_or(0)),
            ),
            ("the size of a part", self.part_bytes as u64),
            ("presenceBytesMax", limits.presence_bytes_max.unwrap_or(0)),
        ];
        for (name, bytes) in needs {
            if bytes.saturating_add(FRAME_REST) > limits.frame_bytes_max {
                return Err(format!(
                    "{name} allows what does not fit into frameBytesMax, {}",
                    limits.frame_bytes_max
                ));
            }
        }
        if limits.in_flight_max == 0
            || limits.mutations_per_second == 0
            || limits.mutation_burst == 0
        {
            return Err(
                "inFlightMax, mutationsPerSecond and mutationBurst must be 1 at least".to_owned(),
            );
        }
        if { limits.mutation_rows_bytes_max }.is_some_and(|most| most < limits.frame_bytes_max) {
            return Err(format!(
                "mutationRowsBytesMax is less than frameBytesMax, {}",
                limits.frame_bytes_max
            ));
        }
        let presence = [
            limits.presence_bytes_max,
            limits.presence_sessions_max,
            limits.presence_interval_ms,
        ];
        if self.offers(PRESENCE) && presence.contains(&None) {
            return Err("presence is offered without its limits".to_owned());
        }
        if self.offers(DOCUMENTS) {
            let (Some(_), Some(bytes)) = (limits.document_entries_max, limits.document_bytes_max)
            else {
                return Err("documents are offered without their limits".to_owned());
            };
            if bytes < limits.value_bytes_max {
                return Err(format!(
                    "documentBytesMax is less than valueBytesMax, {}: an entry may be so large",
                    limits.value_bytes_max
                ));
            }
        }
        let filters = [
            limits.filter_nodes_max,
            limits.filter_bytes_max,
            limits.digest_scan_rows_max,
        ];
        if self.offers(FILTERS) && filters.contains(&None) {
            return Err("filters are offered without their limits".to_owned());
        }
        let history = [
            limits.history_page_max,
            limits.history_changes_max,
            limits.history_bytes_max,
            limits.history_ms,
        ];
        if self.offers(HISTORY) && history.contains(&None) {
            return Err("history is offered without its limits".to_owned());
        }
        Ok(())
    }

    /// The limits as they are announced: a capability's where it is offered.
    pub(crate) fn announced(&self) -> Limits {
        let mut limits = self.limits.clone();
        if !self.offers(SEQUENCES) {
            limits.allocate_max = None;
            limits.mutation_sequences_max = None;
            limits.sequences_max = None;
            limits.restore_margin = None;
        }
        if !self.offers(TABLES) {
            limits.declared_tables_max = None;
            limits.schema_bytes_max = None;
        }
        if !self.offers(CONFLICTS) {
            limits.siblings_max = None;
        }
        if !self.offers(DOCUMENTS) {
            limits.document_entries_max = None;
            limits.document_bytes_max = None;
        }
        if !self.offers(FILTERS) {
            limits.filter_nodes_max = None;
            limits.filter_bytes_max = None;
            limits.digest_scan_rows_max = None;
        }
        if !self.offers(CONFLICTS) && !self.offers(FIELDS) {
            limits.mutation_rows_bytes_max = None;
        }
        if !self.offers(HISTORY) {
            limits.history_page_max = None;
            limits.history_changes_max = None;
            limits.history_bytes_max = None;
            limits.history_ms = None;
        }
        if !self.offers(PRESENCE) {
            limits.presence_bytes_max = None;
            limits.presence_sessions_max = None;
            limits.presence_interval_ms = None;
        }
        limits
    }

    /// The most bytes of one result of an `ack`, without its message and pointer.
    fn result_bytes(&self) -> u64 {
        let told = match self.limits.mutation_sequences_max {
            Some(most) if self.offers(SEQUENCES) => most,
            _ => 0,
        };
        let index_digits = self.limits.mutation_ops_max.max(1_000).ilog10() + 1;
        let entry = OP_RESULT_BYTES + u64::from(index_digits);
        let applied = APPLIED_BYTES.saturating_add(told.saturating_mul(entry));
        RESULT_BYTES.max(applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl Fn(&mut Config), refused: Option<&str>) {
        let mut config = Config::default();
        change(&mut config);
        match (config.check(), refused) {
            (Ok(()), None) => {}
            (Err(said), Some(name)) if said.contains(name) => {}
            (said, _) => panic!("{said:?}, expected {refused:?}"),
        }
    }

    #[test]
    fn limits_must_fit_each_other() {
        check(|_| {}, None);
        check(
            |config| config.limits.value_bytes_max = 1 << 20,
            Some("valueBytesMax"),
        );
        check(
            |config| config.limits.in_flight_max = 4000,
            Some("inFlightMax"),
        );
        check(
            |config| config.limits.push_mutations_max = u64::MAX,
            Some("pushMutationsMax"),
        );
        check(
            |config| config.limits.shape_tables_max = 2000,
            Some("shapeTablesMax"),
        );
        check(|config| config.part_bytes = 1 << 20, Some("part"));
        let presence =
            |bytes| move |config: &mut Config| config.limits.presence_bytes_max = Some(bytes);
        check(presence((1 << 20) - FRAME_REST), None);
        check(
            |config| config.limits.presence_interval_ms = None,
            Some("without its limits"),
        );
        check(
            |config| config.limits.history_ms = None,
            Some("history is offered without its limits"),
        );
        check(
            presence((1 << 20) - FRAME_REST + 1),
            Some("presenceBytesMax"),
        );
        check(
            |config| config.limits.mutation_burst = 0,
            Some("mutationBurst"),
        );
    }

    #[test]
    fn what_is_told_of_ops_must_fit_too() {
        let many = |config: &mut Config| config.limits.mutation_sequences_max = Some(47);
        check(
            |config| config.limits.mutation_sequences_max = Some(46),
            None,
        );
        check(many, Some("inFlightMax"));
        check(
            |config| config.limits.siblings_max = Some(20_000),
            Some("siblingsMax"),
        );
        check(
            |config| config.limits.mutation_rows_bytes_max = Some((1 << 20) - 1),
            Some("mutationRowsBytesMax"),
        );
        check(
            |config| config.limits.document_entries_max = None,
            Some("documents are offered without"),
        );
        check(
            |config| config.limits.document_bytes_max = Some((1 << 18) - 1),
            Some("documentBytesMax"),
        );
        check(
            |config| config.limits.document_bytes_max = Some(1 << 18),
            None,
        );
        let plain = |config: &mut Config| {
            many(config);
            config.capabilities.clear();
        };
        check(plain, None);
    }
}

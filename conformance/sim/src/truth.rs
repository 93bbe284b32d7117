//! The truth: what must hold that only an insider sees. The archive has every record that was ever durable, and the apps' stores are open.

use std::collections::{BTreeMap, BTreeSet};

use syncline_client_core::{StoredState, Tables};
use syncline_schemas::{Cursor, Json, Op};
use syncline_server_core::{Decided, Decision, Event, Record};

use crate::app::{App, DOCUMENTS};
use crate::store::{Entries, Era, Rows, Standing};
use crate::world::World;

impl World<'_> {
    /// Whether nothing is under way, and everybody has all that there is.
    pub(crate) fn is_quiet(&self) -> bool {
        self.unquiet().is_empty()
    }

    /// Why it is not quiet; empty if it is.
    pub(crate) fn unquiet(&self) -> String {
        if let Some(node) = self.nodes.iter().position(|node| !node.is_quiet()) {
            return format!("node {node} is busy");
        }
        for app in &self.apps {
            if !app.is_quiet() {
                let status = app.replica.as_ref().map(|replica| replica.status());
                return format!("{} is not synced: {status:?}", app.name);
            }
            let mut shapes = app.stored.shapes.iter();
            if let Some((tables, cursor)) =
                shapes.find(|(of, cursor)| !self.is_level(of, cursor.as_ref()))
            {
                let (name, at) = (&app.name, &self.store.position);
                return format!("{name} is at {cursor:?} in {tables:?}, the log at {at:?}");
            }
        }
        String::new()
    }

    /// Whether a cursor has passed all that there is of a shape.
    fn is_level(&self, tables: &Tables, cursor: Option<&Cursor>) -> bool {
        let last = self.store.touched(tables);
        let epoch = &self.store.position.epoch;
        cursor.is_some_and(|cursor| cursor.epoch == *epoch && cursor.version >= last)
    }

    /// Judges what an app holds just now.
    pub(crate) fn check_app(&mut self, app: usize) {
        let mut found = Vec::new();
        self.stands_as_the_log(&self.apps[app], &mut found);
        for what in found {
            self.violation(what);
        }
    }

    /// Judges what came of the run.
    pub(crate) fn judge(&mut self) {
        let mut found = Vec::new();
        for era in &self.store.eras {
            era_is_a_log(era, &mut found);
        }
        let (mut applied, mut rejected) = (BTreeSet::new(), BTreeSet::new());
        for (_, decided) in self.store.eras.iter().flat_map(outcomes) {
            match decided.decision {
                Decision::Applied { .. } => applied.insert(&*decided.op_id),
                Decision::Rejected(_) => rejected.insert(&*decided.op_id),
            };
        }
        for app in &self.apps {
            let known = &app.known;
            let ended = |op_id: &String| {
                applied.contains(op_id.as_str())
                    || known.rejected.contains(op_id)
                    || known.doubted.contains(op_id)
            };
            let lost = known.written.iter().filter(|op_id| !ended(op_id));
            found.extend(lost.map(|op_id| {
                format!(
                    "{}: {op_id} was written, and nobody knows what became of it",
                    app.name
                )
            }));
            let wrong = known
                .rejected
                .iter()
                .filter(|op_id| applied.contains(op_id.as_str()));
            if self.store.eras.len() == 1 {
                found.extend(wrong.map(|op_id| {
                    format!(
                        "{} was told that {op_id} is rejected, and it was applied",
                        app.name
                    )
                }));
            }
            self.stands_as_the_log(app, &mut found);
        }
        for what in found {
            self.violation(what);
        }
    }

    /// The base is the log of the cursor's epoch, replayed to the cursor; what is stored is what the replica goes by.
    fn stands_as_the_log(&self, app: &App, found: &mut Vec<String>) {
        let name = &app.name;
        if let Some(replica) = &app.replica
            && *replica.stored() != app.stored
        {
            found.push(format!(
                "{name}: what is stored is not what the replica goes by"
            ));
        }
        if !self.declares {
            self.own_writes_stand(app, found);
        }
        for (tables, cursor) in &app.stored.shapes {
            let said = cursor
                .as_ref()
                .and_then(|cursor| self.store.standing_at(&cursor.epoch, cursor.version));
            let Standing {
                rows: mut said,
                entries,
            } = said.unwrap_or_default();
            if tables.contains(DOCUMENTS) {
                documents_stand(app, &entries, found);
            }
            said.retain(|(table, _), _| tables.contains(table));
            let held = held(&app.stored.base, tables);
            if held != said {
                found.push(format!("{name}: the base of {tables:?} is not the log at {cursor:?}: {held:?}, and not {said:?}"));
            }
            let Some(replica) = &app.replica else {
                continue;
            };
            let view = tables.iter().flat_map(|table| {
                let rows = replica.view_rows(table).into_iter();
                rows.map(|(key, value)| ((table.clone(), key.to_owned()), value.clone()))
            });
            let view: Values = view.collect();
            let mut expected: Values = { said.into_iter() }
                .map(|(row, (_, value))| (row, value))
                .collect();
            overlay(&mut expected, &app.stored, tables);
            if view != expected {
                found.push(format!(
                    "{name}: what the app sees of {tables:?} is not the log at {cursor:?} with its own writes over it: {view:?}, and not {expected:?}"
                ));
            }
        }
    }
}

/// An app holds the entries of all documents that the log has at its cursor, and no other.
fn documents_stand(app: &App, said: &Entries, found: &mut Vec<String>) {
    let documents = app.stored.documents.get(DOCUMENTS).into_iter().flatten();
    let held = documents.flat_map(|(key, document)| {
        document.iter().map(|(place, entry)| {
            let data = Json::parse(&format!("{:?}", entry.data));
            let at = (DOCUMENTS.to_owned(), key.clone(), *place);
            (at, (entry.version, data.unwrap_or_default()))
        })
    });
    let held: Entries = held.collect();
    if held != *said {
        let name = &app.name;
        found.push(format!(
            "{name}: the documents are not the log's: {held:?}, and not {said:?}"
        ));
    }
}

/// The values of rows, by table and key.
type Values = BTreeMap<(String, String), Json>;

/// The writes that stand over the base, one by one, as the chapter on the client says (CLIENT-OVERLAY).
fn overlay(rows: &mut Values, stored: &StoredState, tables: &Tables) {
    let entries = stored.outbox.values();
    for op in { entries.filter(|entry| entry.given_up.is_none()) }.flat_map(|entry| &entry.ops) {
        let Some((table, key)) = op.row().filter(|(table, _)| tables.contains(*table)) else {
            continue;
        };
        let row = (table.to_owned(), key.to_owned());
        match op {
            Op::Set(set) => drop(rows.insert(row, set.value.clone())),
            Op::Delete(_) => drop(rows.remove(&row)),
            Op::Patch(patch) => {
                // What is no object, which the server will reject, shows the fields alone.
                let shown = patch
                    .applied_to(rows.get(&row))
                    .or_else(|| patch.applied_to(None));
                rows.extend(shown.map(|shown| (row, shown)));
            }
            _ => {}
        }
    }
}

fn held(
    base: &BTreeMap<String, BTreeMap<String, syncline_client_core::Row>>,
    tables: &BTreeSet<String>,
) -> Rows {
    let of_shape = base.iter().filter(|(table, _)| tables.contains(*table));
    let rows = of_shape.flat_map(|(table, rows)| {
        rows.iter().map(|(key, row)| {
            (
                (table.clone(), key.clone()),
                (row.version, row.value.clone()),
            )
        })
    });
    rows.collect()
}

/// All outcomes of an epoch, with their versions.
pub(crate) fn outcomes(era: &Era) -> impl Iterator<Item = (u64, &Decided)> {
    era.records
        .iter()
        .filter_map(|record: &Record| match &record.event {
            Event::Outcome(decided) => Some((record.version, decided)),
            Event::Truncated(_) => None,
        })
}

/// Versions rise, time does not run backwards, each client's mutations are decided in order, none is applied twice.
fn era_is_a_log(era: &Era, found: &mut Vec<String>) {
    let mut last = (era.begun.0, 0);
    for record in &era.records {
        if record.version <= last.0 || record.at_ms < last.1 {
            found.push(format!(
                "{}: version {} at {} follows {last:?}",
                era.epoch, record.version, record.at_ms
            ));
        }
        last = (record.version, record.at_ms);
    }
    let mut seqs: BTreeMap<&str, u64> = BTreeMap::new();
    let mut applied: BTreeMap<&str, u64> = BTreeMap::new();
    for (version, decided) in outcomes(era) {
        let before = seqs.insert(&decided.client, decided.seq);
        // A client may be forgotten, and begin anew.
        if before.is_some_and(|before| decided.seq != before + 1 && decided.seq != 1) {
            found.push(format!(
                "{}: seq {} of a client follows {before:?}",
                era.epoch, decided.seq
            ));
        }
        if matches!(decided.decision, Decision::Applied { .. })
            && let Some(first) = applied.insert(&decided.op_id, version)
        {
            found.push(format!(
                "{}: {} was applied at {first} and at {version}",
                era.epoch, decided.op_id
            ));
        }
    }
}

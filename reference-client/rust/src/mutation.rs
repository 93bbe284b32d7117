//! [`Mutation`]: several ops that apply together, or not at all.

use std::collections::BTreeMap;

use serde::Serialize;
use syncline_schemas::{
    Allocate, Declare, DeleteOp, Granularity, Json, Observe, Op, Patch, SetOp, Strategy, TableKind,
    TableSchema,
};

use crate::Error;

/// A mutation in the making. A row, and a sequence, may be named once.
#[derive(Debug, Default)]
pub struct Mutation {
    ops: Vec<Op>,
    fault: Option<Error>,
}

impl Mutation {
    /// The row gets this value.
    pub fn set(&mut self, table: &str, key: &str, value: impl Serialize) -> &mut Mutation {
        self.push_set(table, key, &value, None)
    }

    /// The row gets this value, if its version is this one when the mutation is decided; 0: if there is no such row. Else the whole mutation is
    /// rejected (`OP-IF-VERSION`).
    pub fn set_if(
        &mut self,
        table: &str,
        key: &str,
        value: impl Serialize,
        version: u64,
    ) -> &mut Mutation {
        self.push_set(table, key, &value, Some(version))
    }

    /// The row goes.
    pub fn delete(&mut self, table: &str, key: &str) -> &mut Mutation {
        self.push_delete(table, key, None)
    }

    /// The row goes, if its version is this one when the mutation is decided. Else the whole mutation is rejected.
    pub fn delete_if(&mut self, table: &str, key: &str, version: u64) -> &mut Mutation {
        self.push_delete(table, key, Some(version))
    }

    /// These fields of the row get these values, the others stay: what another client does to those is not undone (`FLD-PATCH`). `fields` is an object, by
    /// its type or as [`serde_json::json!`] makes one. Of no row a row of these fields is made.
    ///
    /// ```
    /// # async fn example(client: &syncline_client::Client) -> Result<(), syncline_client::Error> {
    /// client.mutate(|mutation| {
    ///     mutation.patch("notes", "1", serde_json::json!({ "done": true }));
    /// }).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn patch(&mut self, table: &str, key: &str, fields: impl Serialize) -> &mut Mutation {
        self.patch_with(table, key, Fields::default().set_all(fields))
    }

    /// Fields of the row are set and removed, perhaps under a condition; the others stay.
    pub fn patch_with(&mut self, table: &str, key: &str, fields: Fields) -> &mut Mutation {
        self.fault = self.fault.take().or(fields.fault);
        self.ops.push(Op::Patch(Patch {
            fields: (!fields.set.is_empty()).then_some(fields.set),
            remove: (!fields.removed.is_empty()).then_some(fields.removed),
            if_version: fields.if_version,
            ..Patch::new(table, key)
        }));
        self
    }

    /// Says what a table's settings are: once for all clients. To say the same again, at every start of the app, does no harm (`TAB-SAME`).
    pub fn declare(&mut self, table: &str, settings: TableSettings) -> &mut Mutation {
        self.fault = self.fault.take().or(settings.fault);
        self.ops.push(Op::Declare(Declare {
            table: table.to_owned(),
            strategy: settings.strategy.map(|strategy| strategy.word().to_owned()),
            granularity: settings
                .granularity
                .map(|granularity| granularity.word().to_owned()),
            resolver: settings.resolver,
            schema: settings.schema,
            kind: settings.kind.map(|kind| kind.word().to_owned()),
        }));
        self
    }

    /// Ids up to this value are in use, as after an import: what is allocated of the sequence from now on is above it, and this client hands out none up to
    /// it (`SEQN-OBSERVE`, `SEQN-OBSERVED`). Needs a server that offers sequences.
    pub fn observe(&mut self, sequence: &str, value: u64) -> &mut Mutation {
        let sequence = sequence.to_owned();
        self.ops.push(Op::Observe(Observe { sequence, value }));
        self
    }

    /// Takes so many ids of a sequence that the app [uses](crate::Client::sequence), beside those that the client takes by itself:
    /// [`next_id`](crate::Sequence::next_id) hands them out. Needs a server that offers sequences.
    pub fn allocate(&mut self, sequence: &str, count: u64) -> &mut Mutation {
        let sequence = sequence.to_owned();
        self.ops.push(Op::Allocate(Allocate { sequence, count }));
        self
    }

    pub(crate) fn push(&mut self, op: Op) -> &mut Mutation {
        self.ops.push(op);
        self
    }

    fn push_set(
        &mut self,
        table: &str,
        key: &str,
        value: &impl Serialize,
        if_version: Option<u64>,
    ) -> &mut Mutation {
        match json(value) {
            Ok(value) => {
                self.ops.push(Op::Set(SetOp {
                    if_version,
                    ..SetOp::new(table, key, value)
                }));
            }
            Err(error) => self.fault = self.fault.take().or(Some(error)),
        }
        self
    }

    fn push_delete(&mut self, table: &str, key: &str, if_version: Option<u64>) -> &mut Mutation {
        self.ops.push(Op::Delete(DeleteOp {
            if_version,
            ..DeleteOp::new(table, key)
        }));
        self
    }

    /// The ops, if every value was one. Those that write say which schema their writer knew (`TAB-OUTDATED`).
    pub(crate) fn into_ops(self, known: &SchemaVersions) -> Result<Vec<Op>, Error> {
        let mut ops = match self.fault {
            Some(error) => return Err(error),
            None => self.ops,
        };
        for op in &mut ops {
            match op {
                Op::Set(op) => op.schema_version = known.get(&op.table).copied(),
                Op::Patch(op) => op.schema_version = known.get(&op.table).copied(),
                _ => {}
            }
        }
        Ok(ops)
    }
}

/// The versions of tables' schemas that the app knows.
pub(crate) type SchemaVersions = BTreeMap<String, u64>;

/// Settings of a table, to be declared.
#[derive(Clone, Debug, Default)]
pub struct TableSettings {
    strategy: Option<Strategy>,
    granularity: Option<Granularity>,
    resolver: Option<String>,
    schema: Option<TableSchema>,
    kind: Option<TableKind>,
    fault: Option<Error>,
}

impl TableSettings {
    /// The table holds [documents](crate::Document) in the place of rows. Such a table has no other setting.
    #[must_use]
    pub fn documents() -> TableSettings {
        TableSettings {
            kind: Some(TableKind::Document),
            ..TableSettings::default()
        }
    }

    /// What becomes of writes that were made concurrently.
    #[must_use]
    pub fn strategy(mut self, strategy: Strategy) -> TableSettings {
        self.strategy = Some(strategy);
        self
    }

    /// Writes that were made concurrently meet field by field: those of different fields never stand in each other's way, and where both changed one
    /// field, the strategy (`server_wins` or `last_write_wins`) decides of that field alone. Who loses a field is told by
    /// [`Notice::FieldConflict`](crate::Notice::FieldConflict). Needs a server that offers fields and conflicts (`FLD-GRANULARITY`).
    #[must_use]
    pub fn by_field(mut self) -> TableSettings {
        self.granularity = Some(Granularity::Field);
        self
    }

    /// The strategy `custom`: the server's resolver of this name makes one value of two.
    #[must_use]
    pub fn resolver(mut self, name: &str) -> TableSettings {
        self.strategy = Some(Strategy::Custom);
        self.resolver = Some(name.to_owned());
        self
    }

    /// Which values rows may get: `rules` is a JSON Schema of draft 2020-12, by its type or as [`serde_json::json!`] makes one. A schema of a higher version
    /// takes the place of the one before, one of a lower version changes nothing: an app declares the one that it knows at every start, and says
    /// with [`Builder::schema_version`](crate::Builder::schema_version) which that is. The server rejects what does not fit with `schema_violation`, or with
    /// `schema_outdated` where the writer knew an older schema.
    ///
    /// ```
    /// # async fn example() -> Result<(), syncline_client::Error> {
    /// use serde_json::json;
    /// use syncline_client::{Client, TableSettings};
    ///
    /// let note = json!({ "type": "object", "required": ["title"], "properties": { "title": { "type": "string" } } });
    /// let client = Client::builder("ws://127.0.0.1:8081/sync", "demo").schema_version("notes", 2).open().await?;
    /// client.declare("notes", TableSettings::default().schema(2, note)).await?;
    /// client.set("notes", "1", json!({ "title": "milk" })).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn schema(mut self, version: u64, rules: impl Serialize) -> TableSettings {
        match json(&rules) {
            Ok(rules) => self.schema = Some(TableSchema { version, rules }),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }
}

/// What a patch does to the fields of a row.
#[derive(Debug, Default)]
pub struct Fields {
    set: BTreeMap<String, Json>,
    removed: Vec<String>,
    if_version: Option<u64>,
    fault: Option<Error>,
}

impl Fields {
    /// The field gets this value.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Serialize) -> Fields {
        match json(&value) {
            Ok(value) => drop(self.set.insert(name.to_owned(), value)),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// Each member of an object becomes a field.
    #[must_use]
    pub fn set_all(mut self, fields: impl Serialize) -> Fields {
        let read = |text: &Json| serde_json::from_str::<BTreeMap<String, Json>>(text.get());
        match json(&fields).and_then(|text| Ok(read(&text)?)) {
            Ok(fields) => self.set.extend(fields),
            Err(error) => self.fault = self.fault.or(Some(error)),
        }
        self
    }

    /// The field goes.
    #[must_use]
    pub fn remove(mut self, name: &str) -> Fields {
        self.removed.push(name.to_owned());
        self
    }

    /// Only if the row's version is this one when the mutation is decided; 0: if there is no such row. Else the whole mutation is rejected.
    #[must_use]
    pub fn if_version(mut self, version: u64) -> Fields {
        self.if_version = Some(version);
        self
    }
}

/// A value as JSON text by the rules for frames: no member twice, whatever its type's `Serialize` does.
/// A value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<Json, Error> {
    let text = serde_json::to_string(value)?;
    Json::parse(&text)
        .map_err(serde::ser::Error::custom)
        .map_err(|error: serde_json::Error| error.into())
}

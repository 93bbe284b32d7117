//! What apps do with their replicas: writes of every kind, and ids handed out.

use syncline_schemas::{DeleteOp, Json, Observe, Op, Patch, SetOp};

use super::world::{SEQUENCE, TABLES, World};

/// What a replica writes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Write {
    Set,
    /// An object.
    SetFields,
    Patch,
    Delete,
    /// If the row is as the replica knows it.
    SetIf,
    /// Rows of both shapes and of a table that nobody subscribes to.
    Many,
    /// An entry of a document.
    Append,
    /// A document's entries made one.
    Compact,
    DeleteDocument,
    /// Something whose push the server refuses as a whole.
    Poison,
    /// An id that came from elsewhere, beside a row.
    Observe,
}

impl World {
    pub(crate) fn write(&mut self, index: usize, write: Write, key: u8) {
        self.written += 1;
        let ops = self.ops(index, write, key);
        if ops.is_empty() {
            return;
        }
        let env = self.env();
        let client = &mut self.clients[index];
        let op_id = client.replica.mutate(ops.clone(), env).unwrap();
        for op in &ops {
            if let Op::Observe(op) = op {
                client.observed = client.observed.max(op.value);
            }
        }
        client.written.push((op_id, ops));
        self.settle(index);
    }

    /// SEQN-ONCE, SEQN-OBSERVED: where no store is copied, nobody ever hands out what somebody has, in whatever epoch.
    pub(crate) fn take_id(&mut self, index: usize) {
        let env = self.env();
        let client = &mut self.clients[index];
        let left = client.replica.ids_left(SEQUENCE);
        let id = client.replica.next_id(SEQUENCE, env);
        assert_eq!(id.is_ok(), left > 0, "SEQN-OFFLINE: {id:?} of {left}");
        self.settle(index);
        let Ok(id) = id else { return };
        assert!(id > self.clients[index].observed, "SEQN-OBSERVED: {id}");
        let is_new = self.ids.insert(id);
        assert!(
            is_new || self.copied,
            "SEQN-ONCE: {id} was handed out before"
        );
    }

    fn ops(&self, index: usize, write: Write, key: u8) -> Vec<Op> {
        let (table, key) = (TABLES[usize::from(key) % 3], format!("k{}", key % 4));
        let set = |table: &str, key: &str, text: &str, if_version| {
            Op::Set(SetOp {
                if_version,
                ..SetOp::new(table, key, Json::parse(text).unwrap())
            })
        };
        let value = self.written.to_string();
        match write {
            Write::Set => vec![set(table, &key, &value, None)],
            Write::SetFields => {
                vec![set(table, &key, &format!(r#"{{"a":{value},"b":0}}"#), None)]
            }
            Write::Patch => {
                let names = ["a", "b", "c"];
                let (name, gone) = (
                    names[self.written as usize % 3],
                    names[self.written as usize % 2],
                );
                let fields = [(name.to_owned(), Json::parse(&value).unwrap())];
                let remove = (gone != name).then(|| vec![gone.to_owned()]);
                vec![Op::Patch(Patch {
                    fields: Some(fields.into()),
                    remove,
                    ..Patch::new(table, key)
                })]
            }
            Write::Delete => vec![Op::Delete(DeleteOp::new(table, key))],
            Write::SetIf => {
                let version = self.clients[index]
                    .replica
                    .base_row(table, &key)
                    .map_or(0, |row| row.version);
                vec![set(table, &key, &value, Some(version))]
            }
            Write::Many => ["a", "c", "d"]
                .map(|table| set(table, &key, &value, None))
                .into(),
            Write::Observe => {
                // About where the sequence stands.
                let value = u64::from(self.written) * 2;
                let observe = Observe {
                    sequence: SEQUENCE.to_owned(),
                    value,
                };
                vec![
                    Op::Observe(observe),
                    set(table, &key, &value.to_string(), None),
                ]
            }
            Write::Append | Write::Compact | Write::DeleteDocument => {
                self.document_op(index, write, key)
            }
            Write::Poison => vec![set(table, &key, &format!("\"poison {value}\""), None)],
        }
    }
}

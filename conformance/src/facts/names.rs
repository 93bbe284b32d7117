//! The names of mutations: found without making one, and in the order of a client's chain.
//!
//! Clients and `opId`s are numbered, so that a name is three numbers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Which mutation has which name.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    clients: BTreeMap<String, BTreeMap<String, usize>>,
    clients_count: usize,
    op_ids: BTreeMap<String, usize>,
    mutations: BTreeMap<(usize, u64, usize), usize>,
}

impl Names {
    /// The number of a client.
    pub(super) fn client(&self, workspace: &str, client: &str) -> Option<usize> {
        self.clients.get(workspace)?.get(client).copied()
    }

    /// The mutation of this name.
    pub(super) fn find(
        &self,
        workspace: &str,
        client: &str,
        seq: u64,
        op_id: &str,
    ) -> Option<usize> {
        let name = (
            self.client(workspace, client)?,
            seq,
            *self.op_ids.get(op_id)?,
        );
        self.mutations.get(&name).copied()
    }

    /// The mutation of this name; if there is none, it is `next` from now on.
    pub(super) fn find_or_add(
        &mut self,
        workspace: &str,
        client: &str,
        seq: u64,
        op_id: &str,
        next: usize,
    ) -> usize {
        let client = self.client(workspace, client).unwrap_or_else(|| {
            let of_workspace = self.clients.entry(workspace.to_owned()).or_default();
            of_workspace.insert(client.to_owned(), self.clients_count);
            self.clients_count += 1;
            self.clients_count - 1
        });
        let op_id = self.op_ids.get(op_id).copied().unwrap_or_else(|| {
            self.op_ids.insert(op_id.to_owned(), self.op_ids.len());
            self.op_ids.len() - 1
        });
        *self.mutations.entry((client, seq, op_id)).or_insert(next)
    }

    /// The mutations of a client with these `seq`s, by `seq`.
    pub(super) fn of_client(
        &self,
        client: usize,
        seqs: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = usize> + use<'_> {
        let names = (client, *seqs.start(), 0)..=(client, *seqs.end(), usize::MAX);
        self.mutations.range(names).map(|(_, index)| *index)
    }
}

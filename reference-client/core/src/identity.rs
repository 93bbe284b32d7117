//! Who the replica is: its `clientId`, and how it takes a new one (`CLIENT-NEW-ID`).
//!
//! The new name is computed from the old one and from the first mutation that is to move. Two copies of one store that
//! find each other out therefore take the *same* new name, meet on one chain, and learn there what the other has already sent,
//! instead of both sending it under names of their own.

use sha2::{Digest, Sha256};

use syncline_schemas::mark;

use crate::env::hex_of;
use crate::replica::Replica;
use crate::stored::Entry;

/// The `clientId` that a store named `client_id` takes when the undecided mutations from `op_id` on move to a new one.
#[must_use]
pub fn derive(client_id: &str, op_id: &str) -> String {
    let digest = Sha256::digest(format!("syncline.v1:{client_id}:{op_id}"));
    hex_of(&digest[..16])
}

impl Replica {
    /// Takes a new identity: the undecided entries move to it under their `opId`s, numbered from 1. The session, if there is one, belongs to
    /// the old one, so the caller connects anew.
    pub(crate) fn take_new_identity(&mut self) {
        self.doubt_movable();
        let moving: Vec<Entry> = self.durable.undecided().cloned().collect();
        let client_id = match moving.first() {
            Some(first) => derive(&self.durable.meta().client_id, &first.op_id),
            None => self.env.ident("clientId"),
        };
        let count = moving.len() as u64;
        if count > 0 {
            mark!("client_new_id_with_pending");
        }
        self.drop_ids();
        self.durable.record_meta(|meta| {
            meta.client_id = client_id;
            meta.acked_seq = 0;
            meta.acked_op_id = None;
            meta.replaced = false;
            // Which of the entries was refused is not known yet: all that move are sent one by one.
            meta.singly_through = if meta.singly_through > 0 { count } else { 0 };
        });
        self.renumber(moving);
    }

    /// A replica that was replaced without cause has a twin. Once nothing is left to lose, it leaves the identity to the twin
    /// (`CLIENT-REPLACED`).
    pub(crate) fn leave_shared_identity(&mut self) {
        if self.durable.meta().replaced && self.durable.pending() == 0 {
            self.take_new_identity();
            self.reconnect("another store uses this clientId: a new one is taken", 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::derive;

    #[test]
    fn the_derived_identity_is_a_hash_of_the_old_one_and_the_first_mutation() {
        // printf 'syncline.v1:x:q' | sha256sum | cut -c1-32
        assert_eq!(derive("x", "q"), "f076c0d1bc8e13386ac8d61b628a1403");
    }
}

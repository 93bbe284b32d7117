//! What a client's pushes show of its duties: the chapter on the client, as assertions of the server that reads them.

use syncline_schemas::Push;

use super::server::Server;

impl Server {
    /// Asserts what must hold of a push that comes on this connection.
    pub(crate) fn check_push(&mut self, id: usize, push: &Push) {
        let client_id = self
            .conn(id)
            .client_id
            .clone()
            .expect("checked when it was received");
        let first = push.mutations[0].seq;
        assert!(
            push.mutations.len() as u64 <= self.limits.push_mutations_max,
            "LIMIT-KEPT"
        );
        assert_eq!(push.follows.is_none(), first == 1, "CLIENT-FOLLOWS");
        for (seq, mutation) in (first..).zip(&push.mutations) {
            assert_eq!(mutation.seq, seq, "CLIENT-ORDER: within a push");
            let sent = &mut self.conn(id).sent;
            assert!(!sent.contains(&seq), "CLIENT-ORDER: {seq} sent twice");
            sent.push(seq);
        }
        let decided = self
            .history
            .clients
            .get(&client_id)
            .map_or(0, |client| client.last_seq);
        let undecided = self
            .conn(id)
            .sent
            .iter()
            .filter(|seq| **seq > decided)
            .count();
        assert!(
            undecided as u64 <= self.limits.in_flight_max,
            "CLIENT-WINDOW"
        );
    }
}

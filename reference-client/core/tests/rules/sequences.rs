//! Sequences: blocks taken, handed out, refilled and dropped.

use serde_json::{Value, json};
use syncline_client_core::{Event, NoId};
use syncline_schemas::{Allocate, Observe, Op};

use crate::driver::{Driver, Knows, applied, rejected, set};

/// A driver that uses `orders` in blocks of ten, online with a server that offers this; nothing of what it has sent is read.
fn using(capabilities: &[&'static str]) -> Driver {
    let mut driver = Driver::new();
    driver.capabilities = capabilities.into();
    driver.declare("orders", 10);
    driver.online(0);
    driver
}

/// One that has been given the ids 1 to 10.
fn filled() -> Driver {
    let mut driver = using(&["sequences"]);
    let asked = driver.asked();
    driver.give(&asked, 1, 1, 10);
    driver
}

impl Driver {
    fn declare(&mut self, name: &str, block_size: u64) {
        let env = self.env();
        self.replica.use_sequence(name, block_size, env).unwrap();
        self.settle();
    }

    fn id(&mut self) -> Result<u64, NoId> {
        let env = self.env();
        let id = self.replica.next_id("orders", env);
        self.settle();
        id
    }

    fn ids(&mut self, count: usize) -> Vec<u64> {
        (0..count).map(|_| self.id().unwrap()).collect()
    }

    /// The one mutation that asks for ids: it must be undecided.
    #[track_caller]
    fn asked(&mut self) -> (u64, String) {
        let asking = |op: &Op| matches!(op, Op::Allocate(_));
        let asked = self.stored.undecided();
        let asked: Vec<_> = asked
            .filter(|entry| entry.ops.iter().any(asking))
            .map(|entry| (entry.seq, entry.op_id.clone()))
            .collect();
        assert_eq!(asked.len(), 1, "one at a time");
        asked[0].clone()
    }

    fn asks_nothing(&self) -> bool {
        let mut ops = self.stored.undecided().flat_map(|entry| &entry.ops);
        !ops.any(|op| matches!(op, Op::Allocate(_)))
    }

    fn give(&mut self, (seq, op_id): &(u64, String), version: u64, first: u64, count: u64) {
        self.ack(None, &[given(*seq, op_id, version, first, count)]);
    }

    fn meet(&mut self, epoch: &str, last_seq: u64, results: Vec<Value>) {
        self.connect();
        let server_time = self.now + self.wall;
        self.welcome(&Knows {
            epoch,
            version: 9,
            last_seq,
            results,
            server_time,
        });
    }

    /// The process ends, and another opens the store.
    fn crash(&self) -> Driver {
        let mut driver = Driver::on(self.stored.clone());
        driver.capabilities = self.capabilities.clone();
        driver
    }
}

fn given(seq: u64, op_id: &str, version: u64, first: u64, count: u64) -> Value {
    let mut result = applied(seq, op_id, version);
    result["ops"] = json!([{"result": "allocated", "at": 0, "first": first, "count": count}]);
    result
}

/// SEQN-OWN, SEQN-OFFLINE, SEQN-VIEW: the block's ids, in order, with and without a connection; then none.
#[test]
fn ids_come_from_the_block_and_nowhere_else() {
    let mut driver = using(&["sequences"]);
    assert_eq!(driver.id(), Err(NoId::NoneLeft), "asked for, not given yet");
    let op = json!({"op": "allocate", "sequence": "orders", "count": 10});
    let entry = driver.stored.undecided().next().unwrap();
    assert_eq!(serde_json::to_value(&entry.ops).unwrap(), json!([op]));
    let asked = driver.asked();
    driver.give(&asked, 1, 41, 10);
    assert!(driver.stored.outbox.is_empty(), "no shape needs to pass it");
    let told = Event::Allocated {
        sequence: "orders".to_owned(),
    };
    assert!(driver.events.contains(&told));
    driver.cut();
    assert_eq!(driver.ids(10), (41..51).collect::<Vec<_>>());
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
    let env = driver.env();
    assert_eq!(driver.replica.next_id("bills", env), Err(NoId::Unused));
}

/// SEQN-REFILL: at half a block, one at a time; what is left is handed out before what is new.
#[test]
fn it_asks_for_more_when_few_are_left() {
    let mut driver = filled();
    driver.ids(5);
    assert!(driver.asks_nothing(), "five of ten are left");
    driver.ids(1);
    let asked = driver.asked();
    driver.ids(2);
    assert_eq!(driver.asked(), asked);
    driver.give(&asked, 2, 91, 10);
    assert_eq!(driver.ids(3), [9, 10, 91]);
    assert!(driver.asks_nothing());
    driver.cut();
    driver.ids(9);
    assert!(
        driver.asks_nothing(),
        "without a connection there is nobody"
    );
    driver.meet("e1", 2, vec![]);
    driver.asked();
}

/// The app's own allocation counts like any other.
#[test]
fn an_app_may_allocate_by_itself() {
    let mut driver = filled();
    let (sequence, count) = ("orders".to_owned(), 3);
    let op_id = driver.mutate(vec![
        set("a", "k", "1"),
        Op::Allocate(Allocate { sequence, count }),
    ]);
    driver.ids(8);
    assert_eq!(driver.asked().1, op_id, "no other while it is undecided");
    let mut result = applied(2, &op_id, 2);
    result["ops"] = json!([{"result": "allocated", "at": 1, "first": 31, "count": 3}]);
    driver.ack(None, &[result]);
    assert_eq!(driver.ids(5), [9, 10, 31, 32, 33]);
    assert_eq!(driver.view("a", "k"), Some("1"));
}

/// SEQN-REFILL: as much as the server allows at once, again and again.
#[test]
fn a_block_is_no_larger_than_the_server_allows() {
    let mut driver = Driver::new();
    driver.capabilities = vec!["sequences"];
    driver.declare("orders", 2500);
    driver.online(0);
    for (turn, first) in [(1, 1), (2, 5001)] {
        let asked = driver.asked();
        driver.give(&asked, turn, first, 1000);
    }
    assert!(driver.asks_nothing(), "more than half of it is there");
}

/// SEQN-UNOFFERED.
#[test]
fn where_it_is_not_offered_nothing_is_asked() {
    let mut driver = using(&["digests"]);
    assert!(driver.asks_nothing());
    assert_eq!(driver.id(), Err(NoId::NotOffered));
    driver.cut();
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
}

/// SEQN-ONCE: whatever is stored when the process ends, no id is handed out twice, and few are left out.
#[test]
fn a_crash_leaves_ids_out_and_gives_none_twice() {
    let mut driver = Driver::new();
    driver.capabilities = vec!["sequences"];
    driver.declare("orders", 320);
    driver.online(0);
    let asked = driver.asked();
    driver.give(&asked, 1, 1, 320);
    let mut last = 0;
    for taken in 1..6 {
        for id in driver.ids(taken) {
            assert!(id > last, "{id} after {last}");
            last = id;
        }
        assert!(last <= taken as u64 * 25);
        driver = driver.crash();
        assert!(driver.replica.ids_left("orders") >= 320 - last - 20);
    }
}

/// SEQN-ONCE: an id that nobody was told because it was not stored is handed out by the next.
#[test]
fn what_was_not_stored_was_not_handed_out() {
    let mut driver = filled();
    let before = driver.crash();
    let env = driver.env();
    assert_eq!(driver.replica.next_id("orders", env), Ok(1));
    assert!(driver.replica.poll_store().is_some(), "it comes first");
    let mut before = before;
    assert_eq!(before.id(), Ok(1));
}

/// SEQN-RETRY-SAME at the client: a lost ack tells its ids at the next welcome.
#[test]
fn ids_are_learnt_from_welcome() {
    let mut driver = using(&["sequences"]);
    let (seq, op_id) = driver.asked();
    driver.cut();
    driver.meet("e1", 1, vec![given(seq, &op_id, 5, 61, 10)]);
    assert_eq!(driver.ids(2), [61, 62]);
    driver.ack(None, &[given(seq, &op_id, 5, 61, 10)]);
    assert_eq!(
        driver.replica.ids_left("orders"),
        8,
        "told twice, kept once"
    );
}

/// SEQN-EPOCH: all blocks go with the epoch; what is told in the new one counts.
#[test]
fn a_new_epoch_drops_the_blocks() {
    let mut driver = filled();
    driver.ids(7);
    driver.sent();
    let (seq, op_id) = driver.asked();
    driver.cut();
    driver.meet("e2", 2, vec![given(seq, &op_id, 2, 71, 10)]);
    assert_eq!(driver.ids(1), [71]);
    driver.cut();
    driver.meet("e3", 2, vec![]);
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
    let crashed = driver.crash();
    assert_eq!(crashed.replica.ids_left("orders"), 0, "durably");
    driver.asked();
}

/// SEQN-IDENTITY: a copy, and one that the server has forgotten, drop them.
#[test]
fn a_new_identity_drops_the_blocks() {
    for (last_seq, results) in [(0, vec![]), (2, vec![applied(2, "another", 2)])] {
        let mut driver = filled();
        driver.ids(3);
        driver.cut();
        let before = driver.client_id();
        driver.meet("e1", last_seq, results);
        assert_ne!(driver.client_id(), before);
        assert_eq!(driver.id(), Err(NoId::NoneLeft));
        assert_eq!(driver.crash().replica.ids_left("orders"), 0);
    }
}

/// SEQN-IDENTITY: who was replaced may have a twin: it hands out nothing, and allocates nothing until it has a name of its own.
#[test]
fn who_is_replaced_hands_out_nothing() {
    let mut driver = filled();
    driver.ids(3);
    let op_id = driver.set("c", "k", "1");
    driver.receive(&json!({"type": "goaway", "reason": "session_replaced", "retryAfterMs": 0}));
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
    let before = driver.client_id();
    driver.meet("e1", 1, vec![]);
    assert!(driver.asks_nothing(), "under a name that it may share");
    driver.ack(None, &[applied(2, &op_id, 2)]);
    assert_ne!(driver.client_id(), before);
    driver.meet("e1", 0, vec![]);
    let asked = driver.asked();
    driver.give(&asked, 3, 91, 10);
    assert_eq!(driver.ids(1), [91]);
}

/// SEQN-IDENTITY: nor does it keep what it had asked for before.
#[test]
fn who_is_replaced_keeps_no_ids_that_come_later() {
    let mut driver = using(&["sequences"]);
    let asked = driver.asked();
    driver.receive(&json!({"type": "goaway", "reason": "session_replaced", "retryAfterMs": 0}));
    driver.meet("e1", 0, vec![]);
    driver.give(&asked, 1, 1, 10);
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
}

/// SEQN-REFUSED: told, kept, and not asked again until the app wants it.
#[test]
fn a_refusal_is_told_and_not_tried_again() {
    let mut driver = using(&["sequences"]);
    let (seq, op_id) = driver.asked();
    driver.ack(None, &[rejected(seq, &op_id, 1, "sequence_exhausted")]);
    let told = |event: &&Event| matches!(event, Event::Rejected(entry) if entry.op_id == op_id);
    assert_eq!(driver.events.iter().filter(told).count(), 1);
    assert_eq!(driver.stored.rejected.len(), 1);
    let refused = Err(NoId::Refused("sequence_exhausted".to_owned()));
    assert_eq!(driver.id(), refused);
    driver.cut();
    driver.meet("e1", 1, vec![]);
    assert!(driver.asks_nothing());
    assert_eq!(driver.crash().id(), refused);
    driver.declare("orders", 5);
    let asked = driver.asked();
    driver.give(&asked, 2, 1, 5);
    assert_eq!(driver.ids(5), [1, 2, 3, 4, 5]);
}

/// A server that does not say which ids, or says others, is not asked on and on.
#[test]
fn ids_that_are_none_are_not_kept() {
    let wrong = [
        json!(null),
        json!([{"result": "allocated", "at": 1, "first": 1, "count": 10}]),
        json!([{"result": "allocated", "at": 0, "first": 1, "count": 11}]),
        json!([{"result": "allocated", "at": 0, "first": 9007199254740991u64, "count": 10}]),
    ];
    for ops in wrong {
        let mut driver = using(&["sequences"]);
        let (seq, op_id) = driver.asked();
        let mut result = applied(seq, &op_id, 1);
        if !ops.is_null() {
            result["ops"] = ops;
        }
        driver.ack(None, &[result]);
        assert!(matches!(driver.id(), Err(NoId::Refused(_))));
        assert!(driver.asks_nothing());
    }
}

/// SEQN-OBSERVED: of what is held, and of what comes later.
#[test]
fn what_is_observed_is_not_handed_out() {
    let observe = |value: u64| {
        let sequence = "orders".to_owned();
        Op::Observe(Observe { sequence, value })
    };
    let mut driver = filled();
    driver.ids(1);
    driver.mutate(vec![observe(4)]);
    assert_eq!(driver.ids(2), [5, 6]);
    driver.mutate(vec![observe(3)]);
    assert_eq!(driver.ids(1), [7]);
    let asked = driver.asked();
    driver.mutate(vec![observe(25)]);
    assert_eq!(driver.id(), Err(NoId::NoneLeft));
    let results: Vec<Value> = driver
        .undecided()
        .into_iter()
        .map(|(seq, op_id)| match asked.0 == seq {
            true => given(seq, &op_id, seq, 21, 10),
            false => applied(seq, &op_id, seq),
        })
        .collect();
    driver.ack(None, &results);
    assert_eq!(driver.ids(2), [26, 27]);
}

/// CLIENT-DOUBT: an own asking whose fate nobody knows concerns no app.
#[test]
fn an_asking_in_doubt_is_forgotten() {
    let mut driver = using(&["sequences"]);
    let written = driver.set("a", "k", "1");
    driver.sent();
    driver.cut();
    driver.meet("e1", 7, vec![]);
    let doubts: Vec<_> = driver
        .stored
        .in_doubt
        .values()
        .map(|e| e.op_id.clone())
        .collect();
    assert_eq!(doubts, [written]);
    driver.meet("e1", 0, vec![]);
    driver.asked();
}

/// LIMIT-KEPT: one below, at, and above each limit; and what is no name or number.
#[test]
fn what_cannot_pass_is_refused_at_the_write() {
    let mut driver = filled();
    let allocate = |name: &str, count: u64| {
        let sequence = name.to_owned();
        Op::Allocate(Allocate { sequence, count })
    };
    let observe = |value: u64| {
        let sequence = "n".to_owned();
        Op::Observe(Observe { sequence, value })
    };
    let several = |count: usize| (0..count).map(|i| allocate(&i.to_string(), 1)).collect();
    let id_max = (1 << 53) - 1;
    type Refused = Option<(&'static str, &'static str)>;
    let table: [(Vec<Op>, Refused); 14] = [
        (vec![allocate("n", 999)], None),
        (vec![allocate("n", 1000)], None),
        (
            vec![allocate("n", 1001)],
            Some(("limit_exceeded", "/ops/0/count")),
        ),
        (vec![allocate("n", 0)], Some(("invalid_op", "/ops/0/count"))),
        (
            vec![allocate("", 1)],
            Some(("invalid_op", "/ops/0/sequence")),
        ),
        (vec![allocate(&"n".repeat(64), 1)], None),
        (
            vec![set("a", "k", "1"), allocate(&"n".repeat(65), 1)],
            Some(("limit_exceeded", "/ops/1/sequence")),
        ),
        (several(3), None),
        (several(4), None),
        (several(5), Some(("limit_exceeded", "/ops/4"))),
        (
            vec![allocate("n", 1), observe(1)],
            Some(("duplicate_sequence", "/ops/1")),
        ),
        (vec![observe(id_max)], None),
        (
            vec![observe(id_max + 1)],
            Some(("invalid_op", "/ops/0/value")),
        ),
        (vec![observe(0)], Some(("invalid_op", "/ops/0/value"))),
    ];
    for (ops, refused) in table {
        let env = driver.env();
        let said = driver.replica.mutate(ops.clone(), env).err();
        let said = said.as_ref().map(|said| (said.code, said.at.as_str()));
        assert_eq!(said, refused, "{ops:?}");
    }
    for (name, size, fits) in [
        ("n", 1, true),
        ("n", id_max, true),
        ("n", 0, false),
        ("", 1, false),
    ] {
        let env = driver.env();
        let said = driver.replica.use_sequence(name, size, env);
        assert_eq!(said.is_ok(), fits, "{name:?} {size}");
    }
}

//! What one connection has sent and got, held against the rules for the whole of a session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use syncline_schemas::{
    Digested, ErrorMessage, History, Limits, MutationResult, OpResult, Outcome, Push, RowNumber,
    RowsDigest, ServerMessage, Subscribe,
};
use syncline_server_core::Record;

use super::log;
use super::replica::Replica;

/// A connection as the client sees it.
#[derive(Debug, Default)]
pub(crate) struct Witness {
    pub(crate) client: Option<String>,
    /// Frames that are not answered yet, and whether they must be: an `unsubscribe` is not, if all is well.
    unanswered: VecDeque<(u64, bool)>,
    frames: u64,
    welcomed: bool,
    pub(crate) closed: bool,
    /// The version of the last outcome of its client that it was told of, and the greatest version of any outcome.
    told: BTreeSet<u64>,
    version: u64,
    subscribes: BTreeMap<String, Subscribe>,
    /// The mutations of each push, by its number.
    pushes: BTreeMap<u64, Vec<(u64, String)>>,
    pub(crate) shapes: BTreeMap<String, Replica>,
    /// The digests that were asked for, by the number of the frame.
    digests: BTreeSet<u64>,
    /// The histories that were asked for, by the number of the frame.
    histories: BTreeMap<u64, History>,
    /// The shapes whose last replacement has not ended with a digest.
    undigested: BTreeSet<String>,
}

impl Witness {
    pub(crate) fn new(client: Option<String>) -> Witness {
        Witness {
            client,
            ..Witness::default()
        }
    }

    /// Notes a frame that goes out.
    pub(crate) fn sends(&mut self, answered: bool) {
        self.frames += 1;
        self.unanswered.push_back((self.frames, answered));
    }

    /// Notes a subscribe that goes out, and gives its id.
    pub(crate) fn subscribes(&mut self, subscribe: Subscribe) {
        self.sends(true);
        self.subscribes.insert(subscribe.id.clone(), subscribe);
    }

    /// Notes a digest that is asked for: it may be answered later than what comes after it.
    pub(crate) fn asks_digest(&mut self) {
        self.sends(false);
        self.digests.insert(self.frames);
    }

    /// Notes a history that is asked for: as with a digest.
    pub(crate) fn asks_history(&mut self, history: History) {
        self.sends(false);
        self.histories.insert(self.frames, history);
    }

    /// Notes a push that goes out.
    pub(crate) fn pushes(&mut self, push: &Push) {
        self.sends(true);
        let mutations = push
            .mutations
            .iter()
            .map(|mutation| (mutation.seq, mutation.op_id.clone()));
        self.pushes.insert(self.frames, mutations.collect());
    }

    /// Takes a frame that came in.
    pub(crate) fn takes(&mut self, text: &str, log: &[Record], limits: &Limits) {
        assert!(!self.closed, "after the end: {text}");
        let message = ServerMessage::decode(&super::history::announced(text), 64)
            .unwrap_or_else(|error| panic!("FRAME-SCHEMA {error}: {text}"));
        assert_eq!(
            self.welcomed,
            !matches!(message, ServerMessage::Welcome(_)),
            "CONN-WELCOME-FIRST"
        );
        match message {
            ServerMessage::Welcome(welcome) => {
                self.welcomed = true;
                self.answered(1);
                self.version = welcome.version;
                self.check_results(welcome.results.into_iter().map(Into::into), log);
                let reflected = self.own_versions(log, welcome.version);
                self.told.extend(reflected);
            }
            ServerMessage::Subscribed(subscribed) => {
                let subscribe = self
                    .subscribes
                    .remove(&subscribed.id)
                    .expect("SUB-SUBSCRIBED");
                self.answered_next();
                self.begin(&subscribed.shape, subscribe, log);
            }
            ServerMessage::Ack(ack) => {
                if let Some(re) = ack.re {
                    self.answered(re);
                    self.check_answer(re, &ack.results);
                }
                self.check_results(ack.results, log);
            }
            ServerMessage::Update(update) => self.take_update(update, log),
            ServerMessage::Pong(_) => self.answered_next(),
            ServerMessage::Error(ErrorMessage { re, .. }) => {
                let re = re.expect("ERR-RE");
                if self.histories.remove(&re).is_some() {
                    let earlier = self.histories.range(..re).next();
                    assert!(earlier.is_some(), "HIST-PENDING: {text}");
                } else if !self.digests.remove(&re) {
                    self.answered(re);
                }
            }
            ServerMessage::Past(past) => {
                let asked = self.histories.remove(&past.re).expect("HIST-ANSWER");
                super::history::check(&asked, &past, log, limits);
            }
            ServerMessage::Digested(digested) => self.take_digest(&digested),
            // What is told of others is judged where all are known.
            ServerMessage::Goaway(_) | ServerMessage::Presence(_) => {}
        }
    }

    fn begin(&mut self, shape: &str, subscribe: Subscribe, log: &[Record]) {
        let tables = subscribe.tables;
        self.shapes
            .retain(|_, replica| !replica.tables.keys().eq(tables.keys()));
        self.undigested.remove(shape);
        let head = log.last().map_or(0, |record| record.version);
        let cursor = subscribe
            .cursor
            .filter(|cursor| cursor.epoch == super::EPOCH && cursor.version <= head);
        let replica = Replica::new(
            tables,
            cursor.map(|cursor| cursor.version),
            self.version,
            log,
        );
        assert!(
            self.shapes.insert(shape.to_owned(), replica).is_none(),
            "SUB-SHAPE-NAME"
        );
    }

    fn take_update(&mut self, update: syncline_schemas::Update, log: &[Record]) {
        let replica = self
            .shapes
            .get_mut(&update.shape)
            .expect("SUB-UNSUBSCRIBE: an update of a live shape");
        if update.replace {
            self.undigested.insert(update.shape.clone());
        }
        if let Some(to) = replica.take(update, log) {
            let untold = self
                .own_versions(log, to)
                .into_iter()
                .find(|version| !self.told.contains(version));
            assert_eq!(
                untold, None,
                "UPD-ACK-FIRST: an update to {to} before the ack"
            );
        }
    }

    /// A digest is of what the shape holds at its cursor (DIG-ANSWER, DIG-SUM).
    fn take_digest(&mut self, digested: &Digested) {
        match digested.re {
            Some(re) => assert!(self.digests.remove(&re), "DIG-ANSWER: {digested:?}"),
            None => assert!(self.undigested.remove(&digested.shape), "DIG-REPLACEMENT"),
        }
        let replica = &self.shapes[&digested.shape];
        assert_eq!(
            Some(digested.at),
            replica.cursor,
            "DIG-ANSWER: {digested:?}"
        );
        let mut digest = RowsDigest::default();
        for ((table, key), (version, value)) in &replica.rows {
            digest.add(RowNumber::of(table, key, *version, value).expect("canonical"));
        }
        assert_eq!(
            (digested.count, &digested.sum),
            (digest.count, &digest.sum()),
            "DIG-SUM"
        );
    }

    /// The versions of this client's outcomes up to one.
    fn own_versions(&self, log: &[Record], to: u64) -> Vec<u64> {
        let own = log::outcomes(log)
            .filter(|(_, decided)| Some(&*decided.client) == self.client.as_deref());
        own.map(|(version, _)| version)
            .take_while(|version| *version <= to)
            .collect()
    }

    /// The results are those of the push's mutations, up to the last or to the first that is no outcome (PUSH-RESULTS).
    fn check_answer(&mut self, re: u64, results: &[MutationResult]) {
        let pushed = self
            .pushes
            .remove(&re)
            .expect("ERR-RE: ack.re names a push");
        let names: Vec<_> = results
            .iter()
            .map(|result| (result.seq(), result.op_id().to_owned()))
            .collect();
        assert_eq!(names, pushed[..names.len()], "PUSH-RESULTS");
        let is_outcome =
            |result: &MutationResult| matches!(result.status(), "applied" | "rejected");
        let outcomes = results
            .iter()
            .take_while(|result| is_outcome(result))
            .count();
        assert_eq!(
            results.len(),
            pushed.len().min(outcomes + 1),
            "PUSH-RESULTS"
        );
    }

    /// Outcomes are what the log says, always (PUSH-RETRY-SAME).
    fn check_results(&mut self, results: impl IntoIterator<Item = MutationResult>, log: &[Record]) {
        for result in results {
            let found = log::outcomes(log).find(|(_, decided)| {
                Some(&*decided.client) == self.client.as_deref()
                    && *decided.op_id == *result.op_id()
            });
            match (result, found) {
                (MutationResult::Applied(applied), Some((version, decided))) => {
                    assert_eq!(remembered(applied.into()), decided.outcome(version));
                    self.told.insert(version);
                    self.version = self.version.max(version);
                }
                (MutationResult::Rejected(rejected), Some((version, decided))) => {
                    assert_eq!(remembered(rejected.into()), decided.outcome(version));
                    self.told.insert(version);
                    self.version = self.version.max(version);
                }
                (result @ (MutationResult::Applied(_) | MutationResult::Rejected(_)), None) => {
                    panic!("MODEL-DURABLE: {result:?} is not in the log")
                }
                _ => {}
            }
        }
    }

    /// Answers come in the order of the frames (CONN-ANSWER-ORDER).
    fn answered(&mut self, re: u64) {
        while self
            .unanswered
            .front()
            .is_some_and(|(number, must)| *number < re && !*must)
        {
            self.unanswered.pop_front();
        }
        let next = self.unanswered.pop_front();
        assert_eq!(
            next.map(|(number, _)| number),
            Some(re),
            "CONN-ANSWER-ORDER"
        );
    }

    fn answered_next(&mut self) {
        let next = self
            .unanswered
            .iter()
            .find(|(_, must)| *must)
            .map(|(number, _)| *number);
        self.answered(next.expect("CONN-ANSWER-ORDER: nothing was asked"));
    }

    /// Nothing is on its way any more: all frames are answered, all shapes caught up, and this client's own mutations
    /// passed by its shapes (UPD-LEVEL).
    pub(crate) fn check_quiet(&self, log: &[Record], pushed: &log::Pushed) {
        assert!(
            self.unanswered.iter().all(|(_, must)| !*must),
            "PUSH-ONE-ACK: {:?}",
            self.unanswered
        );
        assert!(self.digests.is_empty(), "DIG-ANSWER: {:?}", self.digests);
        assert!(self.histories.is_empty(), "HIST-ANSWER");
        for name in self.shapes.keys() {
            assert!(!self.undigested.contains(name), "DIG-REPLACEMENT: {name}");
        }
        for replica in self.shapes.values() {
            replica.check_caught_up(log);
        }
        for (version, decided) in
            log::outcomes(log).filter(|(version, _)| self.told.contains(version))
        {
            let (mutation, _) = &pushed[&(decided.client.to_string(), decided.op_id.to_string())];
            if !matches!(decided.outcome(version), Outcome::Applied(_)) {
                continue;
            }
            let ops = mutation
                .ops
                .iter()
                .filter_map(|op| syncline_schemas::Op::decode(op).ok());
            for op in ops {
                let Some((table, _)) = op.row() else { continue };
                let shape = self
                    .shapes
                    .values()
                    .find(|replica| replica.tables.contains_key(table));
                assert!(
                    shape.is_none_or(|replica| replica.cursor >= Some(version)),
                    "UPD-LEVEL: v{version}"
                );
            }
        }
    }
}

/// An outcome as it is remembered: the rows that stand are told at first alone.
fn remembered(mut outcome: Outcome) -> Outcome {
    match &mut outcome {
        Outcome::Rejected(rejected) => rejected.row = None,
        Outcome::Applied(applied) => {
            for told in applied.ops.iter_mut().flatten() {
                if let OpResult::Superseded(told) = told {
                    (told.version, told.value) = (None, None);
                }
            }
        }
    }
    outcome
}

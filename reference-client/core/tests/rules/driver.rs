//! One replica, driven by hand: a test plays the server, frame by frame, and reads what the replica sends.

use serde_json::{Value, json};
use syncline_client_core::{Env, Event, Replica, StoredState, Wish, least_limits};
use syncline_schemas::{DeleteOp, Json, Limits, Op, Patch, SetOp};

pub(crate) struct Driver {
    pub(crate) replica: Replica,
    pub(crate) stored: StoredState,
    pub(crate) events: Vec<Event>,
    pub(crate) limits: Limits,
    /// What the server offers at its next welcome.
    pub(crate) capabilities: Vec<&'static str>,
    pub(crate) now: u64,
    /// How far the client's wall clock is ahead of the steady one.
    pub(crate) wall: u64,
    random: u128,
}

/// What a test says the server knows at its welcome.
pub(crate) struct Knows<'a> {
    pub(crate) epoch: &'a str,
    pub(crate) version: u64,
    pub(crate) last_seq: u64,
    pub(crate) results: Vec<Value>,
    pub(crate) server_time: u64,
}

impl Driver {
    /// A new replica that wants the shapes {a, b} and {c}.
    pub(crate) fn new() -> Driver {
        Driver::on(StoredState::default())
    }

    /// A replica on what a store holds.
    pub(crate) fn on(stored: StoredState) -> Driver {
        let env = Env {
            wall_ms: 0,
            steady_ms: 0,
            random: 77 + stored.outbox.len() as u128,
        };
        let replica = Replica::load("home", stored.clone(), env).unwrap();
        let limits = Limits {
            in_flight_max: 4,
            push_mutations_max: 2,
            ..least_limits().clone()
        };
        let mut driver = Driver {
            replica,
            stored,
            events: vec![],
            limits,
            capabilities: vec![],
            now: 0,
            wall: 1_000_000,
            random: env.random,
        };
        for tables in [vec!["a", "b"], vec!["c"]] {
            let env = driver.env();
            driver
                .replica
                .subscribe(tables.into_iter().map(str::to_owned).collect(), env)
                .unwrap();
        }
        driver.settle();
        driver
    }

    pub(crate) fn env(&mut self) -> Env {
        self.random += 1;
        Env {
            wall_ms: self.now + self.wall,
            steady_ms: self.now,
            random: self.random,
        }
    }

    pub(crate) fn settle(&mut self) {
        while let Some(transaction) = self.replica.poll_store() {
            self.stored.apply(transaction);
        }
        assert_eq!(self.stored, *self.replica.stored());
        self.events
            .extend(std::iter::from_fn(|| self.replica.poll_event()));
    }

    /// The frames that the replica sends now.
    pub(crate) fn sent(&mut self) -> Vec<Value> {
        let frames: Vec<String> = std::iter::from_fn(|| self.replica.poll_frame()).collect();
        frames
            .iter()
            .map(|frame| serde_json::from_str(frame).unwrap())
            .collect()
    }

    /// The `seq`s of the pushes that the replica sends now, push by push.
    pub(crate) fn pushed(&mut self) -> Vec<Vec<u64>> {
        let seqs = |push: &Value| {
            push["mutations"]
                .as_array()
                .unwrap()
                .iter()
                .map(|m| m["seq"].as_u64().unwrap())
                .collect()
        };
        self.sent()
            .iter()
            .filter(|frame| frame["type"] == "push")
            .map(seqs)
            .collect()
    }

    /// What the replica wants of the connection now.
    pub(crate) fn wishes(&mut self) -> Vec<Wish> {
        std::iter::from_fn(|| self.replica.poll_wish()).collect()
    }

    pub(crate) fn set(&mut self, table: &str, key: &str, value: &str) -> String {
        self.mutate(vec![set(table, key, value)])
    }

    pub(crate) fn mutate(&mut self, ops: Vec<Op>) -> String {
        let env = self.env();
        let op_id = self.replica.mutate(ops, env).unwrap();
        self.settle();
        op_id
    }

    /// Waits as long as the replica wants to, and connects. Gives the `hello`.
    pub(crate) fn connect(&mut self) -> Value {
        let env = self.env();
        self.replica.go_online(env);
        self.settle();
        self.wait();
        assert_eq!(self.wishes().last(), Some(&Wish::Connect));
        let env = self.env();
        self.replica.connected(env);
        self.settle();
        let sent = self.sent();
        assert_eq!(sent.len(), 1, "CLIENT-AFTER-WELCOME");
        sent.into_iter().next().unwrap()
    }

    /// Lets time pass until the replica has something to do.
    pub(crate) fn wait(&mut self) {
        if let Some(at) = self.replica.poll_timeout() {
            self.now = self.now.max(at);
            let env = self.env();
            self.replica.tick(env);
            self.settle();
        }
    }

    pub(crate) fn receive(&mut self, message: &Value) {
        let env = self.env();
        self.replica.receive(&message.to_string(), env);
        self.settle();
    }

    pub(crate) fn cut(&mut self) {
        let env = self.env();
        self.replica.disconnected("cut", env);
        self.settle();
    }

    pub(crate) fn welcome(&mut self, knows: &Knows<'_>) {
        let welcome = json!({
            "type": "welcome", "epoch": knows.epoch, "version": knows.version, "lastSeq": knows.last_seq,
            "results": knows.results, "session": "s", "capabilities": self.capabilities, "limits": self.limits,
            "serverTime": knows.server_time, "server": {"name": "test", "version": "1"},
        });
        self.receive(&welcome);
    }

    /// Connects to a server that knows nothing new, and has both shapes at this version.
    pub(crate) fn online(&mut self, version: u64) {
        self.connect();
        let last_seq = self.replica.stored().acked_seq();
        let server_time = self.now + self.wall;
        self.welcome(&Knows {
            epoch: "e1",
            version,
            last_seq,
            results: vec![],
            server_time,
        });
        self.shapes_live(version);
    }

    /// Answers the subscribes that the replica has sent, and brings both shapes to this version, empty.
    pub(crate) fn shapes_live(&mut self, version: u64) {
        let subscribes: Vec<Value> = self
            .sent()
            .into_iter()
            .filter(|frame| frame["type"] == "subscribe")
            .collect();
        for subscribe in subscribes {
            let shape = subscribe["tables"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<String>();
            self.receive(&json!({"type": "subscribed", "id": subscribe["id"], "shape": shape, "tables": subscribe["tables"]}));
            let from = &subscribe["cursor"]["version"];
            let replace = from.is_null();
            let from = if replace { json!(0) } else { from.clone() };
            self.receive(&json!({"type": "update", "shape": shape, "from": from, "to": version, "changes": [], "replace": replace}));
        }
    }

    pub(crate) fn update(&mut self, shape: &str, from: u64, to: u64, changes: &[Value]) {
        self.receive(
            &json!({"type": "update", "shape": shape, "from": from, "to": to, "changes": changes}),
        );
    }

    pub(crate) fn ack(&mut self, re: Option<u64>, results: &[Value]) {
        let mut ack = json!({"type": "ack", "results": results});
        if let Some(re) = re {
            ack["re"] = json!(re);
        }
        self.receive(&ack);
    }

    /// What the app sees of a row, as text.
    pub(crate) fn view(&self, table: &str, key: &str) -> Option<&str> {
        self.replica.view(table, key).map(Json::get)
    }

    pub(crate) fn client_id(&self) -> String {
        self.stored.meta.as_ref().unwrap().client_id.clone()
    }

    /// The undecided entries: `seq` and `opId`.
    pub(crate) fn undecided(&self) -> Vec<(u64, String)> {
        self.stored
            .undecided()
            .map(|entry| (entry.seq, entry.op_id.clone()))
            .collect()
    }
}

pub(crate) fn set(table: &str, key: &str, value: &str) -> Op {
    set_if(table, key, value, None)
}

pub(crate) fn set_if(table: &str, key: &str, value: &str, if_version: Option<u64>) -> Op {
    Op::Set(SetOp {
        if_version,
        ..SetOp::new(table, key, Json::parse(value).unwrap())
    })
}

pub(crate) fn patch(table: &str, key: &str, fields: &str, remove: &[&str]) -> Op {
    Op::Patch(Patch {
        fields: Some(serde_json::from_str(fields).unwrap()),
        remove: Some(remove.iter().map(ToString::to_string).collect()),
        ..Patch::new(table, key)
    })
}

pub(crate) fn delete(table: &str, key: &str) -> Op {
    Op::Delete(DeleteOp::new(table, key))
}

pub(crate) fn change(table: &str, key: &str, version: u64, value: &str) -> Value {
    json!({"op": "set", "table": table, "key": key, "version": version, "value": serde_json::from_str::<Value>(value).unwrap()})
}

pub(crate) fn gone(table: &str, key: &str, version: u64) -> Value {
    json!({"op": "delete", "table": table, "key": key, "version": version})
}

pub(crate) fn applied(seq: u64, op_id: &str, version: u64) -> Value {
    json!({"status": "applied", "seq": seq, "opId": op_id, "version": version})
}

pub(crate) fn rejected(seq: u64, op_id: &str, version: u64, code: &str) -> Value {
    json!({"status": "rejected", "seq": seq, "opId": op_id, "version": version, "code": code})
}

pub(crate) fn refused(seq: u64, op_id: &str, code: &str, expected: Option<u64>) -> Value {
    let mut refused = json!({"status": "refused", "seq": seq, "opId": op_id, "code": code});
    if let Some(expected) = expected {
        refused["expected"] = json!(expected);
    }
    refused
}

pub(crate) fn deferred(seq: u64, op_id: &str, retry_after_ms: u64) -> Value {
    json!({"status": "deferred", "seq": seq, "opId": op_id, "code": "server_busy", "retryAfterMs": retry_after_ms})
}

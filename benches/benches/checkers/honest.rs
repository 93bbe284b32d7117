//! An honest server and its clients, as small as can be: they make histories in which there is nothing to find.
//!
//! Eight clients write to one workspace and follow it. They push several mutations at once, some with locks, some twice; are deferred and come
//! again; lose their connections with a push on its way, resume, and send it again; and now and then begin anew, with a replacement in parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use syncline_conformance::history::{Entry, Event, Frame};
use syncline_schemas::Limits;

const CLIENTS: usize = 8;
const KEYS: u64 = 2000;
/// Rows in a part of a replacement.
const PART_ROWS: usize = 200;
/// One push in so many is deferred first.
const DEFERRED: u64 = 20;
/// One push in so many is cut off before its ack comes.
const CUT: u64 = 50;
/// One new connection in so many begins without a cursor.
const ANEW: u64 = 5;

/// A history of eight clients, at least so many events long.
pub(crate) fn history(events: usize) -> Vec<Entry> {
    let mut world = World::default();
    for client in 0..CLIENTS {
        world.clients.push(Client::default());
        world.connect(client, true);
    }
    while world.entries.len() < events {
        let client = world.below(CLIENTS as u64) as usize;
        world.turn(client);
    }
    world.entries
}

#[derive(Default)]
struct World {
    entries: Vec<Entry>,
    clients: Vec<Client>,
    conns: usize,
    subs: usize,
    /// The last change of each row, and its value if it is there.
    rows: BTreeMap<u64, (u64, Option<u64>)>,
    head: u64,
    random: u64,
}

#[derive(Default)]
struct Client {
    conn: usize,
    sub: Option<usize>,
    frames: u64,
    cursor: u64,
    /// The mutations of its chain that were written.
    seq: u64,
    /// Up to where it knows their outcomes.
    acked: u64,
    /// The outcomes that it does not know.
    results: Vec<Value>,
}

impl World {
    /// A random number below this one: the same ones in every run.
    fn below(&mut self, limit: u64) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) % limit
    }

    fn add(&mut self, event: Event) {
        let at_us = self.entries.len() as u64;
        self.entries.push(Entry { at_us, event });
    }

    fn send(&mut self, client: usize, message: &Value, resumes: Option<usize>) {
        self.clients[client].frames += 1;
        let conn = self.clients[client].conn;
        let frame = Arc::new(Frame::text(message.to_string()));
        self.add(Event::Sent {
            conn,
            frame,
            resumes,
            own: true,
        });
    }

    fn receive(&mut self, client: usize, message: &Value) {
        let conn = self.clients[client].conn;
        let frame = Arc::new(Frame::text(message.to_string()));
        self.add(Event::Received { conn, frame });
    }

    /// A client pushes, and all are told; or its connection is cut.
    fn turn(&mut self, client: usize) {
        let push = self.push(client);
        if self.below(DEFERRED) == 0 {
            self.send(client, &push, None);
            let first = &push["mutations"][0];
            let deferred = json!({ "seq": first["seq"], "opId": first["opId"], "status": "deferred", "code": "rate_limited", "retryAfterMs": 1 });
            self.ack(client, vec![deferred]);
        }
        self.send(client, &push, None);
        let results = self.decide(&push);
        self.clients[client].seq += results.len() as u64;
        if self.below(CUT) == 0 {
            self.clients[client].results.clone_from(&results);
            self.add(Event::Left {
                conn: self.clients[client].conn,
            });
            self.update_all(Some(client));
            let anew = self.below(ANEW) == 0;
            self.connect(client, anew);
            self.send(client, &push, None);
        }
        self.ack(client, results);
        let client = &mut self.clients[client];
        client.acked = client.seq;
        client.results.clear();
        self.update_all(None);
    }

    fn push(&mut self, client: usize) -> Value {
        let seq = self.clients[client].seq;
        let count = 1 + self.below(3);
        let mutations: Vec<Value> = (1..=count)
            .map(|n| {
                let ops: Vec<Value> = (0..=self.below(2)).map(|_| self.op()).collect();
                json!({ "seq": seq + n, "opId": format!("op-{client}-{}", seq + n), "ops": ops })
            })
            .collect();
        let mut push = json!({ "type": "push", "epoch": "e", "mutations": mutations });
        if seq > 0 {
            push["follows"] = format!("op-{client}-{seq}").into();
        }
        push
    }

    fn op(&mut self) -> Value {
        let number = self.below(KEYS);
        let key = format!("k{number}");
        let (version, there) = match self.rows.get(&number) {
            Some((version, Some(_))) => (*version, true),
            _ => (0, false),
        };
        match self.below(10) {
            0 | 1 => json!({ "op": "delete", "table": "notes", "key": key }),
            // A lock that holds, and one that does not.
            2 => {
                json!({ "op": "set", "table": "notes", "key": key, "value": 1, "ifVersion": version })
            }
            3 if there => {
                json!({ "op": "set", "table": "notes", "key": key, "value": 1, "ifVersion": 0 })
            }
            _ => json!({ "op": "set", "table": "notes", "key": key, "value": self.head }),
        }
    }

    /// Decides the mutations of a push.
    fn decide(&mut self, push: &Value) -> Vec<Value> {
        let mutations = push["mutations"].as_array().expect("a push has mutations");
        let decided = mutations.iter().map(|mutation| {
            self.head += 1;
            let ops = mutation["ops"].as_array().expect("a mutation has ops");
            let mut result =
                json!({ "seq": mutation["seq"], "opId": mutation["opId"], "version": self.head });
            let holds = ops.iter().all(|op| self.holds(op));
            if holds {
                ops.iter().for_each(|op| self.apply(op));
                result["status"] = "applied".into();
            } else {
                result["status"] = "rejected".into();
                result["code"] = "version_conflict".into();
            }
            result
        });
        decided.collect()
    }

    fn holds(&self, op: &Value) -> bool {
        let there = match self.rows.get(&number(op)) {
            Some((version, Some(_))) => *version,
            _ => 0,
        };
        op["ifVersion"].as_u64().is_none_or(|lock| lock == there)
    }

    fn apply(&mut self, op: &Value) {
        let there = matches!(self.rows.get(&number(op)), Some((_, Some(_))));
        let value = op["value"].as_u64();
        if there || value.is_some() {
            self.rows.insert(number(op), (self.head, value));
        }
    }

    fn ack(&mut self, client: usize, results: Vec<Value>) {
        let re = self.clients[client].frames;
        self.receive(
            client,
            &json!({ "type": "ack", "re": re, "results": results }),
        );
    }

    /// Tells all but one of what they do not have.
    fn update_all(&mut self, but: Option<usize>) {
        let mut changes: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
        for client in (0..self.clients.len()).filter(|client| Some(*client) != but) {
            let from = self.clients[client].cursor;
            if from < self.head {
                let changes = changes
                    .entry(from)
                    .or_insert_with(|| changes_above(&self.rows, from));
                let update = json!({ "type": "update", "shape": "sh", "from": from, "to": self.head, "changes": changes });
                self.clients[client].cursor = self.head;
                self.receive(client, &update);
            }
        }
    }

    /// A client opens a session, and subscribes: from its cursor, or anew.
    fn connect(&mut self, client: usize, anew: bool) {
        let (conn, sub) = (self.conns, self.subs);
        self.conns += 1;
        self.subs += 1;
        self.add(Event::Opened {
            conn,
            name: format!("c{conn}"),
        });
        let own = &mut self.clients[client];
        (own.conn, own.frames) = (conn, 0);
        let (acked, last, cursor) = (own.acked, own.seq, own.cursor);
        let (results, earlier) = (own.results.clone(), own.sub.replace(sub));
        self.send(client, &json!({ "type": "hello", "workspace": "w", "clientId": format!("client-{client}-of-the-bench"), "ackedSeq": acked }), None);
        self.receive(client, &json!({
            "type": "welcome", "epoch": "e", "version": self.head, "lastSeq": last, "results": results, "session": format!("session-{conn}"),
            "capabilities": [], "limits": Limits::default(), "serverTime": 1, "server": { "name": "x", "version": "1" },
        }));
        let mut subscribe =
            json!({ "type": "subscribe", "id": format!("i{conn}"), "tables": { "notes": {} } });
        if !anew {
            subscribe["cursor"] = json!({ "epoch": "e", "version": cursor });
        }
        self.send(client, &subscribe, earlier.filter(|_| !anew));
        self.receive(client, &json!({ "type": "subscribed", "id": format!("i{conn}"), "shape": "sh", "tables": { "notes": {} } }));
        if anew {
            self.replace(client);
        } else {
            let changes = changes_above(&self.rows, cursor);
            self.receive(client, &json!({ "type": "update", "shape": "sh", "from": cursor, "to": self.head, "changes": changes }));
        }
        self.clients[client].cursor = self.head;
    }

    /// A replacement in parts.
    fn replace(&mut self, client: usize) {
        let mut rows = changes_above(&self.rows, 0);
        rows.retain(|change| change["op"] == "set");
        let mut parts: Vec<Value> = rows
            .chunks(PART_ROWS)
            .map(|rows| json!({ "type": "update", "shape": "sh", "from": 0, "more": true, "changes": rows }))
            .collect();
        parts.push(
            json!({ "type": "update", "shape": "sh", "from": 0, "to": self.head, "changes": [] }),
        );
        parts[0]["replace"] = true.into();
        for part in &parts {
            self.receive(client, part);
        }
    }
}

/// The last change of each row, if it came later.
fn changes_above(rows: &BTreeMap<u64, (u64, Option<u64>)>, from: u64) -> Vec<Value> {
    let later = rows.iter().filter(|(_, (version, _))| *version > from);
    let change = |(number, (version, value)): (&u64, &(u64, Option<u64>))| {
        let key = format!("k{number}");
        match value {
            Some(value) => {
                json!({ "op": "set", "table": "notes", "key": key, "version": version, "value": value })
            }
            None => json!({ "op": "delete", "table": "notes", "key": key, "version": version }),
        }
    };
    later.map(change).collect()
}

fn number(op: &Value) -> u64 {
    let key = op["key"].as_str().and_then(|key| key.strip_prefix('k'));
    key.and_then(|number| number.parse().ok())
        .expect("a key is a number")
}

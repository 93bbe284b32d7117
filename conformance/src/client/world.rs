//! What the scripted server remembers: enough to be honest where a scenario does not say otherwise.
//!
//! It knows the epoch, the head of the log and each client's chain, and nothing of rows: what updates bring is the scenario's to say.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::facts::{Ask, ask_of};
use crate::history::whole;

/// The server's memory.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// The history's name.
    pub(crate) epoch: String,
    /// The head of the log.
    pub(crate) head: u64,
    chains: BTreeMap<String, Chain>,
    /// The greatest id of each sequence that was allocated or observed.
    highest: BTreeMap<String, u64>,
    sessions: u64,
}

/// What is remembered of a client.
#[derive(Clone, Debug, Default)]
struct Chain {
    last_seq: u64,
    outcomes: Vec<Value>,
}

impl World {
    /// An empty workspace.
    pub(crate) fn new(run: &str) -> World {
        World {
            epoch: format!("e-{run}"),
            head: 0,
            chains: BTreeMap::new(),
            highest: BTreeMap::new(),
            sessions: 0,
        }
    }

    /// The honest answer to a `hello`, at this moment of the server's clock.
    pub(crate) fn welcome(&mut self, hello: &Value, now_ms: u64) -> Value {
        self.sessions += 1;
        let chain = self.chain(hello["clientId"].as_str().unwrap_or_default());
        let acked = whole(&hello["ackedSeq"]).unwrap_or(0);
        let above = |outcome: &&Value| whole(&outcome["seq"]).is_some_and(|seq| seq > acked);
        let results: Vec<_> = chain.outcomes.iter().filter(above).cloned().collect();
        let last_seq = chain.last_seq;
        json!({
            "type": "welcome", "epoch": self.epoch, "version": self.head, "lastSeq": last_seq, "results": results,
            "session": format!("s{}", self.sessions), "capabilities": [], "limits": syncline_schemas::Limits::default(),
            "serverTime": now_ms, "server": { "name": "conformance", "version": env!("CARGO_PKG_VERSION") },
        })
    }

    /// What the server knows of a mutation before it decides: the retained outcome of a known one, the refusal of one that is not the next.
    pub(crate) fn known(&mut self, client: &str, mutation: &Value) -> Option<Value> {
        let chain = self.chain(client);
        let seq = whole(&mutation["seq"]).unwrap_or(0);
        let op_id = &mutation["opId"];
        if seq > chain.last_seq + 1 {
            let expected = chain.last_seq + 1;
            return Some(
                json!({ "seq": seq, "opId": op_id, "status": "refused", "code": "seq_gap", "expected": expected }),
            );
        }
        if seq > chain.last_seq {
            return None;
        }
        let retained = chain
            .outcomes
            .iter()
            .find(|outcome| whole(&outcome["seq"]) == Some(seq));
        Some(match retained {
            Some(outcome) if outcome["opId"] == *op_id => outcome.clone(),
            Some(_) => {
                json!({ "seq": seq, "opId": op_id, "status": "refused", "code": "chain_broken" })
            }
            None => {
                json!({ "seq": seq, "opId": op_id, "status": "refused", "code": "seq_expired" })
            }
        })
    }

    /// Makes a result of what a scenario says of a mutation: `applied`, `rejected:<code>`, or members of a result. Remembers it, if it is
    /// an outcome.
    pub(crate) fn decide(&mut self, client: &str, mutation: &Value, said: &Value) -> Value {
        let mut result = json!({ "seq": mutation["seq"], "opId": mutation["opId"] });
        match said {
            Value::String(text) => {
                let (status, code) = text
                    .split_once(':')
                    .map_or((text.as_str(), None), |(status, code)| (status, Some(code)));
                result["status"] = status.into();
                if let Some(code) = code {
                    result["code"] = code.into();
                }
            }
            Value::Object(members) => {
                for (name, value) in members {
                    result[name] = value.clone();
                }
            }
            _ => {}
        }
        if is_outcome(&result) {
            if result.get("version").is_none() {
                result["version"] = (self.head + 1).into();
            }
            if result["status"] == "applied" {
                let told = self.allocate(mutation);
                if result.get("ops").is_none() && !told.is_empty() {
                    result["ops"] = told.into();
                }
            }
            self.decided(client, &result);
        }
        result
    }

    /// Does what a mutation asks of sequences; gives what it is told of that.
    fn allocate(&mut self, mutation: &Value) -> Vec<Value> {
        let mut told = Vec::new();
        let ops = mutation["ops"].as_array().into_iter().flatten();
        for (at, op) in ops.enumerate() {
            let Some((sequence, ask)) = ask_of(op) else {
                continue;
            };
            let highest = self.highest.entry(sequence.to_owned()).or_default();
            match ask {
                Ask::Allocate(count) => {
                    let first = *highest + 1;
                    *highest += count;
                    told.push(
                        json!({ "result": "allocated", "at": at, "first": first, "count": count }),
                    );
                }
                Ask::Observe(value) => *highest = value.max(*highest),
            }
        }
        told
    }

    /// Remembers an outcome that was told.
    pub(crate) fn decided(&mut self, client: &str, outcome: &Value) {
        self.head = self.head.max(whole(&outcome["version"]).unwrap_or(0));
        let chain = self.chain(client);
        if whole(&outcome["seq"]) == Some(chain.last_seq + 1) {
            chain.last_seq += 1;
            chain.outcomes.push(outcome.clone());
        }
    }

    /// Takes over what a scenario lets the server say in a `welcome`.
    pub(crate) fn follow(&mut self, client: &str, welcome: &Value) {
        self.epoch = welcome["epoch"].as_str().unwrap_or_default().to_owned();
        self.head = self.head.max(whole(&welcome["version"]).unwrap_or(0));
        let said = whole(&welcome["lastSeq"]).unwrap_or(0);
        let told = welcome["results"].as_array().cloned().unwrap_or_default();
        let chain = self.chain(client);
        if said != chain.last_seq {
            *chain = Chain {
                last_seq: said,
                outcomes: told,
            };
        }
    }

    fn chain(&mut self, client: &str) -> &mut Chain {
        self.chains.entry(client.to_owned()).or_default()
    }
}

/// Whether a result decides its mutation.
pub(crate) fn is_outcome(result: &Value) -> bool {
    matches!(result["status"].as_str(), Some("applied" | "rejected"))
}

//! Histories as text, for the tables of the checkers' tests.
//!
//! A line is `conn > frame` (sent), `conn < frame` (received), or an event. A frame is JSON, or a short form:
//!
//! ```text
//! hello alice 3            hello of client alice (or none: `hello`), ackedSeq 3
//! welcome 5 2 [1 x applied 4, 2 y rejected 5 no_ops]       version 5, lastSeq 2, results
//! push 1 x t/k=1 t/j- | 2 y t/k=2?1 t/j~{"a":1}            mutations: seq, opId, ops (with ifVersion 1; a patch)
//! push 1 x s+10 s^41                                       ops of a sequence: allocate, observe
//! push 1 x age=500 t!server_wins t/k=1$7                   ageMs; a declaration; base 7
//! ack 2 1 x applied 4, 2 y refused seq_gap                 re (or `-`), results
//! push 1 x t!server_wins.field                             a declaration of granularity field
//! ack 2 1 x applied 4 0:1+10;2:5+1                         what ops were given: index, first, count
//! push 1 x t!document t/k>AQ== t/j>4>Ag==$2                of documents: a declaration, an entry, a compaction of all up to 4
//! ack 2 1 x applied 4 fields:0:a@2=7&b@3-&c&+2             the fields in which an op was superseded: name, version, value, or gone; two more
//! subscribe i t,u @4       tables, cursor (epoch e)        subscribed i s t,u
//! update s 0..5 replace t/k=1@5 t/j-@5 t/i=1@5&3=2         from..to; `0..` is a part; beside the last value that of version 3
//! ping 7                   pong 7                          error invalid_json 3         goaway idle
//! ```
//!
//! Events: `a open` (implied by the first line of a connection), `a heard` (a WebSocket ping), `a may end`, `a closed 1001`, `a closed`, `a reset`, `a left`,
//! `hook kill` (begun and done). Each line is a millisecond after the one before; `wait 500` adds so many.
//! The workspace is `w`, the epoch `e`, the session named as the connection, unless `hello` and `welcome` are given as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Checker, Findings};
use crate::facts::Facts;
use crate::history::{ConnIx, Entry, Event, Frame};
use crate::scenario::Hook;

/// The requirements that this checker finds broken in a history, in order, without repetition.
pub(super) fn broken(checker: &Checker, history: &str) -> Vec<&'static str> {
    let findings = run(checker, history);
    let mut ids: Vec<_> = findings
        .violations
        .iter()
        .map(|violation| violation.requirement)
        .collect();
    ids.dedup();
    ids
}

/// All that a checker says of a history; what it names must be what it says that it judges.
pub(super) fn run(checker: &Checker, history: &str) -> Findings {
    let mut findings = Findings::default();
    (checker.check)(&facts(history), &mut findings);
    for id in &findings.judged {
        assert!(
            checker.requirements.contains(id),
            "{} judges {id}, and does not say so",
            checker.name
        );
    }
    findings
}

/// A table of good and bad histories: what each bad one breaks. A good one must have given occasion to judge what `occasion` names.
pub(super) fn table(checker: &Checker, good: &[(&str, &str)], bad: &[(&str, &str)]) {
    for (occasion, history) in good {
        let findings = run(checker, history);
        assert!(
            findings.violations.is_empty(),
            "good, but: {:?}\n{history}",
            findings.violations
        );
        for id in occasion.split_whitespace() {
            assert!(
                findings.judged.contains(id),
                "no occasion to judge {id}:\n{history}"
            );
        }
    }
    for (breaks, history) in bad {
        assert_eq!(
            broken(checker, history),
            breaks.split_whitespace().collect::<Vec<_>>(),
            "{history}"
        );
    }
}

/// The facts of a history.
pub(crate) fn facts(history: &str) -> Facts {
    let mut conns: BTreeMap<String, ConnIx> = BTreeMap::new();
    let mut facts = Facts::default();
    let mut at_us = 0;
    let mut add = |facts: &mut Facts, waited_ms: u64, event: Event| {
        at_us += 1000 * (1 + waited_ms);
        facts.apply(Entry { at_us, event });
    };
    let mut waited_ms = 0;
    for line in history
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        let (name, rest) = line.split_once(' ').expect("a line has two words");
        if name == "wait" {
            waited_ms += number(rest);
            continue;
        }
        if name == "hook" {
            let hook = Hook::ALL
                .into_iter()
                .find(|hook| hook.name() == rest)
                .expect("a hook");
            add(&mut facts, 0, Event::HookBegun { hook });
            add(&mut facts, 0, Event::HookDone { hook });
            continue;
        }
        if !conns.contains_key(name) || rest == "open" {
            conns.insert(name.to_owned(), facts.conns.len());
            let conn = facts.conns.len();
            add(
                &mut facts,
                0,
                Event::Opened {
                    conn,
                    name: name.to_owned(),
                },
            );
        }
        let conn = conns[name];
        let event = match rest.split_once(' ').unwrap_or((rest, "")) {
            ("open", _) => continue,
            (">", text) => Event::Sent {
                conn,
                frame: Arc::new(frame(name, text)),
                resumes: None,
                own: true,
            },
            ("<", text) => Event::Received {
                conn,
                frame: Arc::new(frame(name, text)),
            },
            ("closed", code) => Event::Closed {
                conn,
                code: code.parse().ok(),
            },
            ("left", _) => Event::Left { conn },
            ("reset", _) => Event::Reset { conn },
            ("heard", _) => Event::Heard { conn },
            ("may", "end") => Event::MayEnd { conn },
            other => panic!("no event: {other:?}"),
        };
        add(&mut facts, std::mem::take(&mut waited_ms), event);
    }
    facts
}

fn frame(conn: &str, text: &str) -> Frame {
    if text.starts_with(['{', '[', '"', '!']) {
        return Frame::text(text.trim_start_matches('!').to_owned());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let rest = || text.split_once(' ').map_or("", |(_, rest)| rest);
    let message = match words.as_slice() {
        ["hello"] => json!({ "type": "hello", "workspace": "w" }),
        ["hello", client] => json!({ "type": "hello", "workspace": "w", "clientId": client }),
        ["hello", client, acked] => {
            json!({ "type": "hello", "workspace": "w", "clientId": client, "ackedSeq": number(acked) })
        }
        ["welcome", version, last, ..] => welcome(conn, number(version), number(last), text),
        ["push", ..] => {
            json!({ "type": "push", "epoch": "e", "mutations": rest().split(" | ").map(mutation).collect::<Vec<_>>() })
        }
        ["ack", re, ..] => {
            let results = rest().split_once(' ').map_or("", |(_, results)| results);
            let mut ack = json!({ "type": "ack", "results": results_of(results) });
            if *re != "-" {
                ack["re"] = number(re).into();
            }
            ack
        }
        ["subscribe", id, tables, cursor @ ..] => {
            let mut subscribe =
                json!({ "type": "subscribe", "id": id, "tables": tables_of(tables) });
            if let [cursor] = cursor {
                subscribe["cursor"] =
                    json!({ "epoch": "e", "version": number(cursor.trim_start_matches('@')) });
            }
            subscribe
        }
        ["subscribed", id, shape, tables] => {
            json!({ "type": "subscribed", "id": id, "shape": shape, "tables": tables_of(tables) })
        }
        ["unsubscribe", shape] => json!({ "type": "unsubscribe", "shape": shape }),
        ["update", shape, span, changes @ ..] => update(shape, span, changes),
        ["ping", t] => json!({ "type": "ping", "t": number(t) }),
        ["pong", t] => json!({ "type": "pong", "t": number(t), "serverTime": 0 }),
        ["error", code, re @ ..] => {
            let def = syncline_schemas::errors::find(code).expect("a code");
            let mut error = json!({ "type": "error", "code": code, "scope": def.frame_scope(), "retryable": def.retryable, "message": "" });
            if let [re] = re {
                error["re"] = number(re).into();
            }
            error
        }
        ["goaway", reason] => json!({ "type": "goaway", "reason": reason, "retryAfterMs": 0 }),
        other => panic!("no frame: {other:?}"),
    };
    Frame::text(message.to_string())
}

fn welcome(conn: &str, version: u64, last_seq: u64, text: &str) -> Value {
    let results = text
        .split_once('[')
        .map_or("", |(_, rest)| rest.trim_end_matches(']'));
    let limits =
        serde_json::to_value(syncline_schemas::Limits::default()).expect("limits are JSON");
    json!({
        "type": "welcome", "epoch": "e", "version": version, "lastSeq": last_seq, "results": results_of(results), "session": conn,
        "capabilities": [], "limits": limits, "serverTime": 1_000_000_000, "server": { "name": "n", "version": "v" },
    })
}

fn results_of(text: &str) -> Vec<Value> {
    let result = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [seq, op_id, status, rest @ ..] = words.as_slice() else {
            panic!("no result: {text}")
        };
        let mut result = json!({ "seq": number(seq), "opId": op_id, "status": status });
        for word in rest {
            match word.parse::<u64>() {
                Ok(version) => result["version"] = version.into(),
                Err(_) if word.contains(':') => result["ops"] = word.split(';').map(told).collect(),
                Err(_) => result["code"] = (*word).into(),
            }
        }
        result
    };
    text.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .map(result)
        .collect()
}

/// `0:11+5`: the first op was given five ids, 11 the first of them. `superseded:2=7@4`: so was the third, for 7 stands, at version 4;
/// `superseded:2-@4`: for it was deleted then; `superseded:2`: not told for what.
fn told(text: &str) -> Value {
    let (at, ids) = text.split_once(':').expect("at:ids");
    if at == "fields" {
        return told_fields(ids);
    }
    if at.parse::<u64>().is_err() {
        let (op, version) = ids.split_once('@').unwrap_or((ids, ""));
        let (op, value) = op.split_once('=').unwrap_or((op, ""));
        let mut told = json!({ "result": at, "at": number(op.trim_end_matches('-')) });
        if op.ends_with('-') {
            told["gone"] = true.into();
        }
        if let Ok(value) = serde_json::from_str::<Value>(value) {
            told["value"] = value;
        }
        if let Ok(version) = version.parse::<u64>() {
            told["version"] = version.into();
        }
        return told;
    }
    let (first, count) = ids.split_once('+').expect("first+count");
    json!({ "result": "allocated", "at": number(at), "first": number(first), "count": number(count) })
}

/// `0:a@2=7&b@3-&c&+2`: the op's index, then fields.
fn told_fields(text: &str) -> Value {
    let (at, fields) = text.split_once(':').expect("at:fields");
    let mut count = 0;
    let mut conflicts = Vec::new();
    for field in fields.split('&') {
        if let Some(more) = field.strip_prefix('+') {
            count += number(more);
            continue;
        }
        count += 1;
        let (name, stands) = field.split_once('@').unwrap_or((field, ""));
        let mut conflict = json!({ "field": name });
        let (version, text) = stands.split_once('=').unwrap_or((stands, ""));
        if version.ends_with('-') {
            conflict["gone"] = true.into();
        }
        let version = version.trim_end_matches('-');
        if !version.is_empty() {
            conflict["version"] = number(version).into();
        }
        if !text.is_empty() {
            conflict["value"] = value(text);
        }
        conflicts.push(conflict);
    }
    let mut told = json!({ "result": "superseded_in_fields", "at": number(at), "count": count });
    if !conflicts.is_empty() {
        told["conflicts"] = conflicts.into();
    }
    told
}

fn mutation(text: &str) -> Value {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [seq, op_id, ops @ ..] = words.as_slice() else {
        panic!("no mutation: {text}")
    };
    let mut ages = ops.iter().filter_map(|word| word.strip_prefix("age="));
    let ops = ops.iter().filter(|word| !word.starts_with("age="));
    let ops: Vec<Value> = ops.map(|op| op_of(op)).collect();
    let mut mutation = json!({ "seq": number(seq), "opId": op_id, "ops": ops });
    if let Some(age) = ages.next_back() {
        mutation["ageMs"] = number(age).into();
    }
    mutation
}

/// `t/k=1`, `t/k={"a":1}` or `t/k-`, with a lock `t/k=1?5`; a patch `t/k~{"a":1}`, or `t/k~-a` of a field to remove; `s+10` or `s^41` of a sequence; `t!keep_both` declares a table,
/// and `t/k=1$5` names the base 5.
fn op_of(text: &str) -> Value {
    if let Some(table) = text.strip_suffix("!document") {
        return json!({ "op": "declare", "table": table, "kind": "document" });
    }
    if let Some((table, strategy)) = text.split_once('!') {
        if let Some(strategy) = strategy.strip_suffix(".field") {
            return json!({ "op": "declare", "table": table, "strategy": strategy, "granularity": "field" });
        }
        return json!({ "op": "declare", "table": table, "strategy": strategy });
    }
    if let Some((op, base)) = text.split_once('$') {
        let mut op = op_of(op);
        op["base"] = number(base).into();
        return op;
    }
    if let Some((row, entry)) = text.split_once('>') {
        return document_op(row, entry);
    }
    if let Some((sequence, count)) = text.split_once('+') {
        return json!({ "op": "allocate", "sequence": sequence, "count": number(count) });
    }
    if let Some((sequence, value)) = text.split_once('^') {
        return json!({ "op": "observe", "sequence": sequence, "value": number(value) });
    }
    if let Some((op, version)) = text.split_once('?') {
        let mut op = op_of(op);
        op["ifVersion"] = number(version).into();
        return op;
    }
    let (table, rest) = text.split_once('/').expect("table/key");
    if let Some((key, fields)) = rest.split_once('~') {
        return match fields.strip_prefix('-') {
            Some(name) => json!({ "op": "patch", "table": table, "key": key, "remove": [name] }),
            None => json!({ "op": "patch", "table": table, "key": key, "fields": value(fields) }),
        };
    }
    match rest.split_once('=') {
        Some((key, text)) => {
            json!({ "op": "set", "table": table, "key": key, "value": value(text) })
        }
        None => json!({ "op": "delete", "table": table, "key": rest.trim_end_matches('-') }),
    }
}

/// `AQ==`, what is appended, or `4>AQ==`, a compaction of all up to 4.
fn document_op(row: &str, entry: &str) -> Value {
    let (table, key) = row.split_once('/').expect("table/key");
    match entry.split_once('>') {
        None => json!({ "op": "append", "table": table, "key": key, "data": entry }),
        Some((covers, data)) => {
            json!({ "op": "compact", "table": table, "key": key, "covers": number(covers), "data": data })
        }
    }
}

/// A number or an object; anything else is a string.
fn value(text: &str) -> Value {
    let json = serde_json::from_str(text).ok();
    json.filter(|value: &Value| value.is_u64() || value.is_object())
        .unwrap_or_else(|| json!(text))
}

fn update(shape: &str, span: &str, words: &[&str]) -> Value {
    let (from, to) = span.split_once("..").expect("from..to");
    let flags = words.iter().filter(|word| !word.contains('/'));
    let change = |word: &&&str| {
        let (op, version) = word.split_once('@').expect("a change has a version");
        let mut beside = version.split('&');
        let mut change = op_of(op);
        change["version"] = number(beside.next().unwrap_or_default()).into();
        let sibling = |text: &str| {
            let (version, text) = text.split_once('=').expect("version=value");
            json!({ "version": number(version), "value": value(text) })
        };
        let siblings: Vec<Value> = beside.map(sibling).collect();
        if !siblings.is_empty() {
            change["siblings"] = siblings.into();
        }
        change
    };
    let changes: Vec<Value> = words
        .iter()
        .filter(|word| word.contains('/'))
        .map(|word| change(&word))
        .collect();
    let mut update =
        json!({ "type": "update", "shape": shape, "from": number(from), "changes": changes });
    if to.is_empty() {
        update["more"] = true.into();
    } else {
        update["to"] = number(to).into();
    }
    for flag in flags {
        update[*flag] = true.into();
    }
    update
}

fn tables_of(text: &str) -> Value {
    Value::Object(
        text.split(',')
            .map(|table| (table.to_owned(), json!({})))
            .collect(),
    )
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("no number: {text:?}"))
}

//! The generated types against `jsonschema`, on documents near the edge: a valid example, changed a few times at
//! random. Both must say yes, or both no; what both take must come back as it was, and where both refuse, the types must point into the
//! document.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use crate::examples::{examples, is_kept};
use crate::kinds;

/// One change of a document, at the place that an index picks among all its places.
#[derive(Clone, Debug)]
enum Change {
    /// Puts something else there.
    Replace(Value),
    /// Takes the value out of what holds it.
    Drop,
    /// Gives the member that holds the value another name.
    Rename(String),
    /// Adds a member to the object.
    Add(String, Value),
    /// Adds an item to the array.
    Append(Value),
    /// Puts what stands at another place of the document there.
    Copy(Index),
    /// Wraps the value into an array.
    Wrap,
    /// Puts the members' values there as an array: what serde's own structs would take.
    List,
    /// Writes one more character, or one less, into the string.
    Misspell(bool),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        6 => junk().prop_map(Change::Replace),
        4 => Just(Change::Drop),
        2 => name().prop_map(Change::Rename),
        3 => (name(), junk()).prop_map(|(name, value)| Change::Add(name, value)),
        1 => junk().prop_map(Change::Append),
        3 => any::<Index>().prop_map(Change::Copy),
        1 => Just(Change::Wrap),
        3 => Just(Change::List),
        3 => any::<bool>().prop_map(Change::Misspell),
    ]
}

/// Names that mean something somewhere, and some that mean nothing.
const NAMES: &str = r#"["type", "status", "op", "seq", "opId", "version", "code", "message", "at", "epoch",
    "cursor", "key", "table", "value", "ifVersion", "expected", "retryAfterMs", "more", "replace", "follows",
    "sequence", "count", "first", "ops", "result",
    "ageMs", "re", "shape", "to", "__proto__", "", "x", "Type"]"#;

/// Numbers near the edges of what schemas allow.
const NUMBERS: &str = "[0, 1, 2, -1, 1.0, 0.0, -0.0, 1.5, -1.0, 31, 31.0, 9007199254740991, 9007199254740992,
    9007199254740991.0, 9007199254740992.0, 18446744073709551615, -9223372036854775808, 1e300, -1e300, 5e-324]";

/// Tags, words and names: right ones in wrong places, and nearly right ones.
const WORDS: &str = r#"["applied", "rejected", "deferred", "refused", "set", "delete", "allocate", "observe", "allocated", "connection",
    "subscription", "request", "mutation", "hello", "ping", "push", "ack", "update", "", "a", "A-b_9", "a.b", "a b",
    "a\n", "é", "\u2028", "1", "true", "null", "SEQ_GAP"]"#;

/// Lengths at the edges of the patterns.
const LENGTHS: [usize; 6] = [63, 64, 65, 127, 128, 129];

/// Values of every other kind.
const OTHERS: &str = r#"[null, true, false, [], {}, [[]], {"": null}, {"todo": {}}, {"todo": []},
    {"request": null}, {"epoch": "e", "version": 1}, ["e", 1], {"name": "n", "version": "1"},
    {"status": "applied", "seq": 1, "opId": "o", "version": 1},
    {"op": "delete", "table": "t", "key": "k", "version": 1}]"#;

fn one_of(list: &str) -> impl Strategy<Value = Value> {
    select(serde_json::from_str::<Vec<Value>>(list).unwrap())
}

fn name() -> impl Strategy<Value = String> {
    select(serde_json::from_str::<Vec<String>>(NAMES).unwrap())
}

fn junk() -> impl Strategy<Value = Value> {
    let long = select(LENGTHS.as_slice()).prop_map(|length| json!("a".repeat(length)));
    prop_oneof![4 => one_of(NUMBERS), 3 => one_of(WORDS), 1 => long, 2 => one_of(OTHERS)]
}

/// The pointers to all places of a document.
fn places(value: &Value) -> Vec<String> {
    let below = |name: &str, child: &Value| {
        let step = name.replace('~', "~0").replace('/', "~1");
        places(child)
            .into_iter()
            .map(move |rest| format!("/{step}{rest}"))
            .collect::<Vec<_>>()
    };
    let mut all = vec![String::new()];
    match value {
        Value::Object(members) => {
            all.extend(members.iter().flat_map(|(name, child)| below(name, child)))
        }
        Value::Array(items) => {
            all.extend(
                items
                    .iter()
                    .enumerate()
                    .flat_map(|(index, child)| below(&index.to_string(), child)),
            );
        }
        _ => {}
    }
    all
}

fn apply(document: &mut Value, place: &Index, change: Change) {
    let all = places(document);
    let at: &String = place.get(&all);
    let other = if let Change::Copy(from) = &change {
        document.pointer(from.get(&all).as_str()).cloned()
    } else {
        None
    };
    let target = document
        .pointer_mut(at)
        .expect("the place was found in the document");
    match change {
        Change::Replace(value) => *target = value,
        Change::Copy(_) => *target = other.expect("the other place was found in the document"),
        Change::Wrap => *target = json!([target.take()]),
        Change::List => {
            if let Value::Object(members) = target {
                *target = members.values().cloned().collect();
            }
        }
        Change::Misspell(longer) => {
            if let Value::String(text) = target {
                if longer {
                    text.push('x');
                } else {
                    text.pop();
                }
            }
        }
        Change::Add(name, value) => {
            if let Some(object) = target.as_object_mut() {
                object.insert(name, value);
            }
        }
        Change::Append(value) => {
            if let Some(array) = target.as_array_mut() {
                array.push(value);
            }
        }
        Change::Drop => take_out(document, at, None),
        Change::Rename(name) => take_out(document, at, Some(name)),
    }
}

/// Takes the value out of what holds it, and puts it back under the new name if there is one.
fn take_out(document: &mut Value, at: &str, new_name: Option<String>) {
    let Some((holder, step)) = at.rsplit_once('/') else {
        return;
    };
    let step = step.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(holder) {
        Some(Value::Object(members)) => {
            let value = members
                .remove(&step)
                .expect("the place was found in the document");
            members.extend(
                new_name
                    .map(|name| (name, value))
                    .into_iter()
                    .collect::<Map<_, _>>(),
            );
        }
        Some(Value::Array(items)) => {
            items.remove(step.parse().expect("a step into an array is an index"));
        }
        _ => unreachable!("only objects and arrays hold values"),
    }
}

/// A kind, and a document that is nearly one. Every kind is as likely, however many examples it has.
fn near_valid() -> impl Strategy<Value = (&'static str, Value)> {
    let documents = |kind: &'static str| {
        let parse = |(_, text): (String, String)| serde_json::from_str::<Value>(&text).unwrap();
        let all: Vec<Value> = examples(kind, "valid").into_iter().map(parse).collect();
        select(all).prop_map(move |document| (kind, document))
    };
    let changes = prop::collection::vec((any::<Index>(), change()), 0..4);
    let kinds: Vec<_> = kinds::all().into_iter().map(documents).collect();
    (prop::strategy::Union::new(kinds), changes).prop_map(|((kind, mut document), changes)| {
        for (place, change) in changes {
            apply(&mut document, &place, change);
        }
        (kind, document)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn types_and_schemas_agree((kind, document) in near_valid()) {
        let text = document.to_string();
        let verdict = kinds::judge(kind, &document);
        match kinds::recode(kind, &text) {
            Ok(again) => {
                prop_assert_eq!(&verdict, &Ok(()), "the types accept {}", text);
                let again: Value = serde_json::from_str(&again).unwrap();
                prop_assert!(is_kept(&again, &document), "{} became {}", text, again);
            }
            Err((code, at)) => {
                prop_assert!(verdict.is_err(), "the types refuse {} ({})", text, code);
                prop_assert!(document.pointer(&at).is_some(), "{} at {:?} of {}", code, at, text);
            }
        }
    }
}

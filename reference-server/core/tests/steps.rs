//! The calls of an engine in their order, and what is refused or ignored.

mod support;

use serde_json::json;
use support::Node;
use syncline_schemas::{ErrorMessage, errors};
use syncline_server_core::{
    Checkpoint, Config, Decision, Engine, Event, Input, OpenError, Output, Record, SessionKey,
    error, read_frame,
};

const HELLO: &str = r#"{"type":"hello","workspace":"w","clientId":"ann"}"#;
const PUSH: &str = r#"{"type":"push","epoch":"e","mutations":[{"seq":1,"opId":"a","ops":[{"op":"set","table":"t","key":"k","value":1}]}]}"#;
const SUBSCRIBE: &str = r#"{"type":"subscribe","id":"i","tables":{"t":{}}}"#;
const A: SessionKey = SessionKey(0);

fn node(config: Config) -> Node {
    let mut node = Node::new(config);
    node.receive(A, HELLO);
    node.step();
    node
}

fn texts(outputs: &[Output]) -> Vec<&str> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Frame { text, .. } => Some(text.as_str()),
        _ => None,
    });
    frames.collect()
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut node = node(Config::default());
    node.receive(A, SUBSCRIBE);
    node.receive(A, PUSH);
    let records = node.engine.decide(5).to_vec();
    assert_eq!((records.len(), node.engine.head()), (1, 0));
    assert_eq!(node.pump(), [], "MODEL-DURABLE");
    node.receive(A, r#"{"type":"ping","t":1}"#);
    assert_eq!(node.engine.decide(6), records, "the step is decided once");
    node.engine.committed();
    assert_eq!(node.engine.head(), 1);
    assert_eq!(texts(&node.pump()).len(), 3, "subscribed, ack, update");
    assert_eq!(
        texts(&node.step()).len(),
        1,
        "the ping waited for the next step"
    );
    node.engine.committed();
    assert_eq!(node.pump(), []);
}

#[test]
fn what_concerns_no_open_session_is_ignored() {
    let mut node = node(Config::default());
    let before = node.engine.checkpoint();
    let stranger = SessionKey(7);
    for text in [
        PUSH,
        SUBSCRIBE,
        r#"{"type":"unsubscribe","shape":"s1"}"#,
        r#"{"type":"ping","t":1}"#,
        HELLO,
    ] {
        let request = read_frame(text, node.limits(), &[]).expect("a message");
        node.engine.enqueue(Input::Frame {
            session: stranger,
            re: 2,
            request,
        });
    }
    node.engine.enqueue(Input::Invalid {
        session: stranger,
        re: 9,
        error: error(&errors::INVALID_JSON, "m"),
    });
    node.engine.enqueue(Input::Close { session: stranger });
    assert_eq!(node.step(), []);
    assert_eq!(node.engine.checkpoint(), before);
}

#[test]
fn an_error_of_scope_connection_closes() {
    let check = |def, code| {
        let mut node = node(Config::default());
        let error: ErrorMessage = error(def, "m");
        node.engine.enqueue(Input::Invalid {
            session: A,
            re: 2,
            error,
        });
        let outputs = node.step();
        assert_eq!(outputs.last(), Some(&Output::Close { session: A, code }));
        assert!(texts(&outputs)[0].contains(r#""re":2"#), "ERR-RE");
        node.receive(A, r#"{"type":"ping","t":1}"#);
        assert_eq!(node.step(), [], "ERR-CLOSES");
    };
    check(&errors::FRAME_TOO_LARGE, 1009);
    check(&errors::HELLO_REQUIRED, 1008);
    check(&errors::OVERLOADED, 1013);
    check(&errors::INTERNAL, 1011);
}

#[test]
fn a_record_is_one_line_and_comes_back_the_same() {
    let mut node = node(Config::default());
    let value = "{\n \"a\\n\":\r\n[null,\n\n1.50]}";
    let push = format!(
        r#"{{"type":"push","epoch":"e","mutations":[{{"seq":1,"opId":"a","ops":[{{"op":"set","table":"t","key":"k","value":{value}}},
        {{"op":"set","table":"t","key":"null","value":null}},{{"op":"delete","table":"none","key":"k"}}]}},
        {{"seq":2,"opId":"b","ops":[{{"op":"delete","table":"t","key":"k"}}]}},{{"seq":3,"opId":"c","ops":[]}},
        {{"seq":4,"opId":"d","ops":[{{"op":"allocate","sequence":"a\"\n","count":3}},{{"op":"observe","sequence":"b","value":7}}]}}]}}"#
    );
    node.receive(A, &push);
    node.engine.enqueue(Input::Truncate { keep_versions: 1 });
    node.step();
    assert_eq!(node.log.len(), 5);
    for record in &node.log {
        let mut line = String::new();
        record.write(&mut line);
        assert!(!line.contains(['\n', '\r']), "{line}");
        assert_eq!(
            serde_json::from_str::<Record>(&line).expect("a record"),
            *record
        );
    }
    let Event::Outcome(decided) = &node.log[0].event else {
        panic!()
    };
    let Decision::Applied {
        effects, untouched, ..
    } = &decided.decision
    else {
        panic!()
    };
    let written = effects[0]
        .value
        .as_ref()
        .expect("a value")
        .to_value()
        .expect("JSON");
    assert_eq!(written, json!({"a\n": [null, 1.5]}), "JSON-VALUE-KEPT");
    assert_eq!(
        (
            effects[1].value.as_ref().map(|value| value.get()),
            untouched.len()
        ),
        (Some("null"), 1)
    );
}

#[test]
fn what_cannot_be_opened_says_why() {
    let open = |config: Config, text: &str| {
        let checkpoint = Checkpoint {
            version: 1,
            text: text.to_owned(),
        };
        Engine::open(config, "e".to_owned(), Some(&checkpoint), []).err()
    };
    let header =
        r#"{"header":{"format":1,"epoch":"e","version":1,"atMs":1,"truncatedTo":0,"marks":[]}}"#;
    assert_eq!(open(Config::default(), header), None);
    let damaged = [
        "",
        "{",
        &header.replace("\"e\"", "\"other\""),
        &header.replace(":1,\"epoch", ":3,\"epoch"),
        &format!("{header}\n{header}"),
        &format!("{header}\n{{\"row\":{{}}}}"),
        r#"{"client":{"client":"ann","lastSeq":1,"touchedMs":1,"outcomes":[]}}"#,
        &format!(
            r#"{header}
{{"client":{{"client":"ann","lastSeq":1,"touchedMs":1,"outcomes":[]}}}}"#
        ),
    ];
    for text in damaged {
        assert!(
            matches!(
                open(Config::default(), text),
                Some(OpenError::Checkpoint(_))
            ),
            "{text}"
        );
    }
    let config = Config {
        part_bytes: usize::MAX,
        ..Config::default()
    };
    assert!(matches!(open(config, header), Some(OpenError::Config(_))));
}

/// The least frame that a server may allow, and what just fits into it.
fn tight() -> Config {
    let mut config = Config {
        part_bytes: 4096,
        capabilities: Vec::new(),
        ..Config::default()
    };
    config.limits.frame_bytes_max = 65536;
    config.limits.push_mutations_max = 190;
    config.limits.in_flight_max = 190;
    config.limits.value_bytes_max = 32768;
    config
}

#[test]
fn no_frame_is_larger_than_the_limit() {
    let config = tight();
    let mut node = node(config.clone());
    let ops = json!([{"op": "\u{1}".repeat(200), "table": "t", "key": "k"}]);
    let op_id = |seq: u64| format!("{seq:0>64}");
    let mutations: Vec<_> = (1..=190u64)
        .map(|seq| json!({"seq": seq, "opId": op_id(seq), "ops": ops}))
        .collect();
    // Pushes must fit as well: in several.
    for pushed in mutations.chunks(40) {
        let first = pushed[0]["seq"].as_u64().expect("a number");
        let mut push = json!({"type": "push", "epoch": "e", "mutations": pushed});
        if first > 1 {
            push["follows"] = op_id(first - 1).into();
        }
        node.receive(A, &push.to_string());
    }
    node.step();
    let retry = json!({"type": "push", "epoch": "e", "mutations": mutations.iter().map(|mutation| {
        json!({"seq": mutation["seq"], "opId": mutation["opId"], "ops": []})
    }).collect::<Vec<_>>()});
    node.receive(A, &retry.to_string());
    node.receive(SessionKey(1), HELLO);
    let outputs = node.step();
    let [ack, _, welcome] = texts(&outputs)[..] else {
        panic!("{outputs:?}")
    };
    assert!(
        !ack.contains("message") && !welcome.contains("message"),
        "for people alone: left out"
    );
    for (text, name) in [(ack, "ack"), (welcome, "welcome")] {
        assert!(
            text.len() <= 65536,
            "FRAME-SIZE-SENT: {} bytes of {name}",
            text.len()
        );
        assert_eq!(
            text.matches("unknown_op").count(),
            190,
            "CONN-WELCOME-RESULTS"
        );
    }
}

/// What is told of single ops counts: results of the longest names and the largest ids, as many as there may be.
#[test]
fn results_that_tell_of_ops_fit_too() {
    let mut config = tight();
    config.capabilities = vec!["sequences".to_owned()];
    config.limits.mutation_sequences_max = Some(8);
    config.limits.in_flight_max = 76;
    config.limits.push_mutations_max = 76;
    config.check().expect("it just fits");
    let mut node = node(config);
    let id = (1u64 << 53) - 100;
    let observed = |n: u64| json!({"op": "observe", "sequence": format!("s{n}"), "value": id});
    let allocated = |n: u64| json!({"op": "allocate", "sequence": format!("s{n}"), "count": 1});
    let op_id = |seq: u64| format!("{seq:0>64}");
    for seq in 1..=76u64 {
        let ops: Vec<_> = match seq {
            1 => (0..8).map(observed).collect(),
            _ => (0..8).map(allocated).collect(),
        };
        let mut push = json!({"type": "push", "epoch": "e", "mutations": [{"seq": seq, "opId": op_id(seq), "ops": ops}]});
        if seq > 1 {
            push["follows"] = op_id(seq - 1).into();
        }
        node.receive(A, &push.to_string());
    }
    node.step();
    node.receive(SessionKey(1), HELLO);
    let outputs = node.step();
    let welcome = texts(&outputs)
        .into_iter()
        .find(|text| text.contains("welcome"));
    let welcome = welcome.expect("a welcome");
    assert_eq!(welcome.matches("allocated").count(), 75 * 8);
    assert!(welcome.len() <= 65536, "FRAME-SIZE-SENT: {}", welcome.len());
}

/// Keys and values of all rows that a mutation leaves, at the limit and one byte past it; the deleted one leaves nothing.
#[test]
fn what_small_patches_leave_is_bounded() {
    let mut config = tight();
    config.capabilities = vec!["fields".to_owned()];
    config.limits.mutation_rows_bytes_max = Some(65536);
    let mut node = node(config);
    let key = |n: usize| format!("k{n:02}");
    let value = json!({"a": "x".repeat(4096 - 3 - 8)});
    let sets = {
        (0..16).map(|n| json!({"seq": n + 1, "opId": "a", "ops": [{"op": "set", "table": "t", "key": key(n), "value": value}]}))
    };
    let mut follows = None;
    for set in sets {
        let push = json!({"type": "push", "epoch": "e", "follows": follows, "mutations": [set]});
        let text = push.to_string().replace(r#""follows":null,"#, "");
        node.receive(A, &text);
        follows = Some("a");
    }
    node.step();
    let patches =
        || (0..16).map(|n| json!({"op": "patch", "table": "t", "key": key(n), "remove": ["b"]}));
    let delete = json!({"op": "delete", "table": "t", "key": "gone"});
    let one_byte = json!({"op": "set", "table": "t", "key": "", "value": 1});
    let at: Vec<_> = patches().chain([delete]).collect();
    let past: Vec<_> = [one_byte].into_iter().chain(patches()).collect();
    let push = json!({"type": "push", "epoch": "e", "follows": "a", "mutations": [
        {"seq": 17, "opId": "at", "ops": at}, {"seq": 18, "opId": "past", "ops": past}]});
    node.receive(A, &push.to_string());
    let outputs = node.step();
    let ack: serde_json::Value = serde_json::from_str(texts(&outputs)[0]).expect("an ack");
    assert_eq!(ack["results"][0]["status"], "applied", "PUSH-ROWS-LIMIT");
    let refused = &ack["results"][1];
    assert_eq!(refused["code"], "limit_exceeded", "PUSH-ROWS-LIMIT");
    assert_eq!(refused["at"], "/ops/16", "the one that passes it");
}

#[test]
fn the_largest_change_can_be_delivered() {
    let config = tight();
    let mut node = node(config.clone());
    node.receive(A, SUBSCRIBE);
    let value = "v".repeat(config.limits.value_bytes_max as usize - 2);
    let key = "\u{1}".repeat(config.limits.key_bytes_max as usize);
    let ops = json!([{"op": "set", "table": "t", "key": key, "value": value}, {"op": "set", "table": "t", "key": "", "value": value}]);
    let push =
        json!({"type": "push", "epoch": "e", "mutations": [{"seq": 1, "opId": "a", "ops": ops}]});
    node.receive(A, &push.to_string());
    let outputs = node.step();
    let [_, ack, first, last] = texts(&outputs)[..] else {
        panic!("{outputs:?}")
    };
    assert!(ack.contains("applied"));
    assert!(
        first.len() <= 65536 && first.contains(&value) && last.contains(&value),
        "UPD-DELIVERABLE"
    );
}

/// Without the resolver that a table names nobody can decide its writes: the operator is told at once.
#[test]
fn a_workspace_is_not_opened_without_its_resolvers() {
    let with = Config {
        resolvers: syncline_server_core::Resolvers::built_in(),
        ..Config::default()
    };
    let mut node = node(with.clone());
    let declare =
        json!({"op": "declare", "table": "t", "strategy": "custom", "resolver": "deep_merge"});
    let push = json!({"type": "push", "epoch": "e", "mutations": [{"seq": 1, "opId": "a", "ops": [declare]}]});
    node.receive(A, &push.to_string());
    node.step();
    let open = |config| Engine::open(config, "e".to_owned(), None, node.log.clone()).map(|_| ());
    assert_eq!(open(with), Ok(()));
    let error = open(Config::default()).expect_err("nobody can decide");
    assert_eq!(
        error.to_string(),
        "the table t is declared with the resolver deep_merge, which this server was not given"
    );
}

#[test]
fn an_engine_may_move_to_another_thread() {
    fn sent<T: Send>(_: &T) {}
    sent(&Node::new(Config::default()).engine);
}

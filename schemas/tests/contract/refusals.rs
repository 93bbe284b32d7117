//! What a refusal says: the code, the place and the sentence that an implementer of the other side gets to read.

use syncline_schemas::{ClientMessage, DecodeError, Json, Op, ServerMessage, errors};

fn check(refusal: &DecodeError, code: &str, at: &str, reason: &str) {
    assert_eq!(
        (refusal.code(), refusal.at.as_str()),
        (code, at),
        "{refusal}"
    );
    assert!(refusal.reason.contains(reason), "{refusal}");
}

fn from_client(text: &str, code: &str, at: &str, reason: &str) {
    check(
        &ClientMessage::decode(text, 64).expect_err(text),
        code,
        at,
        reason,
    );
}

fn from_server(text: &str, code: &str, at: &str, reason: &str) {
    check(
        &ServerMessage::decode(text, 64).expect_err(text),
        code,
        at,
        reason,
    );
}

#[test]
fn of_texts_that_are_not_one_json_value() {
    from_client("", "invalid_json", "", "EOF");
    from_client(
        "{\"type\":\"ping\",\"t\":1} x",
        "invalid_json",
        "",
        "trailing characters",
    );
    from_client(
        r#"{"a":{"b/c":[0,1e400]}}"#,
        "invalid_json",
        "/a/b~1c/1",
        "number out of range",
    );
    from_client(
        r#"{"a":[{"b":1,"c":2,"b":3}]}"#,
        "invalid_json",
        "/a/0/b",
        "twice",
    );
    from_client(
        r#"{"a":{"b":{"x":0,"\u0078":0}},"z":0}"#,
        "invalid_json",
        "/a/b/x",
        "twice",
    );
    from_client(r#"{"a":"\ud800"}"#, "invalid_json", "/a", "escape");
}

#[test]
fn of_depth_by_the_limit_that_is_given() {
    let text = r#"{"type":"ping","t":1,"x":[[0]]}"#;
    assert!(ClientMessage::decode(text, 3).is_ok());
    check(
        &ClientMessage::decode(text, 2).expect_err("too deep"),
        "invalid_json",
        "/x/0",
        "too deep",
    );
    check(
        &ClientMessage::decode(text, 0).expect_err("too deep"),
        "invalid_json",
        "",
        "too deep",
    );
}

#[test]
fn of_values_that_are_no_message() {
    from_client("[]", "invalid_message", "", "must be an object");
    from_client(
        r#"[{"type":"ping","t":1}]"#,
        "invalid_message",
        "",
        "must be an object",
    );
    from_client(
        "{}",
        "invalid_message",
        "",
        "\"type\" is a required property",
    );
    from_client(
        r#"{"type":7}"#,
        "invalid_message",
        "/type",
        "must be a string",
    );
}

#[test]
fn of_types_that_this_side_does_not_read() {
    from_client(
        r#"{"type":"teleport"}"#,
        "unknown_type",
        "/type",
        "none of hello, subscribe",
    );
    from_client(
        r#"{"type":"pong","t":1,"serverTime":1}"#,
        "unknown_type",
        "/type",
        "\"pong\"",
    );
    from_server(
        r#"{"type":"ping","t":1}"#,
        "unknown_type",
        "/type",
        "\"ping\"",
    );
}

#[test]
fn of_messages_that_do_not_fit_their_schema() {
    from_client(
        r#"{"type":"ping"}"#,
        "invalid_message",
        "",
        "\"t\" is a required property",
    );
    from_client(
        r#"{"type":"hello","workspace":"a b"}"#,
        "invalid_message",
        "/workspace",
        "does not match",
    );
    let push =
        |mutation: &str| format!(r#"{{"type":"push","epoch":"e","mutations":[{mutation}]}}"#);
    from_client(
        &push(r#"{"seq":1.5,"opId":"o","ops":[]}"#),
        "invalid_message",
        "/mutations/0/seq",
        "integer",
    );
    from_client(
        &push(r#"{"seq":1,"opId":"o","ops":null}"#),
        "invalid_message",
        "/mutations/0/ops",
        "array",
    );
}

#[test]
fn of_unions_by_the_arm_that_the_tag_names() {
    let ack = |result: &str| format!(r#"{{"type":"ack","results":[{result}]}}"#);
    let unknown = ack(r#"{"status":"merged","seq":1,"opId":"o"}"#);
    from_server(
        &unknown,
        "invalid_message",
        "/results/0/status",
        r#"must be one of "applied", "rejected""#,
    );
    let no_code = ack(r#"{"status":"refused","seq":1,"opId":"o"}"#);
    from_server(
        &no_code,
        "invalid_message",
        "/results/0",
        "\"code\" is a required property",
    );
    let bad_seq = ack(r#"{"seq":0,"opId":"o","status":"applied","version":1}"#);
    from_server(
        &bad_seq,
        "invalid_message",
        "/results/0/seq",
        "minimum of 1",
    );
}

#[test]
fn of_ops() {
    let check = |text: &str, code: &str, at: &str| {
        let refusal = Op::decode(&Json::parse(text).unwrap()).expect_err(text);
        assert_eq!((refusal.code(), refusal.at()), (code, at), "{refusal}");
        assert!(errors::find(refusal.code()).is_some());
    };
    check(r#"{"op":"teleport"}"#, "unknown_op", "/op");
    check(r#"{"op":"delete","table":"t"}"#, "invalid_op", "");
    check(
        r#"{"op":"delete","table":"t","key":null}"#,
        "invalid_op",
        "/key",
    );
    check(r#"{"table":"t","key":"k"}"#, "invalid_op", "");
    check(r#"{"op":7,"table":"t","key":"k"}"#, "invalid_op", "/op");
    check("7", "invalid_op", "");
}

#[test]
fn are_bounded_however_much_they_quote() {
    let long = "x".repeat(100_000);
    let refusal =
        ClientMessage::decode(&format!(r#"{{"type":"{long}"}}"#), 64).expect_err("unknown");
    assert!(refusal.reason.len() < 1000);
    let refusal =
        ClientMessage::decode(&format!(r#"{{"{long}":[1e999]}}"#), 64).expect_err("number");
    assert_eq!(
        refusal.at, "",
        "the frame is what encloses a member whose name is too long to say"
    );
}

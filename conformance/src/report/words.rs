//! A frame in few words, for a diagram, and with its long values elided, for a transcript.

use serde_json::Value;

use crate::history::{Body, Event, Frame, whole};

/// A string within a frame is shown up to so many characters.
const STRING_CHARS_MAX: usize = 96;

/// A frame is shown up to so many characters.
const FRAME_CHARS_MAX: usize = 2400;

/// What happened in a word or two: of a frame its type and what is essential, as `update s 12→14 (2)`.
pub(super) fn brief(event: &Event) -> String {
    match event {
        Event::Opened { .. } => "opens".to_owned(),
        Event::Sent { frame, .. } | Event::Received { frame, .. } => of_frame(frame),
        Event::Heard { .. } => "WebSocket ping or pong".to_owned(),
        Event::Closed {
            code: Some(code), ..
        } => format!("closed with {code}"),
        Event::Closed { code: None, .. } => "broken off".to_owned(),
        Event::Reset { .. } => "reset".to_owned(),
        Event::MayEnd { .. } => "may be ended".to_owned(),
        Event::Stalled { ms } => format!("stood still for {ms} ms"),
        Event::Left { .. } => "leaves".to_owned(),
        Event::HookBegun { hook } => format!("hook {} begins", hook.name()),
        Event::HookDone { hook } => format!("hook {} is done", hook.name()),
        Event::Fault { what } => format!("fault: {what}"),
        Event::Asked { line, .. } => format!("app: {}", of_line(line)),
        Event::Told { line, .. } => format!("says: {}", of_line(line)),
        Event::Process { what, .. } => what.to_string(),
    }
}

fn of_frame(frame: &Frame) -> String {
    if let Body::Binary(bytes) = &frame.body {
        return format!("binary, {} bytes", bytes.len());
    }
    let kind = frame.kind();
    let word = |name: &str| frame.string(name).unwrap_or("?").to_owned();
    let number = |name: &str| {
        frame
            .number(name)
            .map_or_else(|| "?".to_owned(), |number| number.to_string())
    };
    match kind {
        "" => frame.to_string().chars().take(24).collect(),
        "hello" => match frame.number("ackedSeq") {
            Some(acked) => format!("hello, acked {acked}"),
            None => kind.to_owned(),
        },
        "welcome" => format!("welcome v{}, last {}", number("version"), number("lastSeq")),
        "subscribe" => match frame
            .member("cursor")
            .and_then(|cursor| cursor.get("version"))
        {
            Some(version) => format!("subscribe {} from {version}", word("id")),
            None => format!("subscribe {}", word("id")),
        },
        "subscribed" => format!("subscribed {}", word("shape")),
        "unsubscribe" => format!("unsubscribe {}", word("shape")),
        "push" => format!("push {}", of_push(frame)),
        "ack" => format!("ack {}", of_ack(frame)),
        "update" => of_update(frame),
        "error" => match frame.number("re") {
            Some(re) => format!("error {} re {re}", word("code")),
            None => format!("error {}", word("code")),
        },
        "goaway" => format!("goaway {}", word("reason")),
        "ping" | "pong" => format!("{kind} {}", number("t")),
        other => other.chars().take(24).collect(),
    }
}

/// `4..6`: the `seq`s.
fn of_push(frame: &Frame) -> String {
    let mutations = list(frame, "mutations");
    let seqs = mutations
        .iter()
        .filter_map(|mutation| numbered(mutation, "seq"));
    range(&seqs.collect::<Vec<_>>())
}

/// `4..6 v12..14`, and what was not applied.
fn of_ack(frame: &Frame) -> String {
    let results = list(frame, "results");
    let all = |name: &str| -> Vec<u64> {
        let numbers = results.iter().filter_map(|result| numbered(result, name));
        numbers.collect()
    };
    let mut text = range(&all("seq"));
    let versions = all("version");
    if !versions.is_empty() {
        text += &format!(" v{}", range(&versions));
    }
    let other = |result: &&Value| result.get("status").and_then(Value::as_str) != Some("applied");
    if let Some(result) = results.iter().find(other) {
        let word = |name: &str| result.get(name).and_then(Value::as_str);
        text += &format!(" {}", word("code").or(word("status")).unwrap_or("?"));
    }
    text
}

/// `update s 12→14 (2)`: the shape, the range, how many changes.
fn of_update(frame: &Frame) -> String {
    let edge = |name: &str| {
        frame
            .number(name)
            .map_or_else(|| "…".to_owned(), |version| version.to_string())
    };
    let changes = list(frame, "changes").len();
    let replace = match frame.member("replace") {
        Some(Value::Bool(true)) => " replace",
        _ => "",
    };
    let shape = frame.string("shape").unwrap_or("?");
    format!(
        "update {shape} {}→{}{replace} ({changes})",
        edge("from"),
        edge("to")
    )
}

/// A line of an adapter: its verb or event, with its first plain members.
fn of_line(line: &Frame) -> String {
    let text = match &line.json {
        Some(Value::Object(members)) => {
            let plain = members.iter().filter(|(name, value)| {
                name.as_str() != "id" && !value.is_object() && !value.is_array()
            });
            let words = plain.map(|(_, value)| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            words.collect::<Vec<_>>().join(" ")
        }
        _ => line.to_string(),
    };
    text.chars().take(40).collect()
}

fn list<'a>(frame: &'a Frame, name: &str) -> &'a [Value] {
    let items = frame.member(name).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

fn numbered(value: &Value, name: &str) -> Option<u64> {
    value.get(name).and_then(whole)
}

/// `4` or `4..6`.
fn range(numbers: &[u64]) -> String {
    match numbers {
        [] => "nothing".to_owned(),
        [one] => one.to_string(),
        [first, .., last] => format!("{first}..{last}"),
    }
}

/// A frame as it was on the wire, its long strings cut short, and the whole if need be.
pub(super) fn elided(frame: &Frame) -> String {
    let Body::Text(text) = &frame.body else {
        return frame.to_string();
    };
    let shown = if frame.json.is_some() {
        short_strings(text)
    } else {
        text.clone()
    };
    match shown.char_indices().nth(FRAME_CHARS_MAX) {
        None => shown,
        Some((end, _)) => format!("{}… ({} bytes in all)", &shown[..end], text.len()),
    }
}

/// JSON text with its long strings cut short, and nothing else changed.
fn short_strings(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(FRAME_CHARS_MAX));
    let mut rest = text;
    while let Some(open) = rest.find('"') {
        shown += &rest[..=open];
        rest = &rest[open + 1..];
        let end = string_end(rest);
        let string = &rest[..end];
        let cut = string.char_indices().nth(STRING_CHARS_MAX);
        match cut {
            None => shown += string,
            Some((cut, _)) => {
                let count = string.chars().count();
                shown += &format!("{}… ({count} characters)", &string[..cut]);
            }
        }
        rest = &rest[end..];
        if let Some(after) = rest.strip_prefix('"') {
            shown.push('"');
            rest = after;
        }
    }
    shown + rest
}

/// Where the string ends that the text is the inside of.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    let quote = text.char_indices().find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    quote.map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        of_frame(&Frame::text(text.to_owned()))
    }

    #[test]
    fn a_frame_is_told_by_what_is_essential() {
        for (text, brief) in [
            (
                r#"{"type":"push","mutations":[{"seq":4},{"seq":5}]}"#,
                "push 4..5",
            ),
            (
                r#"{"type":"ack","results":[{"seq":4,"status":"applied","version":9},{"seq":5,"status":"rejected","code":"row_exists","version":10}]}"#,
                "ack 4..5 v9..10 row_exists",
            ),
            (
                r#"{"type":"update","shape":"s1","from":3,"to":7,"changes":[{},{}]}"#,
                "update s1 3→7 (2)",
            ),
            (
                r#"{"type":"update","shape":"s1","from":3,"more":true,"replace":true,"changes":[]}"#,
                "update s1 3→… replace (0)",
            ),
            (
                r#"{"type":"error","code":"seq_gap","re":3}"#,
                "error seq_gap re 3",
            ),
            ("garbage", "garbage"),
        ] {
            assert_eq!(told(text), brief);
        }
    }

    #[test]
    fn long_strings_are_cut_short_and_the_rest_stays_as_it_was() {
        let long = "x".repeat(200);
        let text = format!(r#"{{ "a" : "{long}", "b": "q\"\\", "c":1.0}}"#);
        let shown = elided(&Frame::text(text));
        let cut = "x".repeat(STRING_CHARS_MAX);
        assert_eq!(
            shown,
            format!(r#"{{ "a" : "{cut}… (200 characters)", "b": "q\"\\", "c":1.0}}"#)
        );
    }
}

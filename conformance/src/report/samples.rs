//! A run to report in tests: one scenario that passed, one that failed with all that can be drawn, and words that look like markup.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Repeat, Run, Summary};
use crate::drive::Failure;
use crate::facts::Facts;
use crate::history::{Entry, Event, Frame};
use crate::judge::{Judgement, Verdict};
use crate::requirements::Binds;
use crate::scenario::{Hook, Scenario};

/// What a frame of the sample holds that no report may take for its own.
pub(super) const EVIL: &str = "</pre><script>alert(1)</script>]]>&amp;";

/// The secrets of the sample.
pub(super) const SECRETS: [&str; 2] = ["c-alice-secret", "sesame-secret"];

/// What a run found.
pub(super) struct Sample {
    judgements: Vec<Judgement>,
    summary: Summary,
    repeat: Repeat,
    known: BTreeMap<String, String>,
}

impl Sample {
    pub(super) fn new() -> Sample {
        let judgements = vec![
            judgement("lost-update", Verdict::Fail(failures()), history()),
            judgement("all-is-well", Verdict::Pass, Vec::new()),
            judgement(
                "cannot-be-said",
                Verdict::Unknown("it fell silent".to_owned()),
                Vec::new(),
            ),
            judgement(
                "left-out",
                Verdict::NotJudged("needs hook `kill`".to_owned()),
                Vec::new(),
            ),
        ];
        Sample {
            summary: Summary::of(Binds::Server, &judgements, Duration::from_millis(1500)),
            judgements,
            repeat: Repeat::default(),
            known: BTreeMap::new(),
        }
    }

    /// The same, where the failure is known.
    pub(super) fn known(reason: &str) -> Sample {
        Sample {
            known: BTreeMap::from([("lost-update".to_owned(), reason.to_owned())]),
            ..Sample::new()
        }
    }

    pub(super) fn run(&self) -> Run<'_> {
        Run {
            target: "ws://<target>/",
            judgements: &self.judgements,
            summary: &self.summary,
            repeat: &self.repeat,
            known: &self.known,
        }
    }

    /// The failed scenario's history and failures.
    pub(super) fn failed(&self) -> (&Facts, Vec<Failure>) {
        (&self.judgements[0].facts, failures())
    }
}

fn judgement(id: &str, verdict: Verdict, entries: Vec<Entry>) -> Judgement {
    let scenario = Scenario {
        id: id.to_owned(),
        title: "What must hold, & in a sentence".to_owned(),
        why: Some("It was seen".to_owned()),
        checks: vec!["UPD-FROM".to_owned()],
        chapter: "updates".to_owned(),
        ..Scenario::default()
    };
    Judgement {
        scenario: Arc::new(scenario),
        verdict,
        facts: Facts::unfolded(entries),
        judged: vec!["UPD-FROM".to_owned()],
        missed: false,
        took: Duration::from_millis(20),
    }
}

fn failures() -> Vec<Failure> {
    vec![
        Failure {
            requirements: vec!["UPD-DELIVERED".to_owned()],
            expected: "an update".to_owned(),
            actual: format!("nothing but {EVIL}"),
            step: Some("/steps/1".to_owned()),
            at: vec![109],
        },
        Failure {
            requirements: vec!["UPD-FROM".to_owned()],
            expected: "from at most the subscriber's cursor, 1".to_owned(),
            actual: "from 25".to_owned(),
            step: None,
            at: vec![107],
        },
    ]
}

/// Two clients: one writes, the other reads and is sent too late a `from`; a fault, a hook, and ends of both kinds.
fn history() -> Vec<Entry> {
    let opened = |conn, name: &str| Event::Opened {
        conn,
        name: name.to_owned(),
    };
    let [secret, token] = SECRETS;
    let mut events = vec![
        opened(0, "a"),
        sent(
            0,
            &format!(r#"{{"type":"hello","clientId":"{secret}","token":"{token}","ackedSeq":0}}"#),
        ),
        received(0, r#"{"type":"welcome","version":0,"lastSeq":0}"#),
        opened(1, "b"),
        received(1, r#"{"type":"subscribed","id":"x","shape":"s1"}"#),
        received(
            1,
            r#"{"type":"update","shape":"s1","from":0,"to":1,"changes":[{"table":"t","key":"k","version":1}]}"#,
        ),
    ];
    events.extend((0..100).map(|t| sent(0, &format!(r#"{{"type":"ping","t":{t}}}"#))));
    events.extend([
        sent(0, r#"{"type":"push","mutations":[{"seq":1,"opId":"o1","ops":[{"op":"set","table":"t","key":"k"}]}]}"#),
        received(1, r#"{"type":"update","shape":"s1","from":25,"to":26,"changes":[{"table":"t","key":"k","version":26}]}"#),
        Event::Fault { what: "a: cut".to_owned() },
        received(0, &format!(r#"{{"type":"error","code":"{EVIL}","re":1,"message":"of {secret}"}}"#)),
        Event::HookBegun { hook: Hook::Kill },
        Event::Closed { conn: 1, code: None },
        Event::Left { conn: 0 },
    ]);
    let timed = events.into_iter().zip((0..).step_by(1100));
    timed.map(|(event, at_us)| Entry { at_us, event }).collect()
}

fn sent(conn: usize, text: &str) -> Event {
    Event::Sent {
        conn,
        frame: Arc::new(Frame::text(text.to_owned())),
        resumes: None,
        own: true,
    }
}

fn received(conn: usize, text: &str) -> Event {
    Event::Received {
        conn,
        frame: Arc::new(Frame::text(text.to_owned())),
    }
}

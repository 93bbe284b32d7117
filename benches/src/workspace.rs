//! An engine that is driven step by step.

use syncline_schemas::{Hello, Limits};
use syncline_server_core::{Config, Engine, Input, Output, SessionKey, read_frame};

/// What has gone out in a step, counted for each who gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Frames.
    pub frames: usize,
    /// Bytes of their texts.
    pub bytes: usize,
}

/// One workspace, whose log keeps nothing.
#[derive(Debug)]
pub struct Workspace {
    engine: Engine,
    now_ms: u64,
}

/// All that is offered, and no rate that a bench could meet.
#[must_use]
pub fn config() -> Config {
    Config {
        limits: Limits {
            mutations_per_second: 1_000_000_000,
            mutation_burst: 1_000_000_000,
            ..Limits::default()
        },
        ..Config::default()
    }
}

impl Workspace {
    /// An empty workspace.
    ///
    /// # Panics
    /// If the configuration does not fit together.
    #[must_use]
    pub fn new(config: Config) -> Workspace {
        let engine = Engine::open(config, "e".to_owned(), None, []);
        let engine = engine.expect("the limits fit each other");
        let now_ms = 1_000;
        Workspace { engine, now_ms }
    }

    /// Opens a session, of a client or of a mere reader.
    pub fn open(&mut self, session: u64, client: Option<&str>) {
        let hello = Hello {
            workspace: "w".to_owned(),
            client_id: client.map(str::to_owned),
            acked_seq: None,
            capabilities: Some(vec!["presence".to_owned()]),
        };
        self.engine.enqueue(Input::Open {
            session: SessionKey(session),
            name: format!("session-{session}"),
            hello,
        });
    }

    /// Closes a session.
    pub fn close(&mut self, session: u64) {
        let session = SessionKey(session);
        self.engine.enqueue(Input::Close { session });
    }

    /// Reads a frame of a session, and puts what it asks into the queue.
    ///
    /// # Panics
    /// If the frame is not valid.
    pub fn frame(&mut self, session: u64, text: &str) {
        let config = self.engine.config();
        let request = read_frame(text, &config.limits, &config.capabilities);
        self.engine.enqueue(Input::Frame {
            session: SessionKey(session),
            re: 2,
            request: request.expect("a valid frame"),
        });
    }

    /// Subscribes a session to the table `notes`, with these settings.
    pub fn subscribe(&mut self, session: u64, settings: &str) {
        let tables = format!(r#"{{"notes":{settings}}}"#);
        let subscribe = format!(r#"{{"type":"subscribe","id":"s","tables":{tables}}}"#);
        self.frame(session, &subscribe);
    }

    /// The time of the steps from now on is so much later.
    pub fn sleep(&mut self, ms: u64) {
        self.now_ms += ms;
    }

    /// One whole step: all that waits is decided, is durable at once, and goes out.
    pub fn step(&mut self) -> Sent {
        if !self.engine.decide(self.now_ms).is_empty() {
            self.engine.committed();
        }
        while self.engine.pump(|_| usize::MAX) {}
        let mut sent = Sent::default();
        while let Some(output) = self.engine.poll_output() {
            if let Output::Frame { text, to } = output {
                sent.frames += to.len();
                sent.bytes += text.len() * to.len();
            }
        }
        sent
    }
}

/// A push of these mutations, one op each, numbered from `first`: what `op` gives for a number, without its braces.
#[must_use]
pub fn push(first: u64, count: u64, op: impl Fn(u64) -> String) -> String {
    let follows = match first {
        1 => String::new(),
        _ => format!(r#""follows":"op-{}","#, first - 1),
    };
    let mutation = |seq| {
        format!(
            r#"{{"seq":{seq},"opId":"op-{seq}","ops":[{{{}}}]}}"#,
            op(seq)
        )
    };
    let mutations: Vec<_> = (first..first + count).map(mutation).collect();
    let mutations = mutations.join(",");
    format!(r#"{{"type":"push","epoch":"e",{follows}"mutations":[{mutations}]}}"#)
}

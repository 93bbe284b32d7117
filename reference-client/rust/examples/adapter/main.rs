//! The adapter of this client for the conformance runner: JSON Lines on standard input and output, as `conformance/adapter.md` says.
//!
//! ```text
//! syncline-conformance client --cmd "cargo run -q -p syncline-client --example adapter"
//! ```
//!
//! It adds nothing to the client and leaves nothing out: each command is a call, each event is what the client tells its app.

mod documents;
mod history;
mod migrations;
mod ops;
mod standing;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use syncline_client::{
    Builder, Client, Clock, Decision, Error, Filter, Mode, Mutation, NoId, Sequence, Shape, Store,
    Trigger,
};
use tokio::sync::mpsc;

use crate::documents::Named;
use crate::history::Pages;
use crate::ops::{Op, read_op};
use crate::standing::status;
use crate::told::{answer_when_synced, others, tell_notices, tell_progress, tell_status, watch};

/// What the runner asks.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Command {
    Open {
        url: String,
        workspace: String,
        store: String,
        #[serde(default)]
        migrations: BTreeMap<String, Vec<migrations::Renaming>>,
        #[serde(default)]
        urgent: Vec<String>,
    },
    GoOnline,
    GoOffline,
    Subscribe {
        tables: BTreeSet<String>,
        #[serde(default)]
        r#where: BTreeMap<String, Value>,
    },
    Unsubscribe {
        tables: BTreeSet<String>,
    },
    Write(Op),
    Delete(Op),
    Mutate {
        ops: Vec<Value>,
    },
    Read {
        table: String,
        key: String,
    },
    ReadAll {
        table: String,
    },
    Status,
    #[serde(rename_all = "camelCase")]
    Confirm {
        op_id: String,
    },
    #[serde(rename_all = "camelCase")]
    Resolve {
        op_id: String,
        decision: String,
    },
    Watch {
        table: String,
    },
    Present {
        #[serde(default, deserialize_with = "given")]
        state: Option<Value>,
    },
    Others,
    History(history::Ask),
    HistoryNext(history::Next),
    #[serde(rename_all = "camelCase")]
    UseSequence {
        sequence: String,
        block_size: u64,
    },
    NextId {
        sequence: String,
    },
    Document(Named),
    Append {
        #[serde(flatten)]
        named: Named,
        data: String,
    },
    Compact {
        #[serde(flatten)]
        named: Named,
        merged: Vec<String>,
        data: String,
    },
    WatchDocument(Named),
    SetMode {
        mode: String,
    },
    SetTrigger {
        on: String,
        #[serde(default)]
        ms: u64,
        #[serde(default)]
        count: u64,
    },
    VerifyEvery {
        ms: u64,
    },
    Sync,
    SetClock {
        now: u64,
    },
    SkipTime {
        ms: u64,
    },
    Close,
}

/// What is there is given, `null` too.
fn given<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

/// Lines to write.
type Out = mpsc::UnboundedSender<Value>;

#[tokio::main]
async fn main() {
    let (out, mut lines) = mpsc::unbounded_channel::<Value>();
    // Standard output is written by a thread of its own: the runner may be slow to read.
    let writer = std::thread::spawn(move || {
        while let Some(line) = lines.blocking_recv() {
            println!("{line}");
        }
    });
    let can = [
        "mutate",
        "if_version",
        "unsubscribe",
        "watch",
        "set_clock",
        "skip_time",
        "digests",
        "migrations",
        "urgency",
        "verify",
        "fields",
        "filters",
        "conflicts",
        "presence",
        "history",
        "sequences",
        "modes",
        "triggers",
        "progress",
        "documents",
    ];
    let name = format!("syncline-client {}", env!("CARGO_PKG_VERSION"));
    let _ = out.send(json!({ "ready": { "client": name, "can": can } }));
    serve(out).await;
    let _ = writer.join();
}

/// Reads on a thread of its own, and serves one command after the other.
async fn serve(out: Out) {
    let (to_server, mut commands) = mpsc::unbounded_channel::<String>();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if to_server.send(line).is_err() {
                break;
            }
        }
    });
    let mut app = App {
        client: None,
        clock: Clock::default(),
        sequences: BTreeMap::new(),
        pages: Pages::default(),
        out: out.clone(),
    };
    while let Some(line) = commands.recv().await {
        let id =
            serde_json::from_str::<Value>(&line).map_or(Value::Null, |line| line["id"].clone());
        let command = serde_json::from_str(&line);
        if let (Ok(Command::Sync), Some(client)) = (&command, &app.client) {
            answer_when_synced(client.clone(), id, out.clone()).await;
            continue;
        }
        let done = match command {
            Ok(command) => app.act(command).await,
            Err(error) => Err(Refused::of(error)),
        };
        let closing = app.client.is_none() && done.is_ok();
        let reply = match done {
            Ok(ok) => json!({ "id": id, "ok": ok }),
            Err(Refused {
                code: Some(code),
                message,
            }) => {
                json!({ "id": id, "error": { "code": code, "message": message } })
            }
            Err(Refused {
                code: None,
                message,
            }) => json!({ "id": id, "error": { "message": message } }),
        };
        let _ = out.send(reply);
        if closing {
            break;
        }
    }
    if let Some(client) = app.client.take() {
        client.close().await;
    }
}

/// Why a command was not done.
struct Refused {
    code: Option<String>,
    message: String,
}

impl Refused {
    fn of(error: impl std::fmt::Display) -> Refused {
        Refused {
            code: None,
            message: error.to_string(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Refused {
        let code = match &error {
            Error::Refused(refusal) => Some(refusal.code.to_owned()),
            Error::NoId(NoId::Refused(code)) => Some(code.clone()),
            Error::NoId(_) => Some("no_id".to_owned()),
            _ => None,
        };
        Refused {
            code,
            message: error.to_string(),
        }
    }
}

/// The client with what it needs.
struct App {
    client: Option<Client>,
    clock: Clock,
    /// The sequences that the app uses, by name.
    sequences: BTreeMap<String, Sequence>,
    pages: Pages,
    out: Out,
}

impl App {
    async fn act(&mut self, command: Command) -> Result<Value, Refused> {
        if let Command::Open {
            url,
            workspace,
            store,
            migrations,
            urgent,
        } = command
        {
            let store = Store::sqlite(Path::new(&store).join("client.db"))?;
            let builder = Client::builder(&url, &workspace)
                .store(store)
                .urgent(urgent);
            return self.open(builder, &migrations).await;
        }
        let client = self
            .client
            .as_ref()
            .ok_or_else(|| Refused::of("no client is open"))?;
        match command {
            Command::Open { .. } => {}
            Command::GoOnline => client.go_online().await?,
            Command::GoOffline => client.go_offline().await?,
            Command::Subscribe { tables, r#where } => subscribe(client, tables, r#where).await?,
            Command::Unsubscribe { tables } => drop(client.unsubscribe(tables).await?),
            Command::Write(op) => return written(client, |mutation| op.set(mutation)).await,
            Command::Delete(op) => return written(client, |mutation| op.delete(mutation)).await,
            Command::Mutate { ops } => return mutate(client, &ops).await,
            Command::Read { table, key } => {
                let rows = read_all(client, &table).await?;
                let view = rows["view"]
                    .get(&key)
                    .map(|value| json!({ "value": value }));
                let base = rows["base"].get(&key).cloned();
                let there = [("view", view), ("base", base)];
                let there = there
                    .into_iter()
                    .filter_map(|(name, row)| Some((name.to_owned(), row?)));
                return Ok(Value::Object(there.collect()));
            }
            Command::ReadAll { table } => return read_all(client, &table).await,
            Command::Status => return status(client).await,
            Command::Confirm { op_id } => client.confirm(&op_id).await?,
            Command::Resolve { op_id, decision } => {
                let decision = if decision == "again" {
                    Decision::Again
                } else {
                    Decision::Drop
                };
                let again = client.resolve(&op_id, decision).await?;
                return Ok(again.map_or_else(|| json!({}), |op_id| json!({ "opId": op_id })));
            }
            Command::Watch { table } => watch(client, &table, self.out.clone()).await?,
            Command::Present { state: Some(state) } => client.present(state).await?,
            Command::Present { state: None } => client.withdraw().await?,
            Command::Others => return Ok(others(client)),
            Command::History(ask) => self.pages.ask(client, ask, self.out.clone()).await,
            Command::HistoryNext(next) => self.pages.next(next, self.out.clone()).await?,
            Command::UseSequence {
                sequence,
                block_size,
            } => {
                let used = client.sequence(&sequence, block_size).await?;
                self.sequences.insert(sequence, used);
            }
            Command::NextId { sequence } => {
                let used = self.sequences.get(&sequence);
                let used = used.ok_or_else(|| Refused::of("the sequence is not used"))?;
                return Ok(json!({ "id": used.next_id().await? }));
            }
            Command::Document(named) => return documents::entries(&named.of(client)).await,
            Command::Append { named, data } => {
                return documents::append(&named.of(client), &data).await;
            }
            Command::Compact {
                named,
                merged,
                data,
            } => return documents::compact(&named.of(client), &merged, &data).await,
            Command::WatchDocument(named) => {
                documents::watch(client, named, self.out.clone()).await?;
            }
            Command::SetMode { mode } => {
                let mode = match mode.as_str() {
                    "push_only" => Mode::PushOnly,
                    "pull_only" => Mode::PullOnly,
                    _ => Mode::Both,
                };
                client.set_mode(mode).await?;
            }
            Command::SetTrigger { on, ms, count } => {
                let trigger = match on.as_str() {
                    "manual" => Trigger::Manual,
                    "interval" => Trigger::Interval(ms),
                    "threshold" => Trigger::Threshold(count),
                    _ => Trigger::Immediate,
                };
                client.set_trigger(trigger).await?;
            }
            Command::VerifyEvery { ms } => {
                let interval = (ms > 0).then(|| Duration::from_millis(ms));
                client.verify_every(interval).await?;
            }
            Command::Sync => return Err(Refused::of("served beside the other commands")),
            Command::SetClock { now } => self.clock.set_wall(now),
            Command::SkipTime { ms } => self.clock.skip(Duration::from_millis(ms)),
            Command::Close => {
                if let Some(client) = self.client.take() {
                    client.close().await;
                }
            }
        }
        Ok(json!({}))
    }

    async fn open(
        &mut self,
        mut builder: Builder,
        migrations: &BTreeMap<String, Vec<migrations::Renaming>>,
    ) -> Result<Value, Refused> {
        for (table, renamings) in migrations {
            for renaming in renamings {
                builder = builder.migration(table, renaming.version, renaming.migration());
            }
        }
        let builder = builder.clock(self.clock.clone()).watch_others();
        let client = builder.offline().open().await?;
        tell_progress(client.progress().await?, self.out.clone());
        tell_notices(client.notices().await?, self.out.clone());
        tell_status(&client, self.out.clone());
        self.client = Some(client);
        Ok(json!({}))
    }
}

async fn written(client: &Client, make: impl FnOnce(&mut Mutation)) -> Result<Value, Refused> {
    Ok(json!({ "opId": client.mutate(make).await? }))
}

async fn subscribe(
    client: &Client,
    tables: BTreeSet<String>,
    filters: BTreeMap<String, Value>,
) -> Result<(), Refused> {
    let mut shape = Shape::of(tables);
    for (table, filter) in filters {
        let filter = Filter::read(&filter).map_err(Refused::of)?;
        shape = shape.filtered(table, filter);
    }
    Ok(client.subscribe_where(shape).await?)
}

async fn mutate(client: &Client, ops: &[Value]) -> Result<Value, Refused> {
    let ops = ops.iter().map(read_op).collect::<Result<Vec<_>, _>>()?;
    let make = |mutation: &mut Mutation| ops.iter().for_each(|op| op(mutation));
    written(client, make).await
}

async fn read_all(client: &Client, table: &str) -> Result<Value, Refused> {
    let base = client.base_all::<Value>(table).await?.into_iter();
    let base = base.map(|(key, row)| (key, json!({ "value": row.value, "version": row.version })));
    let base: serde_json::Map<_, _> = base.collect();
    Ok(json!({ "view": client.get_all::<Value>(table).await?, "base": base }))
}

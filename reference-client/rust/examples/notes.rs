//! Notes that several people share, and that can be read and written without a connection.
//!
//! ```text
//! cargo run --release -p syncline-client --example notes -- alice add buy milk
//! cargo run --release -p syncline-client --example notes -- bob            # a prompt; changes by others show as they come
//! ```
//!
//! Each name has a replica of its own, in `notes-<name>.db`. An edit of a note says which version it was made on: if somebody else was faster, it is
//! rejected, and listed by `status` until it is dismissed.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use serde::{Deserialize, Serialize};
use syncline_client::{Change, Client, Decision, Error, Origin, Store, Watch};
use tokio::sync::mpsc;

/// How long a command waits for the server before it leaves the rest to the next one.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Parser)]
#[command(about = "Notes that several people share, with or without a connection")]
struct Args {
    /// Who you are: names your replica.
    name: String,
    /// The server.
    #[arg(long, default_value = "ws://127.0.0.1:8081/sync")]
    server: String,
    /// The file of your replica [default: notes-<NAME>.db]
    #[arg(long)]
    store: Option<String>,
    /// What to do. Nothing: a prompt.
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Writes a note.
    Add { text: Vec<String> },
    /// Shows all notes.
    List,
    /// Changes a note, unless somebody else was faster.
    Edit { id: String, text: Vec<String> },
    /// Removes a note.
    Rm { id: String },
    /// Waits until everything is sent and received.
    Sync,
    /// Shows changes as they come, until Ctrl-C.
    Watch,
    /// Shows how the replica stands, and what was rejected.
    Status,
    /// Takes the rejected changes off the list.
    Dismiss,
    /// Decides about changes of which nobody knows whether they arrived.
    Resolve {
        #[arg(value_parser = ["again", "drop"])]
        decision: String,
    },
    /// Works without a connection, until `online`. (At the prompt.)
    Offline,
    /// Connects again. (At the prompt.)
    Online,
}

/// A line of the prompt.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    text: String,
    by: String,
    written_ms: u64,
}

/// The app: a client, and who uses it.
struct Notes {
    client: Client,
    name: String,
    server: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    match run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("notes: {error}");
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> Result<(), Error> {
    let store = args
        .store
        .unwrap_or_else(|| format!("notes-{}.db", args.name));
    let client = Client::builder(&args.server, "notes")
        .store(Store::sqlite(store)?)
        .open()
        .await?;
    client.subscribe(["notes"]).await?;
    let notes = Notes {
        client,
        name: args.name,
        server: args.server,
    };
    match args.command {
        Some(command) => {
            if matches!(
                command,
                Command::List | Command::Edit { .. } | Command::Rm { .. } | Command::Status
            ) {
                notes.settle().await;
            }
            notes.obey(command).await?;
            notes.say_whether_sent().await?;
        }
        None => notes.prompt().await?,
    }
    notes.client.close().await;
    Ok(())
}

impl Notes {
    async fn obey(&self, command: Command) -> Result<(), Error> {
        match command {
            Command::Add { text } => self.add(&text.join(" ")).await,
            Command::List => self.list().await,
            Command::Edit { id, text } => self.edit(&id, &text.join(" ")).await,
            Command::Rm { id } => self.remove(&id).await,
            Command::Sync => self.sync().await,
            Command::Watch => self.watch().await,
            Command::Status => self.status().await,
            Command::Dismiss => self.dismiss().await,
            Command::Resolve { decision } => self.resolve(&decision).await,
            Command::Offline => self.client.go_offline().await,
            Command::Online => self.client.go_online().await,
        }
    }

    async fn add(&self, text: &str) -> Result<(), Error> {
        let id = new_id();
        self.client.set("notes", &id, self.note(text)).await?;
        println!("{id}: added");
        Ok(())
    }

    async fn list(&self) -> Result<(), Error> {
        let notes: BTreeMap<String, Note> = self.client.get_all("notes").await?;
        let mut notes: Vec<(String, Note)> = notes.into_iter().collect();
        notes.sort_by_key(|(_, note)| note.written_ms);
        for (id, note) in &notes {
            println!("{id}  {}  ({})", note.text, note.by);
        }
        if notes.is_empty() {
            println!("no notes yet: add one by `add TEXT`");
        }
        Ok(())
    }

    /// Changes a note, if it is as it was seen. A note that the server has not told of yet is one's own, and only changed.
    async fn edit(&self, id: &str, text: &str) -> Result<(), Error> {
        let Some(old) = self.client.get::<Note>("notes", id).await? else {
            println!("{id}: there is no such note; `list` shows all");
            return Ok(());
        };
        let version = self.client.version("notes", id).await?;
        let note = Note {
            written_ms: old.written_ms,
            ..self.note(text)
        };
        let change = |mutation: &mut syncline_client::Mutation| {
            match version {
                0 => mutation.set("notes", id, note),
                _ => mutation.set_if("notes", id, note, version),
            };
        };
        self.client.mutate(change).await?;
        println!("{id}: changed");
        Ok(())
    }

    async fn remove(&self, id: &str) -> Result<(), Error> {
        if self.client.get::<Note>("notes", id).await?.is_none() {
            println!("{id}: there is no such note; `list` shows all");
            return Ok(());
        }
        self.client.delete("notes", id).await?;
        println!("{id}: removed");
        Ok(())
    }

    async fn sync(&self) -> Result<(), Error> {
        self.client.wait_synced(PATIENCE).await?;
        println!("everything is sent and received");
        Ok(())
    }

    async fn watch(&self) -> Result<(), Error> {
        let mut changes = self.client.watch::<Note>("notes").await?;
        println!("changes show as they come; Ctrl-C ends");
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(change) => show(&change?),
                    None => return Ok(()),
                },
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    async fn status(&self) -> Result<(), Error> {
        let status = self.client.status();
        println!(
            "{} at {}",
            if status.online { "online" } else { "offline" },
            self.server
        );
        if let Some(trouble) = &status.last_error {
            println!("last trouble: {}", trouble.message);
        }
        println!(
            "changes not confirmed by the server yet: {}",
            status.pending
        );
        for cursor in status.cursors.values().flatten() {
            println!("synced up to version {}", cursor.version);
        }
        for entry in self.client.rejected().await? {
            println!("rejected ({}): {}", entry.code, describe(&entry.ops));
        }
        for entry in self.client.in_doubt().await? {
            println!(
                "in doubt, decide by `resolve again` or `resolve drop`: {}",
                describe(&entry.ops)
            );
        }
        Ok(())
    }

    async fn dismiss(&self) -> Result<(), Error> {
        for entry in self.client.rejected().await? {
            self.client.confirm(&entry.op_id).await?;
        }
        Ok(())
    }

    async fn resolve(&self, decision: &str) -> Result<(), Error> {
        let decision = if decision == "again" {
            Decision::Again
        } else {
            Decision::Drop
        };
        for entry in self.client.in_doubt().await? {
            self.client.resolve(&entry.op_id, decision).await?;
        }
        Ok(())
    }

    fn note(&self, text: &str) -> Note {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Note {
            text: text.to_owned(),
            by: self.name.clone(),
            written_ms: since.as_millis() as u64,
        }
    }

    /// Waits until everything is synced, or until it is clear that there is no server.
    async fn settle(&self) {
        let mut status = self.client.status_changes();
        let settled = status.wait_for(|status| status.synced || status.last_error.is_some());
        let _ = tokio::time::timeout(PATIENCE, settled).await;
    }

    async fn say_whether_sent(&self) -> Result<(), Error> {
        self.settle().await;
        let status = self.client.status();
        if !status.online {
            let pending = status.pending;
            println!(
                "(offline; kept here until {} can be reached: {pending} changes)",
                self.server
            );
        }
        if status.rejected > 0 {
            println!(
                "(rejected: {}; `status` shows, `dismiss` clears)",
                status.rejected
            );
        }
        Ok(())
    }
}

/// The prompt.
impl Notes {
    async fn prompt(&self) -> Result<(), Error> {
        let mut lines = read_lines();
        let mut changes = self.client.watch::<Note>("notes").await?;
        println!(
            "add TEXT, list, edit ID TEXT, rm ID, sync, status, offline, online; an empty line or Ctrl-D ends"
        );
        loop {
            tokio::select! {
                line = lines.recv() => match line {
                    Some(line) if !line.trim().is_empty() => self.obey_line(&line).await,
                    _ => break,
                },
                () = show_others(&mut changes) => {}
            }
        }
        self.say_whether_sent().await
    }

    /// A line that fails is no reason to leave.
    async fn obey_line(&self, line: &str) {
        match Line::try_parse_from(line.split_whitespace()) {
            Ok(line) => {
                if let Err(error) = self.obey(line.command).await {
                    println!("{error}");
                }
            }
            Err(error) => println!("{error}"),
        }
    }
}

/// Reads lines on a thread of its own: there is no other way to wait for a terminal and for a server at once.
fn read_lines() -> mpsc::Receiver<String> {
    let (to_prompt, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        let terminal = std::io::stdin().is_terminal();
        let ask = || {
            if terminal {
                print!("> ");
                let _ = std::io::stdout().flush();
            }
        };
        ask();
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if to_prompt.blocking_send(line).is_err() {
                break;
            }
            ask();
        }
    });
    lines
}

/// Shows the next change by somebody else.
async fn show_others(changes: &mut Watch<Note>) {
    match changes.next().await {
        Some(Ok(change)) if change.origin == Origin::Server => show(&change),
        Some(_) => {}
        None => std::future::pending().await,
    }
}

fn show(change: &Change<Note>) {
    let id = &change.key;
    match &change.value {
        Some(note) => println!("{id}  {}  ({})", note.text, note.by),
        None => println!("{id}  removed"),
    }
}

fn describe(ops: &[impl Serialize]) -> String {
    ops.iter()
        .map(|op| serde_json::to_string(op).unwrap_or_default())
        .collect::<Vec<_>>()
        .join(", ")
}

/// A name that is short enough to type, and random, so that two people without a connection do not choose the same.
fn new_id() -> String {
    let mut bytes = [0; 4];
    getrandom::fill(&mut bytes).expect("the system has random bits");
    format!("{:06x}", u32::from_le_bytes(bytes) >> 8)
}

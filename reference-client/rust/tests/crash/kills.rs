//! An app is killed (`kill -9`) again and again, at moments made by chance, while it writes and syncs. `SYNCLINE_CRASH_KILLS=100` kills it so often.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use syncline_client::Client;
use tokio::runtime::Runtime;

use crate::app::{App, PATIENCE, program, serve};

/// Kills where nobody says how many.
const KILLS: u64 = 15;

/// Writes that an app is told of at once.
const BURST: u64 = 30;

/// When a kill comes at the latest, after the app was told of its first write; now and then it is counted from its start.
const LATEST_MS: [u64; 4] = [20, 80, 200, 500];

/// Random enough for moments: xorshift.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// How often each key was changed, as the server tells.
async fn changes(url: &str) -> BTreeMap<u64, u64> {
    let reader = Client::builder(url, "home").open().await.unwrap();
    let mut counts = BTreeMap::new();
    let read = async {
        let mut status = reader.status_changes();
        status.wait_for(|status| status.online).await.unwrap();
        let mut next = Some(reader.history("notes").page().await.unwrap());
        while let Some(page) = next {
            assert!(page.from <= 1, "the server has forgotten some");
            for change in &page.changes {
                *counts.entry(change.key.parse().unwrap()).or_default() += 1;
            }
            next = page.next().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap();
    reader.close().await;
    counts
}

/// What the app was told of before a kill, and what of it was said to be done.
#[derive(Default)]
struct Told {
    next: u64,
    done: BTreeSet<u64>,
    /// Kills that came while a write was not answered.
    amid: u64,
    idle: u64,
}

/// One life of the app: it opens its store, is told to write, and is killed so long after its start, or after its first write is done.
fn live(url: &str, store: &std::path::Path, wait: Duration, early: bool, told: &mut Told) {
    let started = Instant::now();
    let mut began = early.then_some(started);
    let mut app = App::start(Command::new(program()));
    app.open(url, store);
    app.say(json!({"do": "subscribe", "tables": ["notes"]}));
    app.say(json!({"do": "go_online"}));
    let mut keys = BTreeMap::new();
    let mut answers = Vec::new();
    let done = |answers: &[(u64, Option<String>)], keys: &BTreeMap<u64, u64>| {
        let of =
            |(id, wrong): &(u64, Option<String>)| wrong.is_none().then(|| keys.get(id).copied());
        answers.iter().filter_map(of).flatten().collect::<Vec<_>>()
    };
    while began.is_none_or(|began| began.elapsed() < wait) {
        assert!(started.elapsed() < PATIENCE, "no write is ever done");
        if keys.len() < done(&answers, &keys).len() + BURST as usize {
            told.next += 1;
            let value =
                json!({ "number": told.next, "more": "x".repeat((told.next % 7 * 300) as usize) });
            keys.insert(app.write(told.next, &value), told.next);
        } else {
            std::thread::sleep(Duration::from_millis(1));
            answers.extend(app.answers());
            if !answers.is_empty() {
                began.get_or_insert_with(Instant::now);
            }
        }
    }
    answers.extend(app.kill());
    let wrong = answers.iter().find(|(_, wrong)| wrong.is_some());
    assert!(wrong.is_none(), "{wrong:?}");
    let done = done(&answers, &keys);
    if done.len() < keys.len() && !done.is_empty() {
        told.amid += 1;
    } else {
        told.idle += 1;
    }
    told.done.extend(done);
}

#[test]
fn what_a_killed_app_was_told_is_written_is_written_once() {
    let kills = std::env::var("SYNCLINE_CRASH_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = now.unwrap().as_millis() as u64 | 1;
    let runtime = Runtime::new().unwrap();
    let url = serve(&runtime);
    let store = tempfile::tempdir().unwrap();
    let (mut dice, mut told) = (Dice(seed), Told::default());
    while told.amid < kills {
        let latest = LATEST_MS[dice.below(4) as usize];
        live(
            &url,
            store.path(),
            Duration::from_millis(dice.below(latest)),
            dice.below(4) == 0,
            &mut told,
        );
        assert!(
            told.idle < 10 * kills,
            "seed {seed}: nothing is ever in flight"
        );
    }

    let mut app = App::start(Command::new(program()));
    let opened = app.open(&url, store.path());
    app.done(opened).unwrap();
    app.say(json!({"do": "go_online"}));
    // It ends when everything that is in the outbox is decided.
    let synced = app.say(json!({"do": "sync"}));
    app.done(synced).unwrap();
    app.kill();
    let found = runtime.block_on(changes(&url));
    let lost: Vec<_> = told
        .done
        .iter()
        .filter(|key| !found.contains_key(key))
        .collect();
    assert!(
        lost.is_empty(),
        "seed {seed}: {lost:?} of {} are lost",
        told.done.len()
    );
    let twice: Vec<_> = found.iter().filter(|(_, times)| **times != 1).collect();
    assert!(
        twice.is_empty(),
        "seed {seed}: {twice:?} were applied more than once"
    );
    println!(
        "seed {seed}: {} kills amid writes, {} more; {} writes were answered, {} of {} others are there, too",
        told.amid,
        told.idle,
        told.done.len(),
        found.len() - told.done.len(),
        told.next - told.done.len() as u64,
    );
}

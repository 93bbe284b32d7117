//! A newer version of the app: rows of the older form, writes that were never sent, and stores that it has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};
use syncline_client::{
    Builder, Client, Error, MemoryStore, Migration, PatchFields, Storage, Store, StoredState,
    TableSettings, Transaction,
};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{PATIENCE, TestServer, synced};

/// The second version of the app knows notes with a title, the first with a text.
fn retitled() -> Migration {
    let row = |mut note: Value| {
        let members = note.as_object_mut();
        if let Some((members, text)) =
            members.and_then(|all| all.remove("text").map(|it| (all, it)))
        {
            members.entry("title").or_insert(text);
        }
        note
    };
    let patch = |mut fields: PatchFields| {
        if let Some(text) = fields.set.remove("text") {
            fields.set.insert("title".to_owned(), text);
        }
        fields
    };
    Migration::new(row).patches(patch)
}

fn app(url: &str, version: u64, store: impl Into<Store>) -> Builder {
    let app = Client::builder(url, "home").store(store);
    match version {
        1 => app.schema_version("notes", 1),
        _ => app.migration("notes", 2, retitled()),
    }
}

/// Declares at its start the schema that it knows.
async fn started(app: Builder, version: u64) -> Client {
    let client = app.open().await.unwrap();
    client.subscribe(["notes"]).await.unwrap();
    let needed = if version == 1 { "text" } else { "title" };
    let rules = json!({ "type": "object", "required": [needed] });
    let settings = TableSettings::default().schema(version, rules);
    client.declare("notes", settings).await.unwrap();
    client
}

async fn notes(client: &Client) -> Value {
    json!(client.get_all::<Value>("notes").await.unwrap())
}

/// TAB-CLIENT-OUTBOX, TAB-CLIENT-MIGRATED: what an older app wrote offline fits the schema that its newer version raises; old rows and old writers are seen
/// in the new form.
#[tokio::test]
async fn an_app_is_upgraded_with_writes_in_its_outbox() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let url = server.url();
    let folder = tempfile::tempdir().unwrap();
    let store = || Store::sqlite(folder.path().join("app.db")).unwrap();
    let old = started(app(&url, 1, store()), 1).await;
    old.set("notes", "1", json!({ "text": "milk", "n": 1 }))
        .await
        .unwrap();
    synced(&old).await;
    old.go_offline().await.unwrap();
    old.set("notes", "2", json!({ "text": "eggs" }))
        .await
        .unwrap();
    old.patch("notes", "1", json!({ "text": "oat milk" }))
        .await
        .unwrap();
    old.close().await;

    let offline = app(&url, 2, store()).offline().open().await.unwrap();
    let expected = json!({ "1": { "title": "oat milk", "n": 1 }, "2": { "title": "eggs" } });
    assert_eq!(notes(&offline).await, expected);
    offline.close().await;
    // The schema is raised by an app without old writes: a declaration stands behind what its app wrote before.
    let first = started(app(&url, 2, Store::memory()), 2).await;
    synced(&first).await;
    let new = started(app(&url, 2, store()), 2).await;
    synced(&new).await;
    assert_eq!(new.rejected().await.unwrap(), []);
    assert_eq!(notes(&new).await, expected);
    // `update` reads the new form too, and writes it.
    let add = |note: Option<Value>| {
        let mut note = note?;
        note["title"] = json!(format!("{}!", note["title"].as_str()?));
        Some(note)
    };
    new.update("notes", "2", add).await.unwrap();

    // The row as it stands: the patch made of the old row one with both members, and the app sees one.
    let rows = new.base_all::<Value>("notes").await.unwrap();
    assert_eq!(
        rows["1"].value,
        json!({ "text": "milk", "title": "oat milk", "n": 1 })
    );
    assert_eq!(rows["2"].value, json!({ "title": "eggs!" }));

    // An older app is still about: both members fit.
    let mut watch = new.watch::<Value>("notes").await.unwrap();
    let other = app(&url, 1, Store::memory()).open().await.unwrap();
    other
        .set("notes", "3", json!({ "text": "tea", "title": "tea" }))
        .await
        .unwrap();
    let change = tokio::time::timeout(PATIENCE, watch.next()).await.unwrap();
    let change = change.unwrap().unwrap();
    assert_eq!(
        (change.key.as_str(), change.value),
        ("3", Some(json!({ "title": "tea" })))
    );
    new.close().await;

    let refused = app(&url, 1, store()).open().await;
    assert_error!(refused, Error::StoreOfNewerApp(_));
    let error = app(&url, 1, store()).open().await.unwrap_err().to_string();
    assert!(
        error.contains("\"notes\" in version 2, this app knows up to 1"),
        "{error}"
    );
    started(app(&url, 2, store()), 2).await;
}

/// A store that fails at its next transaction, as if the power had gone.
struct Failing(MemoryStore);

impl Storage for Failing {
    fn load(&mut self) -> Result<StoredState, Error> {
        self.0.load()
    }

    fn apply(&mut self, _: Transaction) -> Result<(), Error> {
        Err(Error::store(std::io::Error::other("the power has gone")))
    }
}

/// TAB-CLIENT-ONCE: an upgrade that crashes has not been; the next one is whole, and no other does it again.
#[tokio::test]
async fn an_upgrade_that_crashes_is_done_at_the_next_start() {
    let url = "ws://127.0.0.1:9/sync";
    let store = MemoryStore::default();
    let old = app(url, 1, store.clone()).offline().open().await.unwrap();
    for key in ["1", "2"] {
        old.set("notes", key, json!({ "text": "milk" }))
            .await
            .unwrap();
    }
    old.close().await;
    let before = store.state();

    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let wrap = Migration::new(move |value| {
        counted.fetch_add(1, Ordering::Relaxed);
        json!([value])
    });
    let open = |store: Store| {
        let app = Client::builder(url, "home").store(store).offline();
        app.migration("notes", 2, wrap.clone()).open()
    };
    let crashed = open(Store::from(Failing(store.clone()))).await.unwrap();
    assert_error!(crashed.conflicts().await, Error::Store(_));
    assert_eq!(store.state(), before);
    for _ in 0..2 {
        let new = open(Store::from(store.clone())).await.unwrap();
        assert_eq!(new.status().pending, 2);
        new.close().await;
        // Twice for the upgrade that crashed, twice for the one that did not.
        assert_eq!(runs.load(Ordering::Relaxed), 4);
    }
    let state = store.state();
    let ops = state.outbox.values().flat_map(|entry| &entry.ops);
    let ops: Vec<Value> = ops.map(|op| serde_json::to_value(op).unwrap()).collect();
    assert_eq!(ops[0]["value"], json!([{ "text": "milk" }]));
    assert_eq!(ops[0]["schemaVersion"], json!(2));
}

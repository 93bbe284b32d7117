//! What an app, or its disk, does wrong.

use syncline_client::{Client, Error, MemoryStore, Storage, Store, StoredState, Transaction};

use crate::assert_error;

/// A store whose disk is full from some moment on.
struct FullStore {
    store: MemoryStore,
    room: u32,
}

impl Storage for FullStore {
    fn load(&mut self) -> Result<StoredState, Error> {
        self.store.load()
    }

    fn apply(&mut self, transaction: Transaction) -> Result<(), Error> {
        self.room = self
            .room
            .checked_sub(1)
            .ok_or_else(|| Error::store(std::io::Error::other("disk full")))?;
        self.store.apply(transaction)
    }
}

#[tokio::test]
async fn a_store_that_fails_stops_the_client_and_loses_nothing_that_was_told() {
    let store = MemoryStore::default();
    let full = FullStore {
        store: store.clone(),
        room: 3,
    };
    let alice = Client::builder("ws://127.0.0.1:1/sync", "home")
        .store(full)
        .offline()
        .open()
        .await
        .unwrap();
    let mut told = Vec::new();
    let failure = loop {
        let key = told.len().to_string();
        match alice.set("notes", &key, "x").await {
            Ok(_) => told.push(key),
            Err(error) => break error,
        }
    };
    assert!(
        matches!(&failure, Error::Store(error) if error.to_string() == "disk full"),
        "{failure}"
    );
    assert_error!(alice.get::<String>("notes", "0").await, Error::Store(_));
    assert!(!told.is_empty());
    let kept: Vec<String> = store
        .state()
        .outbox
        .values()
        .map(|entry| entry.ops[0].row().unwrap().1.to_owned())
        .collect();
    assert_eq!(kept, told);
}

#[tokio::test]
async fn misuse_is_refused_at_once() {
    let client = |url: &str, workspace: &str| Client::builder(url, workspace).offline().open();
    assert_error!(
        client("http://127.0.0.1:1/sync", "home").await,
        Error::Url(_)
    );
    assert_error!(client("nonsense", "home").await, Error::Url(_));
    assert_error!(
        client("ws://127.0.0.1:1/sync", "no spaces").await,
        Error::WorkspaceName(_)
    );

    let store = MemoryStore::default();
    let alice = Client::builder("ws://127.0.0.1:1/sync", "home")
        .store(store.clone())
        .offline()
        .open()
        .await
        .unwrap();
    assert_error!(alice.mutate(|_| ()).await, Error::Refused(_));
    assert_error!(
        alice.set("notes", "1", "x".repeat(5_000)).await,
        Error::Refused(_)
    );
    assert_error!(alice.set("", "1", 1).await, Error::Refused(_));
    alice.subscribe(["notes", "tags"]).await.unwrap();
    assert_error!(alice.subscribe(["notes"]).await, Error::Refused(_));
    alice.set("notes", "1", 5).await.unwrap();
    assert_error!(alice.get::<String>("notes", "1").await, Error::Value(_));
    assert_eq!(alice.status().pending, 1);
    let twin = alice.clone();
    alice.close().await;
    assert_error!(twin.set("notes", "1", 6).await, Error::Closed);

    let nowhere = std::path::Path::new("no/such/folder/store.db");
    let error = Store::sqlite(nowhere).unwrap_err();
    assert!(
        matches!(error, Error::Store(_)) && error.to_string().contains("no/such/folder"),
        "{error}"
    );

    let other = Client::builder("ws://127.0.0.1:1/sync", "work")
        .store(store)
        .open()
        .await;
    assert_error!(other, Error::OtherWorkspace(_));
}

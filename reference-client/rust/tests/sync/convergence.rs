//! Several clients, one state.

use syncline_client::{Change, Client, Error, Mutation, Origin, Store};
use syncline_server::log::MemoryLog;

use crate::assert_error;
use crate::support::{TestServer, expect, notes, open, synced, until_note};

#[tokio::test]
async fn two_clients_converge() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let (alice, bob) = (
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
    );
    alice.set("notes", "1", "buy milk").await.unwrap();
    until_note(&bob, "1", Some("buy milk")).await;
    bob.set("notes", "1", "buy oat milk").await.unwrap();
    bob.set("notes", "2", "call mum").await.unwrap();
    until_note(&alice, "2", Some("call mum")).await;
    alice.delete("notes", "2").await.unwrap();
    until_note(&bob, "2", None).await;
    for client in [&alice, &bob] {
        synced(client).await;
        assert_eq!(notes(client).await, expect(&[("1", "buy oat milk")]));
        assert_eq!(client.status().pending, 0);
    }
}

#[tokio::test]
async fn a_rejection_takes_back_its_own_effect_alone_and_stays_listed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alice.db");
    let server = TestServer::start(&MemoryLog::new()).await;
    let bob = open(&server.url(), Store::memory()).await;
    bob.set("notes", "plan", "bob's").await.unwrap();
    synced(&bob).await;

    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    synced(&alice).await;
    alice.go_offline().await.unwrap();
    let known = alice.version("notes", "plan").await.unwrap();
    alice.set("notes", "before", "kept").await.unwrap();
    let doomed = alice
        .mutate(|m| {
            m.set_if("notes", "plan", "alice's", known)
                .set("notes", "with it", "goes too");
        })
        .await
        .unwrap();
    alice.set("notes", "after", "kept").await.unwrap();
    assert_eq!(
        alice
            .get::<String>("notes", "plan")
            .await
            .unwrap()
            .as_deref(),
        Some("alice's")
    );

    bob.set("notes", "plan", "bob's newer").await.unwrap();
    synced(&bob).await;
    alice.go_online().await.unwrap();
    synced(&alice).await;
    let all = expect(&[
        ("after", "kept"),
        ("before", "kept"),
        ("plan", "bob's newer"),
    ]);
    assert_eq!(notes(&alice).await, all);
    alice.close().await;

    let alice = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    assert_eq!(notes(&alice).await, all);
    let rejected = alice.rejected().await.unwrap();
    assert_eq!(rejected.len(), 1);
    assert_eq!(
        (rejected[0].op_id.as_str(), rejected[0].code.as_str()),
        (doomed.as_str(), "version_conflict")
    );
    assert_eq!(rejected[0].ops.len(), 2);
    assert_eq!(alice.status().rejected, 1);
    alice.confirm(&doomed).await.unwrap();
    assert_error!(alice.confirm(&doomed).await, Error::NoSuchMutation(_));
    assert!(alice.rejected().await.unwrap().is_empty());
    alice.close().await;
    assert!(
        open(&server.url(), Store::sqlite(&path).unwrap())
            .await
            .rejected()
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_large_snapshot_comes_in_parts() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(&MemoryLog::new()).await;
    let alice = open(&server.url(), Store::memory()).await;
    // From here on its own limits are known: before, those that every server has.
    synced(&alice).await;
    let text = "x".repeat(2_000);
    for block in 0..20 {
        let fill = |m: &mut Mutation| {
            for row in 0..50 {
                m.set("notes", &format!("{block}-{row}"), &text);
            }
        };
        alice.mutate(fill).await.unwrap();
    }
    synced(&alice).await;
    let path = folder.path().join("bob.db");
    let bob = open(&server.url(), Store::sqlite(&path).unwrap()).await;
    synced(&bob).await;
    assert_eq!(notes(&bob).await.len(), 1_000);
    assert_eq!(notes(&bob).await, notes(&alice).await);
    bob.close().await;
    let offline = Client::builder(&server.url(), "home")
        .store(Store::sqlite(&path).unwrap())
        .offline()
        .open()
        .await
        .unwrap();
    assert_eq!(notes(&offline).await, notes(&alice).await);
}

#[tokio::test]
async fn changes_are_told_with_their_origin() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let (alice, bob) = (
        open(&server.url(), Store::memory()).await,
        open(&server.url(), Store::memory()).await,
    );
    let mut changes = alice.watch::<String>("notes").await.unwrap();
    let change = |key: &str, value: Option<&str>, origin| Change {
        key: key.to_owned(),
        value: value.map(str::to_owned),
        origin,
    };

    alice.set("notes", "1", "mine").await.unwrap();
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("1", Some("mine"), Origin::Local)
    );
    synced(&alice).await;
    bob.set("notes", "2", "theirs").await.unwrap();
    // One's own write, come back from the server, has changed nothing and is not told.
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("2", Some("theirs"), Origin::Server)
    );
    bob.delete("notes", "2").await.unwrap();
    assert_eq!(
        changes.next().await.unwrap().unwrap(),
        change("2", None, Origin::Server)
    );
    alice.close().await;
    assert!(changes.next().await.is_none());
}

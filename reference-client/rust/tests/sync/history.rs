//! What was changed, by whom and when, page by page.

use std::time::{Duration, SystemTime};

use syncline_client::{Client, Error, HistoryPage, NoHistory, Store};
use syncline_server::log::MemoryLog;

use crate::support::{Line, TestServer, open, synced, until};

/// What a page tells: keys, values and who is its author among those that are known by now.
fn shown(page: &HistoryPage, authors: &mut Vec<String>) -> Vec<String> {
    let changes = page.changes.iter();
    let shown = changes.map(|change| {
        if !authors.contains(&change.author) {
            authors.push(change.author.clone());
        }
        let author = authors.iter().position(|author| *author == change.author);
        let value: Option<String> = change.value().unwrap();
        let value = value.as_deref().unwrap_or("-");
        format!("{} {value} {}", change.key, author.unwrap())
    });
    shown.collect()
}

async fn write(client: &Client, key: &str, value: Option<&str>) {
    match value {
        Some(value) => client.set("notes", key, value).await.unwrap(),
        None => client.delete("notes", key).await.unwrap(),
    };
    synced(client).await;
}

#[tokio::test]
async fn who_changed_this_and_what_stood_there() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let ann = open(&server.url(), Store::memory()).await;
    let bob = open(&server.url(), Store::memory()).await;
    write(&ann, "1", Some("milk")).await;
    write(&bob, "1", Some("oat milk")).await;
    write(&bob, "2", Some("bread")).await;
    write(&ann, "1", None).await;

    let mut who = Vec::new();
    let page = ann.history("notes").oldest().page().await.unwrap();
    let all = ["1 milk 0", "1 oat milk 1", "2 bread 1", "1 - 0"];
    assert_eq!(shown(&page, &mut who), all);
    assert_eq!((page.from, page.has_more), (1, false));
    let ages = page
        .changes
        .iter()
        .map(|change| SystemTime::now().duration_since(change.at));
    assert!(ages.flatten().all(|age| age < Duration::from_secs(60)));
    assert!(page.next().await.unwrap().is_none());

    let page = bob.history("notes").key("1").newest().limit(2).page().await;
    let page = page.unwrap();
    assert_eq!(shown(&page, &mut who), ["1 - 0", "1 oat milk 1"]);
    // What comes meanwhile moves no page.
    write(&bob, "1", Some("coffee")).await;
    let page = page.next().await.unwrap().expect("another page");
    assert_eq!(shown(&page, &mut who), ["1 milk 0"]);
    assert!(page.next().await.unwrap().is_none());

    let between = ann.history("notes").after(1).before(4).page();
    assert_eq!(
        shown(&between.await.unwrap(), &mut who),
        ["2 bread 1", "1 oat milk 1"]
    );
    let pages = [
        ann.history("notes").limit(1).page(),
        ann.history("notes").limit(1).page(),
    ];
    for page in futures_util::future::join_all(pages).await {
        assert_eq!(shown(&page.unwrap(), &mut who), ["1 coffee 1"]);
    }
    // The view is what it was.
    assert_eq!(ann.get_all::<String>("notes").await.unwrap().len(), 2);
}

#[tokio::test]
async fn without_a_connection_it_says_so() {
    let log = MemoryLog::new();
    let server = TestServer::start(&log).await;
    let line = Line::lay().await;
    line.connect(&server);
    let client = open(&line.url(), Store::memory()).await;
    write(&client, "1", Some("a")).await;
    write(&client, "1", Some("b")).await;
    let first = client.history("notes").limit(1).page().await.unwrap();
    line.cut();
    until(&client, "offline", |status| !status.online).await;
    let offline = client.history("notes").page().await;
    assert!(matches!(offline, Err(Error::NoHistory(why)) if *why == NoHistory::Offline));
    line.connect(&server);
    client.go_online().await.unwrap();
    synced(&client).await;
    let next = first.clone().next().await.unwrap().expect("another page");
    assert_eq!(shown(&next, &mut Vec::new()), ["1 a 0"]);

    // Put back to a backup, the workspace is another one.
    let backup = server.control.backup("home").await.unwrap();
    server.control.restore("home", backup).await.unwrap();
    until(&client, "offline", |status| !status.online).await;
    client.go_online().await.unwrap();
    synced(&client).await;
    let next = first.next().await;
    assert!(matches!(next, Err(Error::NoHistory(why)) if *why == NoHistory::OtherEpoch));
    let anew = client.history("notes").page().await.unwrap();
    assert_eq!(shown(&anew, &mut Vec::new()), ["1 b 0", "1 a 0"]);
    let refused = client.history("notes").limit(0).page().await;
    assert!(matches!(refused, Err(Error::NoHistory(why)) if matches!(*why, NoHistory::Refused(_))));
}

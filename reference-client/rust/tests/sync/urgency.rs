//! Urgent tables: what waits goes to the server by its urgency.

use syncline_client::{Client, Store};
use syncline_server::log::MemoryLog;

use crate::support::{TestServer, synced};

/// CLIENT-URGENT, CLIENT-URGENT-ROWS: an order that was written after a thousand lines of a log is there before them; the row that it shares with one is not.
#[tokio::test]
async fn orders_go_before_logs() {
    let server = TestServer::start(&MemoryLog::new()).await;
    let folder = tempfile::tempdir().unwrap();
    let open = || async {
        let store = Store::sqlite(folder.path().join("app.db")).unwrap();
        let app = Client::builder(&server.url(), "home").store(store);
        let app = app.urgent(["orders"]).offline().open().await.unwrap();
        app.subscribe(["orders", "logs"]).await.unwrap();
        app
    };
    let app = open().await;
    for line in 0..500 {
        app.set("logs", &format!("{line:03}"), line).await.unwrap();
    }
    let with_log = |mutation: &mut syncline_client::Mutation| {
        mutation
            .set("orders", "1", "two pizzas")
            .set("logs", "499", "an order");
    };
    app.mutate(with_log).await.unwrap();
    app.close().await;
    let app = open().await;
    app.set("orders", "2", "a soup").await.unwrap();
    app.go_online().await.unwrap();
    synced(&app).await;
    let mut versions = Vec::new();
    for (table, key) in [
        ("logs", "499"),
        ("orders", "1"),
        ("orders", "2"),
        ("logs", "000"),
        ("logs", "498"),
    ] {
        versions.push(app.version(table, key).await.unwrap());
    }
    // The last line was written again with the order: one version for both.
    assert_eq!(versions, [2, 2, 3, 4, 502]);
    let line = app.get::<String>("logs", "499").await.unwrap();
    assert_eq!(line.as_deref(), Some("an order"));
    assert_eq!(app.rejected().await.unwrap(), []);
}

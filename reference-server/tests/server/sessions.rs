//! Sessions that do what they should.

use serde_json::json;

use crate::harness::{Running, push};

#[tokio::test]
async fn a_push_is_acknowledged_and_reaches_another_client() {
    let server = Running::plain().await;
    let (mut writer, welcome) = server.session("w", "writer").await;
    let (mut reader, _) = server.session("w", "reader").await;
    assert_eq!(welcome["version"], 0);

    let subscribed = reader.subscribe("notes").await;
    let first = reader.next_of("update").await;
    assert_eq!(
        (&first["from"], &first["to"], &first["replace"]),
        (&json!(0), &json!(0), &json!(true))
    );

    writer
        .send(push(
            &welcome["epoch"],
            None,
            1,
            "a",
            "notes",
            &json!({"text": "hi"}),
        ))
        .await;
    let ack = writer.next_of("ack").await;
    assert_eq!(ack["re"], 2);
    assert_eq!(
        ack["results"],
        json!([{"seq": 1, "opId": "a", "status": "applied", "version": 1}])
    );

    let update = reader.next_of("update").await;
    assert_eq!(update["shape"], subscribed["shape"]);
    assert_eq!((&update["from"], &update["to"]), (&json!(0), &json!(1)));
    let change =
        json!({"op": "set", "table": "notes", "key": "k1", "version": 1, "value": {"text": "hi"}});
    assert_eq!(update["changes"], json!([change]));
    server.stop().await;
}

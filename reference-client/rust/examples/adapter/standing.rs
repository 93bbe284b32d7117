//! How the client stands, as the runner asks for it.

use serde_json::{Value, json};
use syncline_client::{Client, Status};

use crate::Refused;
use crate::told::conflicted;

/// The answer to `status`.
pub(super) async fn status(client: &Client) -> Result<Value, Refused> {
    let rejected = client.rejected().await?.into_iter();
    let rejected: Vec<_> = rejected
        .map(|entry| json!({ "opId": entry.op_id, "code": entry.code }))
        .collect();
    let in_doubt = client.in_doubt().await?.into_iter();
    let in_doubt: Vec<_> = in_doubt
        .map(|entry| json!({ "opId": entry.op_id }))
        .collect();
    let conflicts = client.conflicts().await?;
    let conflicts = conflicts.iter().flat_map(|entry| &entry.conflicts);
    let conflicts: Vec<_> = conflicts.map(|found| conflicted("result", found)).collect();
    let siblings = client.rows_with_siblings().await?.into_iter();
    let siblings: Vec<_> = siblings
        .map(|(table, key)| json!({ "table": table, "key": key }))
        .collect();
    let Status {
        online,
        synced,
        pending,
        cursors,
        ..
    } = client.status();
    let shapes = cursors.into_iter().map(|(tables, cursor)| match cursor {
        Some(cursor) => json!({ "tables": tables, "cursor": { "epoch": cursor.epoch, "version": cursor.version } }),
        None => json!({ "tables": tables }),
    });
    let shapes: Vec<_> = shapes.collect();
    Ok(
        json!({ "online": online, "synced": synced, "pending": pending, "shapes": shapes, "rejected": rejected, "inDoubt": in_doubt, "conflicts": conflicts, "siblings": siblings }),
    )
}

/// The answer to `others`.
pub(super) fn others(client: &Client) -> Value {
    let others = client.others().borrow().clone().into_iter();
    let shown = others.map(|(session, other)| {
        let state: Value = serde_json::from_str(other.state.get()).expect("what came is JSON");
        let mut shown = json!({ "state": state });
        if let Some(author) = &other.author {
            shown["author"] = author.as_str().into();
        }
        (session, shown)
    });
    json!({ "others": shown.collect::<serde_json::Map<_, _>>() })
}

//! How the client stands, as the runner asks for it.

use serde_json::{Value, json};
use syncline_client::{Client, ConflictEntry, Status};

use crate::Refused;
use crate::told::{conflicted, in_field, untold};

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
    let conflicts = conflicts.iter();
    let conflicts: Vec<_> = conflicts.flat_map(listed).collect();
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

/// What the list has of a mutation, op by op and field by field.
fn listed(entry: &ConflictEntry) -> Vec<Value> {
    let ops = entry.conflicts.iter();
    let ops = ops.map(|conflict| conflicted("result", conflict));
    let fields = entry.fields.iter().map(|field| in_field("result", field));
    let more = entry.untold.iter();
    let more = more.map(|more| untold("result", &entry.op_id, &more.table, &more.key, more.count));
    ops.chain(fields).chain(more).collect()
}

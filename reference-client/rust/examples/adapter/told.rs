//! What the client tells its app, as events for the runner.

use serde_json::{Value, json};
use syncline_client::{
    Client, Conflict, FieldConflict, Notice, Origin, Progress, Status, SyncCounts,
};
use tokio::sync::mpsc;

use crate::{Out, Refused};

pub(super) fn tell_notices(mut notices: mpsc::UnboundedReceiver<Notice>, out: Out) {
    tokio::spawn(async move {
        while let Some(notice) = notices.recv().await {
            let _ = out.send(match notice {
                Notice::Rejected(entry) => {
                    json!({ "event": "rejected", "opId": entry.op_id, "code": entry.code })
                }
                Notice::InDoubt(entry) => json!({ "event": "in_doubt", "opId": entry.op_id }),
                Notice::Superseded(conflict) => conflicted("superseded", &conflict),
                Notice::Resolved(conflict) => conflicted("resolved", &conflict),
                Notice::FieldConflict(conflict) => in_field(&conflict),
                Notice::FieldConflictsUntold {
                    op_id,
                    table,
                    key,
                    count,
                } => {
                    json!({ "event": "conflict", "opId": op_id, "table": table, "key": key, "count": count })
                }
                Notice::Siblings { table, key } => {
                    json!({ "event": "siblings", "table": table, "key": key })
                }
                Notice::ShapeRefused { tables, trouble } => {
                    json!({ "event": "shape_refused", "tables": tables, "code": trouble.code })
                }
                Notice::Diverged(tables) => json!({ "event": "diverged", "tables": tables }),
            });
        }
    });
}

pub(super) fn tell_progress(mut progress: mpsc::UnboundedReceiver<Progress>, out: Out) {
    tokio::spawn(async move {
        while let Some(progress) = progress.recv().await {
            let _ = out.send(match progress {
                Progress::Start { pending } => json!({ "event": "sync_start", "pending": pending }),
                Progress::Part { done, total, rows } => {
                    json!({ "event": "progress", "done": done, "total": total, "rows": rows })
                }
                Progress::End(counts) => {
                    json!({ "event": "sync_end", "counts": shown(&counts) })
                }
                Progress::Error(trouble) => {
                    let mut event = json!({ "event": "sync_error", "message": trouble.message });
                    if let Some(code) = trouble.code {
                        event["code"] = code.into();
                    }
                    event
                }
            });
        }
    });
}

fn shown(counts: &SyncCounts) -> Value {
    let SyncCounts {
        pushed,
        applied,
        rejected,
        in_doubt,
        rows,
    } = counts;
    json!({ "pushed": pushed, "applied": applied, "rejected": rejected, "inDoubt": in_doubt, "rows": rows })
}

/// Answers at the end of a sync, and lets other commands be served meanwhile.
pub(super) async fn answer_when_synced(client: Client, id: Value, out: Out) {
    let mut syncing = Box::pin(async move {
        let _ = out.send(match client.sync(None).await {
            Ok(counts) => json!({ "id": id, "ok": shown(&counts) }),
            Err(error) => json!({ "id": id, "error": { "message": error.to_string() } }),
        });
    });
    // It is asked for before the next command is read.
    tokio::select! {
        biased;
        () = &mut syncing => return,
        () = std::future::ready(()) => {}
    }
    tokio::spawn(syncing);
}

fn conflicted(event: &str, conflict: &Conflict) -> Value {
    let (table, key) = conflict.op.row().unwrap_or_default();
    json!({ "event": event, "opId": conflict.op_id, "table": table, "key": key })
}

fn in_field(conflict: &FieldConflict) -> Value {
    let mut event = json!({ "event": "conflict", "opId": conflict.op_id, "table": conflict.table, "key": conflict.key, "field": conflict.field });
    for (name, value) in [("mine", &conflict.mine), ("theirs", &conflict.theirs)] {
        if let Some(value) = value {
            event[name] = json!(value);
        }
    }
    if conflict.gone {
        event["gone"] = true.into();
    }
    event
}

pub(super) fn tell_status(client: &Client, out: Out) {
    let mut changes = client.status_changes();
    tokio::spawn(async move {
        let mut told = None;
        while changes.changed().await.is_ok() {
            let Status {
                online,
                synced,
                pending,
                ..
            } = changes.borrow_and_update().clone();
            if told.replace((online, synced, pending)) != Some((online, synced, pending)) {
                let _ = out.send(json!({ "event": "sync", "online": online, "synced": synced, "pending": pending }));
            }
        }
    });
}

/// Who else is present.
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

/// Tells changes of a table.
pub(super) async fn watch(client: &Client, table: &str, out: Out) -> Result<(), Refused> {
    let mut changes = client.watch::<Value>(table).await?;
    let table = table.to_owned();
    tokio::spawn(async move {
        while let Some(Ok(change)) = changes.next().await {
            let origin = match change.origin {
                Origin::Local => "local",
                Origin::Server => "server",
            };
            let mut event =
                json!({ "event": "change", "table": table, "key": change.key, "origin": origin });
            if let Some(value) = change.value {
                event["value"] = value;
            }
            let _ = out.send(event);
        }
    });
    Ok(())
}

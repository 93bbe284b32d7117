//! The commands and the event of documents.

use serde::Deserialize;
use serde_json::{Value, json};
use syncline_client::{Client, Document, DocumentEntry, Origin};
use syncline_schemas::base64;

use crate::{Out, Refused};

/// Which document.
#[derive(Debug, Deserialize)]
pub(crate) struct Named {
    table: String,
    key: String,
}

impl Named {
    pub(crate) fn of(&self, client: &Client) -> Document {
        client.document(&self.table, &self.key)
    }
}

fn shown(entry: &DocumentEntry) -> Value {
    let mut shown = json!({ "data": base64::encode(&entry.data) });
    if let Some(version) = entry.version {
        shown["version"] = version.into();
    }
    if let Some(covers) = entry.covers {
        shown["covers"] = covers.into();
    }
    shown
}

pub(crate) async fn entries(document: &Document) -> Result<Value, Refused> {
    let entries = document.entries().await?;
    Ok(json!({ "entries": entries.iter().map(shown).collect::<Vec<_>>() }))
}

fn bytes(data: &str) -> Result<Vec<u8>, Refused> {
    base64::decode(data).ok_or_else(|| Refused::of("the data is no base64"))
}

pub(crate) async fn append(document: &Document, data: &str) -> Result<Value, Refused> {
    Ok(json!({ "opId": document.append(bytes(data)?).await? }))
}

pub(crate) async fn compact(
    document: &Document,
    merged: &[String],
    data: &str,
) -> Result<Value, Refused> {
    let data = bytes(data)?;
    let merge = |entries: Vec<Vec<u8>>| {
        let is_all =
            { entries.iter().map(|entry| base64::encode(entry)) }.eq(merged.iter().cloned());
        is_all.then_some(data)
    };
    let op_id = document.compact(merge).await?;
    Ok(op_id.map_or_else(|| json!({}), |op_id| json!({ "opId": op_id })))
}

pub(crate) async fn watch(client: &Client, named: Named, out: Out) -> Result<(), Refused> {
    let mut changes = named.of(client).watch().await?;
    tokio::spawn(async move {
        while let Some(change) = changes.next().await {
            let entries: Vec<Value> = change.entries.iter().map(shown).collect();
            let origin = match change.origin {
                Origin::Local => "local",
                Origin::Server => "server",
            };
            let _ = out.send(json!({
                "event": "document", "table": named.table, "key": named.key,
                "entries": entries, "anew": change.anew, "origin": origin,
            }));
        }
    });
    Ok(())
}

//! `start`: a client's program on its store.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::scenario::{Template, Text};

/// Starts a client's program and opens the client on its store: a new one at first, later what was left there. It does not connect by that.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Start {
    /// Its name.
    pub client: Text,
    /// What to subscribe to: a list of tables.
    pub tables: Option<Template>,
    /// The app's migrations, as of `open` in `adapter.md`.
    pub migrations: Option<Template>,
    /// The app's urgent tables, the most urgent first.
    pub urgent: Option<Template>,
    /// The client must refuse to open the store, with an `error` that matches this pattern.
    pub refused: Option<Template>,
}

impl Start {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let client = cx.text(&self.client)?;
        cx.start(&client).await?;
        let ready = |state: &mut crate::client::journal::State| {
            state.apps.get(&client)?.ready.as_ref().map(|_| Ok(()))
        };
        let wanted = format!("the first line of the adapter of {client}");
        if cx
            .poll(&client, None, &wanted, cx.deadline, &mut { ready })
            .await?
            .is_none()
        {
            return Err(Stop::Unknown(format!("silent: {wanted} did not come")));
        }
        let mut with = json!({
            "url": cx.listener(&client)?.url,
            "workspace": cx.value(&json!("${workspace}"))?,
            "store": cx.store(&client)?,
        });
        if let Some(migrations) = &self.migrations {
            with["migrations"] = cx.value(&migrations.0)?;
        }
        if let Some(urgent) = &self.urgent {
            with["urgent"] = cx.value(&urgent.0)?;
        }
        if let Some(pattern) = &self.refused {
            return cx
                .refused(&client, "open", with, &cx.pattern(pattern)?)
                .await;
        }
        cx.done(&client, "open", with).await?;
        if let Some(tables) = &self.tables {
            let with = json!({ "tables": cx.value(&tables.0)? });
            cx.done(&client, "subscribe", with).await?;
        }
        Ok(())
    }
}

//! `heal`: the network is well again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::drive::{Cx, Stop};
use crate::history::Event;
use crate::scenario::Text;

/// Ends the faults on connections: what was held arrives; a connection on which something was lost is reset. After the last step everything is healed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Heal {
    /// The connections' names. Without it: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conns: Option<Vec<Text>>,
}

impl Heal {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let names = self
            .conns
            .as_ref()
            .map(|names| {
                names
                    .iter()
                    .map(|name| cx.text(name))
                    .collect::<Result<Vec<_>, _>>()
            })
            .transpose()?;
        let whose = names
            .as_ref()
            .map_or_else(|| "everything".to_owned(), |names| names.join(", "));
        cx.journal.record(Event::Fault {
            what: format!("{whose}: healed"),
        });
        if let Some(network) = &cx.network {
            network.heal(names.as_deref());
        }
        Ok(())
    }
}

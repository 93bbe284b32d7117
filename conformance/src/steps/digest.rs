//! `digest`: what the server says that a replica should hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::subscribe::sub;
use crate::drive::{Cx, Stop};
use crate::scenario::Text;

/// Sends `digest` for a subscription and awaits the answer. That it is right is checked where all digests are: it must be that of the rows which the replica holds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Digest {
    /// The subscription's name. One that has ended may be named.
    pub sub: Text,
    /// Expects this error code instead of `digested`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Text>,
}

impl Digest {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (at, answer) = cx.digest(sub(cx, &self.sub)?).await?;
        let (wanted, is_it) = match &self.refused {
            None => ("digested".to_owned(), answer.kind() == "digested"),
            Some(code) => {
                let code = cx.text(code)?;
                let is_it = answer.kind() == "error" && answer.string("code") == Some(&code);
                (format!("the error {code}"), is_it)
            }
        };
        if is_it {
            Ok(())
        } else {
            Err(Stop::fail(wanted, answer.to_string()).at([at]))
        }
    }
}

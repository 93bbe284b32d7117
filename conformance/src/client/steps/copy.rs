//! `copy`: a store taken over by a second client.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::client::cx::Cx;
use crate::drive::Stop;
use crate::history::{Event, Happening};
use crate::scenario::Text;

/// Copies the store of a client that does not run, for another client: a device that is cloned, a backup that is played back.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Copy {
    /// Whose store.
    pub client: Text,
    /// The client that gets the copy, in the place of what it had.
    pub to: Text,
}

impl Copy {
    pub(crate) async fn run(&self, cx: &Cx) -> Result<(), Stop> {
        let (client, to) = (cx.text(&self.client)?, cx.text(&self.to)?);
        if cx.process(&client).is_ok() || cx.process(&to).is_ok() {
            return Err(Stop::misuse(
                "a store in use cannot be copied: stop or crash the client first",
            ));
        }
        let (source, target) = (cx.store(&client)?, cx.store(&to)?);
        let copied = std::fs::remove_dir_all(&target).and_then(|()| copy_folder(&source, &target));
        copied.map_err(|error| Stop::Unknown(format!("the store cannot be copied: {error}")))?;
        let what = Happening::Copied(to);
        cx.journal.record(Event::Process { client, what });
        Ok(())
    }
}

fn copy_folder(source: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(target)?;
    for entry in std::fs::read_dir(source)? {
        let entry = entry?;
        let to = target.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

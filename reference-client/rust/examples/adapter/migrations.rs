//! Migrations as the runner says them: names of members that become others.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use syncline_client::{Migration, PatchFields};

/// What leads to a version.
#[derive(Debug, Deserialize)]
pub(super) struct Renaming {
    pub(super) version: u64,
    rename: BTreeMap<String, String>,
}

impl Renaming {
    pub(super) fn migration(&self) -> Migration {
        let (of_rows, of_patches) = (self.rename.clone(), self.rename.clone());
        let row = move |mut value: Value| {
            for (old, new) in &of_rows {
                if let Some(members) = value.as_object_mut()
                    && let Some(held) = members.remove(old)
                {
                    members.entry(new).or_insert(held);
                }
            }
            value
        };
        let patch = move |mut fields: PatchFields| {
            for (old, new) in &of_patches {
                if let Some(held) = fields.set.remove(old) {
                    fields.set.entry(new.clone()).or_insert(held);
                }
                for name in &mut fields.removed {
                    if name == old {
                        name.clone_from(new);
                    }
                }
            }
            fields
        };
        Migration::new(row).patches(patch)
    }
}

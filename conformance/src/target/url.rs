//! A server known by its URL alone: no hooks.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Instance, Target};
use crate::scenario::{Hook, Scenario};

/// A server at a URL.
#[derive(Clone, Debug)]
pub struct Url(pub String);

impl Target for Url {
    fn describe(&self) -> String {
        self.0.clone()
    }

    fn hooks(&self) -> BTreeSet<Hook> {
        BTreeSet::new()
    }

    fn isolates(&self) -> bool {
        false
    }

    fn provide<'a>(&'a self, _: &'a Scenario) -> BoxFuture<'a, Result<Arc<dyn Instance>, String>> {
        let instance: Arc<dyn Instance> = Arc::new(self.clone());
        Box::pin(std::future::ready(Ok(instance)))
    }
}

impl Instance for Url {
    fn url(&self) -> String {
        self.0.clone()
    }

    fn hook<'a>(&'a self, hook: Hook, _: &'a str) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(std::future::ready(Err(format!("a URL alone offers no hook `{}`", hook.name()))))
    }
}

//! A server known by its URL alone: no hooks.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{Instance, Target};
use crate::scenario::{Hook, Scenario};

/// A server at a URL.
#[derive(Clone, Debug)]
pub struct Url(pub String);

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// A sentence: what it should look like.
    pub fn parse(url: &str) -> Result<Url, String> {
        let example = "it should look like ws://127.0.0.1:8081/sync";
        match url.split_once("://") {
            Some(("ws", rest)) if !rest.is_empty() => Ok(Url(url.to_owned())),
            Some(("wss", _)) => Err(format!(
                "{url}: this runner speaks no TLS: name the server behind the TLS proxy; {example}"
            )),
            Some((scheme @ ("http" | "https"), rest)) => Err(format!(
                "{url}: {scheme} is not WebSocket; {example}, perhaps ws://{rest}"
            )),
            _ => Err(format!("{url}: no WebSocket URL; {example}")),
        }
    }
}

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
        Box::pin(std::future::ready(Err(format!(
            "a URL alone offers no hook `{}`",
            hook.name()
        ))))
    }
}

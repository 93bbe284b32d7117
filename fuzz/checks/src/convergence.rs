//! Replicas against a model of a server: the world of the client core's own random tests.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "it is test code, shared with the tests that it was written for"
)]

#[path = "../../../reference-client/core/tests/convergence/check.rs"]
mod check;
#[path = "../../../reference-client/core/tests/convergence/decide.rs"]
mod decide;
#[path = "../../../reference-client/core/tests/convergence/documents.rs"]
mod documents;
#[path = "../../../reference-client/core/tests/convergence/duties.rs"]
mod duties;
#[path = "../../../reference-client/core/tests/convergence/filters.rs"]
mod filters;
#[path = "../../../reference-client/core/tests/convergence/presence.rs"]
mod presence;
#[path = "../../../reference-client/core/tests/convergence/server.rs"]
mod server;
#[path = "../../../reference-client/core/tests/convergence/upgrades.rs"]
mod upgrades;
#[path = "../../../reference-client/core/tests/convergence/world.rs"]
pub(crate) mod world;
#[path = "../../../reference-client/core/tests/convergence/writes.rs"]
pub(crate) mod writes;

//! What the fuzz targets check: for each a function of bytes that panics if something does not hold, and the seeds to begin with.
//!
//! The targets in `fuzz/fuzz_targets` are one line each, for libFuzzer on a nightly toolchain. The checks are here, in the project's own workspace, so that
//! `cargo test` runs every seed and every regression through them on any toolchain.
//!
//! Two of them are the random tests of the cores, with their worlds and oracles (`reference-server/core/tests/support`, `reference-client/core/tests/convergence`):
//! there chance chooses what happens, here the fuzzer does, which sees what code it reaches.
#![forbid(unsafe_code)]

pub mod canonical;
mod convergence;
pub mod conversation;
pub mod engine;
pub mod frame;
pub mod hostile;
pub mod log;
mod plain;
pub mod replica;
pub mod scenario;
pub mod seeds;
#[path = "../../../reference-server/core/tests/support/mod.rs"]
mod support;

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: of its module, of its file in `fuzz/fuzz_targets`, of its folder in `fuzz/regressions`.
    pub name: &'static str,
    /// Panics if something does not hold.
    pub check: fn(&[u8]),
    /// What to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 8] = [
    Target {
        name: "frame",
        check: frame::check,
        seeds: seeds::frames,
    },
    Target {
        name: "canonical",
        check: canonical::check,
        seeds: seeds::values,
    },
    Target {
        name: "scenario",
        check: scenario::check,
        seeds: seeds::scenarios,
    },
    Target {
        name: "log",
        check: log::check,
        seeds: seeds::noise,
    },
    Target {
        name: "engine",
        check: engine::check,
        seeds: seeds::noise,
    },
    Target {
        name: "conversation",
        check: conversation::check,
        seeds: seeds::conversations,
    },
    Target {
        name: "replica",
        check: replica::check,
        seeds: seeds::noise,
    },
    Target {
        name: "hostile",
        check: hostile::check,
        seeds: seeds::noise,
    },
];

//! `engine`: random lives of a workspace, as the engine's own random tests have them, chosen by the fuzzer: connections, retries, forks, slow readers,
//! truncations, restarts, steps that are taken back because another node was first. What every connection sees is held against the log, by the oracle of
//! those tests: after each frame, after each step, and at the end.

use arbitrary::{Result, Unstructured};
use syncline_schemas::Limits;
use syncline_server_core::{Config, Retention};

use crate::support::plan::{Action, CursorPlan, DocumentWhat, OpPlan, PlacePlan, What};
use crate::support::world::World;

/// More than that says no more, and takes longer: every step replays the log.
const ACTIONS_MAX: usize = 120;

/// Fails if anyone saw what the specification does not promise.
pub fn check(data: &[u8]) {
    // Bytes that come to an end are read on as zeros: there is no error.
    let _ = run(&mut Unstructured::new(data));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    let mut world = World::new(config(bytes)?);
    if bytes.arbitrary()? {
        world.fill();
    }
    for _ in 0..ACTIONS_MAX {
        if bytes.is_empty() {
            break;
        }
        world.act(&action(bytes)?);
    }
    world.finish();
    Ok(())
}

fn config(bytes: &mut Unstructured<'_>) -> Result<Config> {
    let limits = Limits {
        in_flight_max: *bytes.choose(&[256, 4, 1])?,
        mutation_burst: *bytes.choose(&[1000, 3])?,
        mutations_per_second: 100,
        allocate_max: Some(1000),
        mutation_sequences_max: Some(4),
        presence_interval_ms: Some(20),
        document_entries_max: Some(16),
        history_changes_max: Some(*bytes.choose(&[10_000, 6])?),
        history_bytes_max: Some(*bytes.choose(&[10_000, 60])?),
        history_ms: Some(*bytes.choose(&[10_000, 40])?),
        ..Limits::default()
    };
    Ok(Config {
        limits,
        retention: Retention {
            versions_max: *bytes.choose(&[1000, 5])?,
            ..Retention::default()
        },
        part_bytes: *bytes.choose(&[4096, 200, 1])?,
        ..Config::default()
    })
}

fn action(bytes: &mut Unstructured<'_>) -> Result<Action> {
    let kind = below(bytes, 17)?;
    let session = index(bytes, 4)?;
    Ok(match kind {
        0 => Action::Connect {
            client: maybe(bytes, |bytes| index(bytes, 3))?,
            room: maybe(bytes, room)?,
        },
        1 | 2 => Action::Push {
            session,
            mutations: some(bytes, 3, ops)?,
        },
        3 => Action::Retry {
            session,
            first: index(bytes, 20)?,
            count: 1 + index(bytes, 4)?,
        },
        4 => Action::Fork {
            session,
            seq: index(bytes, 20)?,
            follows: index(bytes, 20)?,
            ops: ops(bytes)?,
        },
        5 => Action::Subscribe {
            session,
            tables: index(bytes, 7)?,
            filter: index(bytes, 8)?,
            cursor: cursor(bytes)?,
        },
        6 => Action::Unsubscribe {
            session,
            shape: index(bytes, 4)?,
        },
        7 => Action::Digest {
            session,
            shape: index(bytes, 4)?,
        },
        8 => Action::Present {
            session,
            withdraw: bytes.arbitrary()?,
        },
        9 => Action::History {
            session,
            table: index(bytes, 3)?,
            key: maybe(bytes, |bytes| index(bytes, 4))?,
            newest: bytes.arbitrary()?,
            limit: maybe(bytes, |bytes| bytes.int_in_range(1..=5))?,
            places: [place(bytes)?, place(bytes)?],
        },
        10 => Action::Close { session },
        11 => Action::Room {
            session,
            bytes: maybe(bytes, room)?.unwrap_or(9999),
        },
        12 => Action::Truncate {
            keep_versions: below(bytes, 6)?,
        },
        13 => Action::Wait {
            ms: below(bytes, 50)?,
        },
        14 => Action::Elsewhere {
            client: index(bytes, 3)?,
            ops: ops(bytes)?,
            retry: bytes.arbitrary()?,
        },
        15 => Action::Reopen {
            checkpoint: bytes.arbitrary()?,
        },
        _ => match bytes.arbitrary()? {
            true => Action::Ping { session },
            false => Action::Step,
        },
    })
}

fn ops(bytes: &mut Unstructured<'_>) -> Result<Vec<OpPlan>> {
    let count = below(bytes, 6)?;
    (0..count).map(|_| op(bytes)).collect()
}

fn op(bytes: &mut Unstructured<'_>) -> Result<OpPlan> {
    Ok(match below(bytes, 10)? {
        0..=4 => OpPlan::Row {
            table: index(bytes, 3)?,
            key: index(bytes, 4)?,
            what: what(bytes)?,
            if_version: maybe(bytes, |bytes| below(bytes, 8))?,
        },
        5 | 6 => OpPlan::Document {
            key: index(bytes, 3)?,
            what: document_what(bytes)?,
        },
        7 => OpPlan::Declare,
        8 => OpPlan::Allocate {
            sequence: index(bytes, 6)?,
            // About the greatest that may be asked for.
            count: *bytes.choose(&[1, 2, 7, 999, 1000, 1001])?,
        },
        _ => OpPlan::Observe {
            sequence: index(bytes, 6)?,
            // About the greatest that there is.
            value: *bytes.choose(&[1, 2, 29, (1 << 53) - 8, (1 << 53) - 2, (1 << 53) - 1])?,
        },
    })
}

fn what(bytes: &mut Unstructured<'_>) -> Result<What> {
    Ok(match below(bytes, 4)? {
        0 => What::SetObject,
        1 => What::SetWord,
        2 => What::Delete,
        _ => What::Patch(bytes.arbitrary()?),
    })
}

fn document_what(bytes: &mut Unstructured<'_>) -> Result<DocumentWhat> {
    Ok(match below(bytes, 4)? {
        0 => DocumentWhat::Append {
            base: maybe(bytes, |bytes| below(bytes, 12))?,
        },
        1 => DocumentWhat::Compact {
            covers: below(bytes, 12)?,
        },
        2 => DocumentWhat::Delete,
        _ => DocumentWhat::Set,
    })
}

fn cursor(bytes: &mut Unstructured<'_>) -> Result<CursorPlan> {
    Ok(match below(bytes, 6)? {
        0 => CursorPlan::None,
        1 => CursorPlan::Ahead,
        2 => CursorPlan::OtherEpoch,
        _ => CursorPlan::Behind(below(bytes, 12)?),
    })
}

fn place(bytes: &mut Unstructured<'_>) -> Result<PlacePlan> {
    maybe(bytes, |bytes| {
        Ok((below(bytes, 9)?, maybe(bytes, |bytes| below(bytes, 3))?))
    })
}

fn room(bytes: &mut Unstructured<'_>) -> Result<usize> {
    Ok(*bytes.choose(&[0, 1, 100, 600])?)
}

/// A number below this one.
fn below(bytes: &mut Unstructured<'_>, end: u64) -> Result<u64> {
    bytes.int_in_range(0..=end - 1)
}

fn index(bytes: &mut Unstructured<'_>, end: usize) -> Result<usize> {
    bytes.int_in_range(0..=end - 1)
}

fn maybe<T>(
    bytes: &mut Unstructured<'_>,
    make: impl FnOnce(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Option<T>> {
    bytes.arbitrary::<bool>()?.then(|| make(bytes)).transpose()
}

/// One, or a few more.
fn some<T>(
    bytes: &mut Unstructured<'_>,
    most: usize,
    make: impl Fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = 1 + index(bytes, most)?;
    (0..count).map(|_| make(bytes)).collect()
}

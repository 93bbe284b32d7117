//! `replica`: replicas, a server and a network that cuts, as the client core's own random tests have them, chosen by the fuzzer: what must hold after every
//! step, and that all come to be what the server has.

use arbitrary::{Result, Unstructured};

use crate::convergence::world::{Step, World};
use crate::convergence::writes::Write;

/// More than that says no more.
const STEPS_MAX: usize = 160;

/// Fails if a replica shows what never was, loses a write, or never comes to be what the server has.
pub fn check(data: &[u8]) {
    // Bytes that come to an end are read on as zeros: there is no error.
    let _ = run(&mut Unstructured::new(data));
}

fn run(bytes: &mut Unstructured<'_>) -> Result<()> {
    // Copies together with a server that goes back to a backup are not promised to apply once.
    let copies = bytes.arbitrary()?;
    let clients = bytes.int_in_range(1..=3)?;
    let mut world = World::new(clients);
    world.check();
    for _ in 0..STEPS_MAX {
        if bytes.is_empty() {
            break;
        }
        world.step(step(bytes, copies)?);
        world.check();
    }
    world.quiesce();
    world.check();
    world.check_converged();
    Ok(())
}

fn step(bytes: &mut Unstructured<'_>, copies: bool) -> Result<Step> {
    let kind = bytes.int_in_range(0..=23_u8)?;
    let client = bytes.int_in_range(0..=2_usize)?;
    Ok(match kind {
        0..=3 => Step::ServerReads(client),
        4..=7 => Step::ClientReads(client),
        8 | 9 => Step::Write(client, write(bytes)?, bytes.arbitrary()?),
        10 => Step::TakeId(client),
        11 => Step::Flush(client),
        12 => Step::Tick(*bytes.choose(&[1, 30, 100, 399])?),
        13 => Step::Cut(client),
        14 => Step::Lose(client),
        15 => Step::Crash(client),
        16 => Step::Upgrade(client),
        17 => Step::Urge(client, bytes.arbitrary()?),
        18 => Step::Present(client, bytes.arbitrary()?),
        19 => Step::Steer(client, bytes.arbitrary()?),
        20 => Step::Refilter(client, bytes.arbitrary()?),
        21 => *bytes.choose(&[Step::Defer, Step::Truncate])?,
        22 if copies => Step::Copy(client, bytes.int_in_range(0..=2)?),
        22 => Step::Backup,
        _ if copies => Step::LongSleep,
        _ => Step::Restore,
    })
}

fn write(bytes: &mut Unstructured<'_>) -> Result<Write> {
    Ok(*bytes.choose(&[
        Write::Set,
        Write::SetFields,
        Write::Patch,
        Write::Delete,
        Write::SetIf,
        Write::Many,
        Write::Append,
        Write::Compact,
        Write::DeleteDocument,
        Write::Poison,
        Write::Observe,
    ])?)
}

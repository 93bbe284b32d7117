//! [`Network`]: all connections of a scenario that go through the proxy, and the faults that stand on their names.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Wire;
use crate::dice::Dice;
use crate::faults::{Fault, Kind, Mark, Ways};

/// The pipe to the runner holds so many bytes, as a socket's buffer would.
const PIPE_BYTES: usize = 64 * 1024;

/// The network between the clients of one run and the server.
#[derive(Debug)]
pub(crate) struct Network {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    dice: Dice,
    /// What ails every connection, and is not healed.
    latency: Option<Fault>,
    /// The faults on each name: on its connection, and on those that come later.
    standing: BTreeMap<String, Vec<Fault>>,
    wires: Vec<(String, Arc<Wire>)>,
    pumps: JoinSet<()>,
    /// What each fault has done, with the place of its step.
    marks: BTreeMap<String, Vec<Arc<Mark>>>,
}

impl Network {
    /// A network on which everything is late by up to so many milliseconds, without other faults. The seed decides what happens by chance.
    pub(crate) fn new(seed: u64, latency_ms: u64) -> Network {
        Network {
            inner: Mutex::new(Inner {
                dice: Dice::new(seed),
                latency: (latency_ms > 0).then(|| Fault {
                    kind: Kind::Delay(0, latency_ms),
                    ways: Ways::Both,
                    at: None,
                    mark: Arc::default(),
                }),
                standing: BTreeMap::new(),
                wires: Vec::new(),
                pumps: JoinSet::new(),
                marks: BTreeMap::new(),
            }),
        }
    }

    /// Puts a fault on the connections of these names, now and later. `place` names the step of one that must hit something.
    pub(crate) fn add(&self, names: &[String], fault: &Fault, place: Option<&String>) {
        let mut inner = self.inner();
        if let Some(place) = place {
            let marks = inner.marks.entry(place.clone()).or_default();
            marks.push(Arc::clone(&fault.mark));
        }
        for name in names {
            inner
                .standing
                .entry(name.clone())
                .or_default()
                .push(fault.clone());
            for (_, wire) in inner.wires.iter().filter(|(of, _)| of == name) {
                wire.add(fault.clone());
            }
        }
    }

    /// Ends all faults on these names, or all; what was held goes on.
    pub(crate) fn heal(&self, names: Option<&[String]>) {
        let mut inner = self.inner();
        let meant = |name: &String| names.is_none_or(|names| names.contains(name));
        inner.standing.retain(|name, _| !meant(name));
        for (_, wire) in inner.wires.iter().filter(|(name, _)| meant(name)) {
            wire.heal();
            inner
                .latency
                .iter()
                .cloned()
                .for_each(|fault| wire.add(fault));
        }
    }

    /// Whether nothing gets through on connections of this name.
    pub(crate) fn blocks(&self, name: &str) -> bool {
        let inner = self.inner();
        let standing = inner.standing.get(name).into_iter().flatten();
        { standing }.any(Fault::blocks)
    }

    /// Whether a connection of this name may end by what stands on the name.
    pub(crate) fn may_end(&self, name: &str) -> bool {
        let inner = self.inner();
        let standing = inner.standing.get(name).into_iter().flatten();
        { standing }.any(Fault::may_end)
    }

    /// The places of the steps whose faults have hit nothing.
    pub(crate) fn idle(&self) -> Vec<String> {
        let inner = self.inner();
        let missed = |marks: &[Arc<Mark>]| marks.iter().all(|mark| mark.hits() == 0);
        let idle = inner.marks.iter().filter(|(_, marks)| missed(marks));
        idle.map(|(place, _)| place.clone()).collect()
    }

    /// Opens a connection of this name to the server at this address.
    pub(crate) async fn dial(
        &self,
        name: &str,
        address: (&str, u16),
    ) -> io::Result<(DuplexStream, Arc<Wire>)> {
        let far = TcpStream::connect(address).await?;
        // What is sent in pieces must not be put together again.
        far.set_nodelay(true)?;
        let (near, runner) = tokio::io::duplex(PIPE_BYTES);
        let mut inner = self.inner();
        let seed = inner.dice.roll();
        let standing = inner.standing.get(name).into_iter().flatten();
        let faults = standing
            .filter(|fault| !fault.is_spent())
            .chain(&inner.latency)
            .cloned()
            .collect();
        let wire = Arc::new(Wire::new(seed, faults));
        inner.wires.push((name.to_owned(), Arc::clone(&wire)));
        inner.pumps.spawn(Arc::clone(&wire).pump(near, far));
        Ok((runner, wire))
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

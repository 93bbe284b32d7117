//! What the sessions of a random run present, and what its watchers are told.

use std::collections::BTreeMap;

use syncline_schemas::{Json, Presence, Present, author};
use syncline_server_core::SessionKey;

use super::EPOCH;
use super::world::World;

/// One session, as the others may hear of it, and what it hears.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) watches: bool,
    /// What it has presented.
    presented: Vec<Option<u64>>,
    /// What it was told of others: the frame that presented it; none: not present.
    told: BTreeMap<SessionKey, Option<u64>>,
    /// When, of each.
    times: BTreeMap<SessionKey, Vec<u64>>,
}

impl Known {
    fn state(&self) -> Option<u64> {
        *self.presented.last()?
    }
}

impl World {
    /// A session presents something new, or withdraws.
    pub(crate) fn present(&mut self, session: usize, withdraw: bool) {
        let Some(session) = self.session(session) else {
            return;
        };
        self.made += 1;
        let state = (!withdraw).then_some(self.made);
        let text = |state: u64| Json::parse(&state.to_string()).expect("a number");
        let present = Present {
            state: state.map(text),
        };
        self.send(session, present.into());
        let known = self.presence.entry(session).or_default();
        known.presented.push(state);
    }

    /// A watcher is told of another session.
    pub(crate) fn told(&mut self, watcher: SessionKey, word: &Presence) {
        let number = word.session.strip_prefix("session-").expect("a name");
        let of = SessionKey(number.parse().expect("a number"));
        assert_ne!(of, watcher, "PRES-TO-WHOM");
        let client = self.witnesses[&of].client.as_deref();
        let expected = client.map(|client| author(EPOCH, client));
        assert_eq!(word.author, expected, "PRES-AUTHOR");
        let state = word.state.as_ref();
        let state = state.map(|state| state.get().parse::<u64>().expect("a number"));
        if state.is_some() {
            let all = &self.presence[&of].presented;
            assert!(all.contains(&state), "PRES-TRUE");
        }
        let now = self.node.now_ms;
        let over = self.witnesses[&of].closed;
        let known = self.presence.entry(watcher).or_default();
        assert!(known.watches, "PRES-TO-WHOM");
        let before = known.told.insert(of, state).flatten();
        assert!(state.is_none() || before <= state, "PRES-TRUE: older");
        if !over {
            let times = known.times.entry(of).or_default();
            times.push(now);
            let interval = self.node.limits().presence_interval_ms.expect("offered");
            if let [.., first, _, third] = times[..] {
                assert!(third - first >= interval, "PRES-INTERVAL: {times:?}");
            }
        }
    }

    /// When all is told, every watcher knows who is there.
    pub(crate) fn check_presence(&self) {
        let open = |key: &SessionKey| !self.witnesses[key].closed;
        let states = self.presence.iter().filter(|(key, _)| open(key));
        let states = states.filter_map(|(key, known)| Some((*key, known.state()?)));
        let states: BTreeMap<_, _> = states.collect();
        for (watcher, known) in self.presence.iter().filter(|(key, _)| open(key)) {
            let mut expected = states.clone();
            expected.remove(watcher);
            let told = known.told.iter();
            let told = told.filter_map(|(key, state)| Some((*key, (*state)?)));
            let told: BTreeMap<_, _> = told.collect();
            if known.watches {
                assert_eq!(
                    told, expected,
                    "PRES-TOLD, PRES-SET, PRES-GONE: {watcher:?}"
                );
            }
        }
    }
}

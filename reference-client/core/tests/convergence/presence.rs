//! Presence in the model: the server keeps a state for each connection and tells the difference when it flushes.

use std::collections::BTreeMap;

use syncline_schemas::{Json, Presence, Present, ServerMessage};

use super::server::Server;
use super::world::{Client, World};

/// A connection as others see it, and what it was told of them.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) watches: bool,
    /// Another connection of the same client has taken its place.
    pub(crate) replaced: bool,
    presented: u64,
    state: Option<Json>,
    told: BTreeMap<usize, Json>,
}

pub(crate) fn name(conn: usize) -> String {
    format!("session-{conn}")
}

impl Server {
    pub(crate) fn present(&mut self, id: usize, present: Present) {
        let seen = &mut self.conn(id).seen;
        seen.presented += 1;
        assert!(
            present.state.is_some() || seen.presented > 1,
            "PRES-AGAIN: nothing is withdrawn that was not presented"
        );
        if !seen.replaced {
            seen.state = present.state;
        }
    }

    /// Tells a connection what it does not know of the others.
    pub(crate) fn tell_presence(&mut self, id: usize) {
        let states = self.states_but(id);
        let seen = &mut self.conn(id).seen;
        if !seen.watches || seen.replaced {
            return;
        }
        let told = std::mem::replace(&mut seen.told, states.clone());
        let gone = told.keys().filter(|conn| !states.contains_key(conn));
        let gone = gone.map(|conn| (*conn, None)).collect::<Vec<_>>();
        let news = states.into_iter();
        let news = news.filter(|(conn, state)| told.get(conn) != Some(state));
        let news = news.map(|(conn, state)| (conn, Some(state)));
        for (conn, state) in gone.into_iter().chain(news) {
            let (session, author) = (name(conn), None);
            let presence = Presence {
                session,
                author,
                state,
            };
            self.conn(id)
                .to_client
                .push_back(ServerMessage::Presence(presence));
        }
    }

    fn states_but(&self, id: usize) -> BTreeMap<usize, Json> {
        let others = self.conns.iter().filter(|(conn, _)| **conn != id);
        let present = others.filter(|(_, conn)| !conn.seen.replaced);
        let state =
            |(id, conn): (&usize, &super::server::Conn)| Some((*id, conn.seen.state.clone()?));
        present.filter_map(state).collect()
    }
}

impl World {
    /// An app says what it is seen with, or withdraws.
    pub(crate) fn present(&mut self, index: usize, state: u8) {
        let env = self.env();
        let state = (!state.is_multiple_of(4)).then(|| Json::parse(&state.to_string()).unwrap());
        let client = &mut self.clients[index];
        client.wanted.clone_from(&state);
        client.replica.present(state, env).unwrap();
        self.settle(index);
    }

    /// Whether the server has what the app wants, and the app what the server has.
    pub(crate) fn is_seen(&self, client: &Client) -> bool {
        let Some(conn) = client.conn.and_then(|id| self.server.conns.get(&id)) else {
            return false;
        };
        let others = client.replica.others().iter();
        let others = others.map(|(name, other)| (name.clone(), other.state.clone()));
        let states = self.server.states_but(client.conn.unwrap()).into_iter();
        let states: BTreeMap<_, _> = states.map(|(id, state)| (name(id), state)).collect();
        conn.seen.state == client.wanted && others.collect::<BTreeMap<_, _>>() == states
    }
}

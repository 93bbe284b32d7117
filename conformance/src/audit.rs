//! The audit: what every scenario ends with, so that its history can be judged.
//!
//! Clients that have mutations whose outcome they do not know say `hello` again; a fresh reader reads every table that was used; others resume from cursors all over the
//! log, of all tables and of each shape with filters, and must come to the same from each; all live replicas come to the same, and to the digests that the server tells, if it does; what it tells of the past, if it does, is read; who watches knows who is present; and each connection is asked once more, so that what was sent twice has time to show.

mod resumes;

use std::collections::{BTreeMap, BTreeSet};

use crate::drive::{Cx, Session, State, Stop};
use crate::history::{ConnIx, Frame};

/// Audits.
pub(crate) async fn audit(cx: &Cx) -> Result<(), Stop> {
    fences(cx).await?;
    for (workspace, client) in cx.with(undecided) {
        learn(cx, workspace, client).await?;
    }
    for (workspace, tables) in cx.with(tables) {
        fresh_reader(cx, workspace.clone(), &tables).await?;
        if cx.with(bytes_written) <= resumes::BYTES_MAX {
            resumes::all(cx, workspace, &tables).await?;
        }
    }
    cx.converge(None).await?;
    cx.digest_all().await?;
    cx.presence_settles().await?;
    fences(cx).await
}

/// The clients that have mutations whose outcome was not told.
fn undecided(state: &mut State) -> BTreeSet<(String, String)> {
    let mutations = state.facts.ledger.mutations.iter();
    let open = mutations.filter(|mutation| mutation.outcomes.is_empty() && mutation.possible());
    open.map(|mutation| (mutation.workspace.clone(), mutation.client.clone()))
        .collect()
}

async fn learn(cx: &Cx, workspace: String, client: String) -> Result<(), Stop> {
    cx.with(|state| state.may_replace(&workspace, &client));
    let name = format!("audit-{}", cx.with(State::counted));
    cx.connect(
        &name,
        &Session {
            workspace,
            client: Some(client),
            ..Session::default()
        },
    )
    .await
    .map(drop)
}

/// All tables that were written or read, in each workspace.
fn tables(state: &mut State) -> BTreeMap<String, BTreeSet<String>> {
    let facts = &state.facts;
    let written = facts.ledger.mutations.iter().flat_map(|mutation| {
        mutation
            .rows()
            .into_iter()
            .map(|(table, _)| (mutation.workspace.clone(), table))
    });
    let read = facts.subs.iter().flat_map(|sub| {
        sub.tables
            .iter()
            .map(|table| (facts.conns[sub.conn].workspace().to_owned(), table.clone()))
    });
    let longest = (0..facts.conns.len())
        .filter_map(|conn| facts.limit(conn, "tableBytesMax"))
        .max()
        .unwrap_or(0);
    let allowed = |table: &str| {
        let fits = !table.is_empty() && table.len() as u64 <= longest;
        fits && !table.chars().any(|c| c < '\u{20}' || c == '\u{7f}')
    };
    let mut tables: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (workspace, table) in written.chain(read).filter(|(_, table)| allowed(table)) {
        tables.entry(workspace).or_default().insert(table);
    }
    tables
}

async fn fresh_reader(cx: &Cx, workspace: String, tables: &BTreeSet<String>) -> Result<(), Stop> {
    let tables: Vec<&String> = tables.iter().collect();
    let mut rest = &tables[..];
    while !rest.is_empty() {
        let name = format!("audit-{}", cx.with(State::counted));
        let (conn, _) = cx
            .connect(&name, &Session::reader(workspace.clone()))
            .await?;
        let limit = |name: &str| {
            cx.with(|state| state.facts.limit(conn, name))
                .unwrap_or(1)
                .max(1)
        };
        let room = limit("shapesMax").saturating_mul(limit("shapeTablesMax"));
        let (now, later) =
            rest.split_at(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
        let now = now.iter().map(|table| (*table).clone()).collect();
        cx.read(conn, &now, None).await?;
        rest = later;
    }
    Ok(())
}

fn bytes_written(state: &mut State) -> usize {
    let facts = &state.facts;
    let sent = facts.conns.iter().flat_map(|conn| &conn.sent);
    sent.filter_map(|sent| facts.frame(sent.at))
        .map(Frame::bytes)
        .sum()
}

/// Asks on every session that is open: all that was sent before on it is answered then.
async fn fences(cx: &Cx) -> Result<(), Stop> {
    let asked = |state: &mut State| {
        let open = |conn: &ConnIx| {
            state.is_open(*conn)
                && state.looked[*conn].hears()
                && state.facts.conns[*conn].welcome.is_some()
        };
        (0..state.looked.len()).filter(open).collect::<Vec<_>>()
    };
    for conn in cx.with(asked) {
        match cx.fence(conn).await {
            // It ended meanwhile: whether it may is not for the audit to say.
            Err(_) if cx.with(|state| !state.is_open(conn)) => {}
            other => other?,
        }
    }
    Ok(())
}

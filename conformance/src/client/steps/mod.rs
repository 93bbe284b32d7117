//! The steps of a client's scenario: one file a verb. The server's side is the runner's, the app's side goes through the adapter.
//!
//! A new verb is a new file here and a line in `verbs!`; the scenario schema and the guide's test follow from it.

pub mod accept;
pub mod assert;
pub mod bind;
pub mod close;
pub mod copy;
pub mod crash;
pub mod cut;
pub mod decide;
pub mod digested;
pub mod expect;
pub mod expect_attempt;
pub mod expect_close;
pub mod expect_event;
pub mod expect_no_event;
pub mod expect_none;
pub mod repeat;
pub mod sees;
pub mod send;
pub mod serve;
pub mod session;
pub mod settle;
pub mod skip;
pub mod start;
pub mod stop;
pub mod tell;
pub mod turn_away;
pub mod until;
pub mod varied;
pub mod welcome;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cx::Cx;
use crate::drive::Stop;
use crate::steps::verbs;

verbs! {
    start: Start,
    stop: Stop,
    crash: Crash,
    copy: Copy,
    tell: Tell,
    until: Until,
    sees: Sees,
    expect_event: ExpectEvent,
    expect_no_event: ExpectNoEvent,
    settle: Settle,
    skip: Skip,
    accept: Accept,
    turn_away: TurnAway,
    welcome: Welcome,
    session: Session,
    serve: Serve,
    decide: Decide,
    digested: Digested,
    expect: Expect,
    expect_none: ExpectNone,
    expect_close: ExpectClose,
    send: Send,
    cut: Cut,
    close: Close,
    expect_attempt: ExpectAttempt,
    varied: Varied,
    assert: Assert,
    bind: Bind,
    repeat: Repeat,
}

/// One step of a client's scenario.
pub type Step = crate::steps::Step<Verb>;

/// Runs steps in order, up to the first that does not go through.
pub(crate) async fn run_all(cx: &Cx, steps: &[Step]) -> Result<(), Stop> {
    for (index, step) in steps.iter().enumerate() {
        let cx = cx.at(&index.to_string());
        let done = step.verb.run(&cx).await;
        done.map_err(|stop| step.blamed(stop, &cx.place))?;
    }
    Ok(())
}

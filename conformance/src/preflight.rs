//! The first question to a target: is it a Syncline server at all?
//!
//! Asked once, before the scenarios: a server that is not there, or is something else, is one clear sentence and not a hundred verdicts.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::drive::{Cx, Journal, Link, OpenError, Session, Stop};
use crate::scenario::Scenario;
use crate::target::Target;
use crate::vars::Vars;

/// What a server says of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct Welcome {
    /// The program's name.
    pub(crate) name: String,
    /// The program's version.
    pub(crate) version: String,
    /// Its capabilities.
    pub(crate) capabilities: Vec<String>,
}

/// Connects and says `hello` in a workspace of its own.
///
/// # Errors
/// A sentence for people: why nothing can be judged.
pub(crate) async fn ask(target: &dyn Target, deadline: Duration) -> Result<Welcome, String> {
    let named = |why: String| format!("{}: {why}\nNothing was judged.", target.describe());
    let server = target.provide(&Scenario::default()).await.map_err(named)?;
    let run = crate::judge::unique(crate::dice::seed(), "preflight");
    let journal = Arc::new(Journal::new(Vars::new(&run, "preflight")));
    let offered = [syncline_schemas::SUBPROTOCOL.to_owned()];
    let url = server.url();
    let opening = tokio::time::timeout(
        deadline,
        Link::open(&journal, None, &url, "preflight", &offered),
    );
    let link = match opening.await {
        Err(_) => {
            return Err(named(format!(
                "the WebSocket handshake was not answered within {} s",
                deadline.as_secs()
            )));
        }
        Ok(opened) => opened.map_err(|error| named(why(&error)))?,
    };
    let cx = Cx::new(journal, server, deadline);
    let conn = cx.adopt(link);
    let session = Session {
        workspace: format!("preflight-{run}"),
        ..Session::default()
    };
    let welcome = async {
        cx.hello(conn, &session).await?;
        cx.welcome(conn).await
    };
    let welcome = welcome.await;
    cx.leave_all().await;
    let frame = welcome.map_err(|stop| named(no_welcome(&stop)))?;
    let server = |member: &str| {
        frame
            .member("server")
            .and_then(|server| server.get(member)?.as_str())
            .unwrap_or("?")
            .to_owned()
    };
    let capabilities = frame
        .member("capabilities")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    Ok(Welcome {
        name: server("name"),
        version: server("version"),
        capabilities: capabilities
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect(),
    })
}

fn why(error: &OpenError) -> String {
    match error {
        OpenError::Unreachable(why) => format!("nobody can be reached there ({why})"),
        OpenError::Refused(status) => format!("this is no Syncline endpoint: it answers the WebSocket handshake with HTTP status {status}"),
        OpenError::Subprotocol(_) => "a WebSocket server, but not a Syncline one: it does not select the subprotocol syncline.v1".to_owned(),
        OpenError::NotWebSocket(why) => format!("what answers there speaks no WebSocket ({why})"),
        OpenError::Cut => "the connection was cut".to_owned(),
    }
}

fn no_welcome(stop: &Stop) -> String {
    match stop {
        Stop::Fail(failure) => format!(
            "it is no Syncline server: to a hello it says {}",
            failure.actual
        ),
        Stop::Unknown(_) | Stop::Lost(_) | Stop::DidNotHappen(_) => {
            "it took the hello, and never answered: no Syncline server, or one that hangs"
                .to_owned()
        }
    }
}

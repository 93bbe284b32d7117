//! Reads a connection's frames, numbers them, and hands them to the workspace: parsed here, on the connection's own task, so that one who
//! sends garbage or giants costs nobody else the reading of it.

use std::pin::Pin;
use std::time::Duration;

use axum::extract::ws::{Message, close_code};
use futures_util::StreamExt;
use syncline_schemas::errors::{self, ErrorDef};
use syncline_schemas::{ErrorMessage, Limits};
use syncline_server_core::{Input, read_frame};
use tokio::time::{Instant, Sleep, sleep};
use tokio_tungstenite::tungstenite;

use crate::Config;
use crate::closing::Closing;
use crate::tasks::Tasks;
use crate::workspace::Command;

use super::connection::{Session, Stream, refusal_of};

/// Why a connection is over that nobody has closed from here.
pub(super) const GONE: &str = "the peer is gone";

/// What every frame costs beside its bytes, so that a flood of small ones is bounded too.
const FRAME_COST: usize = 256;

/// How reading ended.
pub(super) enum Ended {
    /// There is nobody left to write to.
    Gone,
    /// The writer has to say or finish something.
    Closing,
}

/// Reads until the peer is gone or the connection is being closed.
pub(super) async fn read(
    stream: &mut Stream,
    session: &Session,
    connections: &Tasks,
    config: &Config,
) -> Ended {
    let mut draining = connections.draining();
    let (link, limits) = (&session.link, &config.limits);
    let mut patience = Patience::new(Duration::from_millis(limits.idle_timeout_ms));
    let mut re = 1;
    loop {
        // While nothing is read, nothing can be heard: the peer's silence begins behind this.
        let next = async {
            link.readable().await;
            patience.listen(stream.next()).await
        };
        let frame = tokio::select! {
            biased;
            () = link.closed() => return Ended::Closing,
            () = draining.begun() => return leave(session, config),
            heard = next => match heard {
                Some(frame) => frame,
                None => {
                    link.abort(Closing::goaway(&errors::IDLE, 0));
                    return Ended::Closing;
                }
            }
        };
        link.hear();
        let (input, bytes) = match frame {
            None | Some(Ok(Message::Close(_))) => return Ended::Gone,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Text(text))) => {
                re += 1;
                (input(session, &text, re, config), text.len())
            }
            Some(Ok(Message::Binary(data))) => {
                re += 1;
                (refused(session, re, binary(data.len(), limits)), data.len())
            }
            Some(Err(error)) => {
                link.close(failure(&error, re + 1));
                return Ended::Closing;
            }
        };
        let bytes = bytes + FRAME_COST;
        link.received(bytes);
        if session
            .workspace
            .send(Command::Frame {
                session: session.key,
                input,
                bytes,
            })
            .is_err()
        {
            // The workspace ended in disorder.
            link.close(Closing::internal());
            return Ended::Closing;
        }
    }
}

/// How long silence is borne (`CONN-IDLE`). One timer for the connection's life, wound up only when it fires: frames come by the million.
struct Patience {
    most: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Patience {
    fn new(most: Duration) -> Patience {
        Patience {
            most,
            timer: Box::pin(sleep(most)),
        }
    }

    /// What is waited for; nothing, if it does not come in time.
    async fn listen<T>(&mut self, coming: impl Future<Output = T>) -> Option<T> {
        let since = Instant::now();
        tokio::pin!(coming);
        loop {
            tokio::select! {
                biased;
                came = &mut coming => return Some(came),
                () = &mut self.timer => {
                    let deadline = since + self.most;
                    if deadline <= Instant::now() {
                        return None;
                    }
                    self.timer.as_mut().reset(deadline);
                }
            }
        }
    }
}

/// The workspace answers what was received before, then says goodbye (`CONN-GOAWAY`).
fn leave(session: &Session, config: &Config) -> Ended {
    let closing = Closing::shutdown(config);
    if session
        .workspace
        .send(Command::Leave {
            session: session.key,
            closing: closing.clone(),
        })
        .is_err()
    {
        session.link.close(closing);
    }
    Ended::Closing
}

/// What a text frame is for the engine.
fn input(session: &Session, text: &str, re: u64, config: &Config) -> Input {
    let limits = &config.limits;
    if text.len() as u64 > limits.frame_bytes_max {
        return refused(session, re, oversize());
    }
    match read_frame(text, limits, &config.capabilities) {
        Ok(request) => Input::Frame {
            session: session.key,
            re,
            request,
        },
        Err(error) => Input::Invalid {
            session: session.key,
            re,
            error,
        },
    }
}

fn refused(session: &Session, re: u64, (def, message): (&'static ErrorDef, &str)) -> Input {
    Input::Invalid {
        session: session.key,
        re,
        error: ErrorMessage::new(def, message),
    }
}

fn oversize() -> (&'static ErrorDef, &'static str) {
    (
        &errors::FRAME_TOO_LARGE,
        "the frame is larger than limits.frameBytesMax",
    )
}

fn binary(bytes: usize, limits: &Limits) -> (&'static ErrorDef, &'static str) {
    if bytes as u64 > limits.frame_bytes_max {
        oversize()
    } else {
        (
            &errors::BINARY_FRAME,
            "binary frames carry nothing in this version",
        )
    }
}

/// How to close after a failure to read the frame of this number.
pub(super) fn failure(error: &axum::Error, re: u64) -> Closing {
    use tungstenite::error::{CapacityError, Error};
    match std::error::Error::source(error).and_then(|source| source.downcast_ref::<Error>()) {
        Some(Error::Capacity(CapacityError::MessageTooLong { .. })) => {
            let (def, message) = oversize();
            refusal_of(def, message, re)
        }
        Some(Error::Utf8(_)) => Closing::silent("not UTF-8", close_code::INVALID),
        Some(Error::Protocol(_)) => Closing::silent("not WebSocket", close_code::PROTOCOL),
        _ => gone(),
    }
}

/// There is nobody left; the code is for the log's sake.
pub(super) fn gone() -> Closing {
    Closing::silent(GONE, close_code::NORMAL)
}

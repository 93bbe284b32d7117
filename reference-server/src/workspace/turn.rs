//! One step's commands, sorted by what is to be done with them and when.

use syncline_server_core::{Input, SessionKey};

use crate::closing::Closing;
use crate::log::Log;

use super::task::Workspace;
use super::{Command, Entry, Operation};

/// One step's commands, sorted by what is to be done with them.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) inputs: Vec<Input>,
    /// The engine is needed, though it may have to be opened.
    pub(super) opens: bool,
    /// The log's end must be looked at first (`CONN-WELCOME-FRESH`).
    pub(super) looks: bool,
    /// Bytes of inbox to give back.
    pub(super) taken: Vec<(SessionKey, usize)>,
    pub(super) leaving: Vec<(SessionKey, Closing)>,
    pub(super) operations: Vec<Operation>,
}

impl Turn {
    /// Nothing but these inputs, to be decided upon whether the engine is open or not.
    pub(super) fn of(inputs: Vec<Input>) -> Turn {
        Turn {
            inputs,
            opens: true,
            looks: true,
            ..Turn::default()
        }
    }
}

impl<L: Log> Workspace<L> {
    /// Sorts the commands; sessions are known from here on, whatever becomes of the step.
    pub(super) fn take(&mut self, commands: &mut Vec<Command>) -> Turn {
        let mut turn = Turn::default();
        let closed = self.closed.drain(..);
        turn.inputs
            .extend(closed.map(|session| Input::Close { session }));
        for command in commands.drain(..) {
            self.sort(command, &mut turn);
        }
        turn
    }

    fn sort(&mut self, command: Command, turn: &mut Turn) {
        match command {
            Command::Enter(entry) => self.enter(entry, turn),
            Command::Frame {
                session,
                input,
                bytes,
            } => {
                turn.inputs.push(input);
                turn.taken.push((session, bytes));
            }
            Command::Drained => {}
            Command::Leave { session, closing } => turn.leaving.push((session, closing)),
            Command::Gone { session } => {
                self.sessions.remove(session);
                turn.inputs.push(Input::Close { session });
            }
            Command::Operate(operation) => turn.operations.push(operation),
        }
    }

    fn enter(&mut self, entry: Entry, turn: &mut Turn) {
        self.sessions.add(entry.session, entry.link);
        turn.inputs.push(Input::Open {
            session: entry.session,
            name: entry.name,
            hello: entry.hello,
        });
        turn.opens = true;
        turn.looks = true;
    }
}

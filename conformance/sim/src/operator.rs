//! What is done to nodes from outside: checkpoints, truncation, backup and restore; a kill, a restart.

use syncline_schemas::errors;
use syncline_server_core::Input;

use crate::agenda::Due;
use crate::node::Stop;
use crate::world::World;
use crate::{Hook, Seen};

/// What an operator wants of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    Checkpoint,
    Truncate,
    /// Truncated, as soon as it is durable.
    Truncated,
    Backup,
    Restore,
}

impl World<'_> {
    /// An operator wants something.
    pub(crate) fn want(&mut self, node: usize, want: Want) {
        if self.nodes[node].up && !self.nodes[node].draining {
            self.nodes[node].wants.push(want);
            self.want_step(node);
        }
    }

    /// What an operator wants that needs a decision is put before what has come.
    pub(crate) fn prepare(&mut self, node: usize) {
        let wants = &mut self.nodes[node].wants;
        let truncates = wants.contains(&Want::Truncate);
        wants.retain(|want| *want != Want::Truncate);
        if truncates {
            wants.push(Want::Truncated);
            if let Some((engine, _)) = &mut self.nodes[node].engine {
                engine.enqueue(Input::Truncate { keep_versions: 0 });
            }
            self.begin_hook(Hook::Truncate, None);
        }
    }

    /// What an operator wants, between two steps.
    pub(crate) fn operate(&mut self, node: usize) -> Result<(), Stop> {
        let wants = std::mem::take(&mut self.nodes[node].wants);
        for want in wants {
            let Some((engine, position)) = &self.nodes[node].engine else {
                return Ok(());
            };
            match want {
                Want::Checkpoint => {
                    let (epoch, checkpoint) = (position.epoch.clone(), engine.checkpoint());
                    self.store.checkpoint(&epoch, checkpoint);
                }
                Want::Truncated => self.see(Seen::HookDone(Hook::Truncate)),
                // It came while this step was under way: the next one does it.
                Want::Truncate => self.nodes[node].wants.push(Want::Truncate),
                Want::Backup | Want::Restore if self.store.eras.len() > 1 => {}
                Want::Backup => {
                    let backup = (position.epoch.clone(), engine.checkpoint());
                    self.begin_hook(Hook::Backup, None);
                    self.backup = Some(backup);
                    self.see(Seen::HookDone(Hook::Backup));
                }
                Want::Restore => {
                    self.restore();
                    return Err(Stop::Replaced);
                }
            }
        }
        Ok(())
    }

    fn restore(&mut self) {
        let Some((from, backup)) = self.backup.clone() else {
            return;
        };
        self.begin_hook(Hook::Restore, None);
        let epoch = format!("e{}", self.store.eras.len() + 1);
        let margin = self.config.limits.restore_margin.unwrap_or(0);
        match backup.under_epoch(&epoch, margin) {
            Ok(checkpoint) => self.store.replace(&from, checkpoint, &epoch),
            Err(why) => self.violation(format!("a backup cannot be restored: {why}")),
        }
        for node in 0..self.nodes.len() {
            self.want_step(node);
        }
        self.see(Seen::HookDone(Hook::Restore));
    }

    /// The node dies where it stands. Of what it was appending all is there, nothing, or a part that counts as nothing.
    pub(crate) fn kill(&mut self, node: usize, torn: bool, away_ms: u64) {
        if !self.nodes[node].up {
            return;
        }
        self.begin_hook(Hook::Kill, Some(node));
        if let Some((records, _)) = self.nodes[node].appending.take() {
            let at = self.nodes[node].engine.as_ref().map(|(_, at)| at.clone());
            let fits = at.as_ref() == Some(&self.store.position);
            let thousandths = self.nodes[node].dice.below(1000);
            if torn && self.nodes.len() == 1 {
                self.store.tear(&records, thousandths);
            } else if fits && thousandths < 500 {
                self.store.write(&records);
                self.tell_nodes(node);
            }
        }
        self.go_down(node, Hook::Kill);
        for conn in 0..self.conns.len() {
            if self.conns[conn].node == node && self.conns[conn].server_open {
                self.conns[conn].server_open = false;
                self.cut(conn);
            }
        }
        self.after_ms(away_ms, Due::NodeUp(node));
    }

    fn go_down(&mut self, node: usize, by: Hook) {
        let node = &mut self.nodes[node];
        node.up = false;
        node.draining = false;
        node.engine = None;
        node.appending = None;
        node.inbox.clear();
        node.wants.clear();
        node.looks = false;
        node.down_by = Some(by);
    }

    /// The node is stopped in order: what was read is decided, then everybody is sent away.
    pub(crate) fn restart(&mut self, node: usize, away_ms: u64) {
        if !self.nodes[node].up || self.nodes[node].draining {
            return;
        }
        self.begin_hook(Hook::Restart, Some(node));
        self.nodes[node].draining = true;
        self.nodes[node].away_ms = away_ms;
        let idle = self.nodes[node].engine.is_none() && !self.nodes[node].looks;
        if idle {
            self.drained(node);
        } else {
            self.want_step(node);
        }
    }

    pub(crate) fn drained(&mut self, node: usize) {
        for conn in 0..self.conns.len() {
            if self.conns[conn].node == node && self.conns[conn].server_open {
                self.send_away(conn, &errors::SHUTDOWN);
            }
        }
        let away_ms = self.nodes[node].away_ms;
        self.go_down(node, Hook::Restart);
        self.after_ms(away_ms, Due::NodeUp(node));
    }

    pub(crate) fn node_up(&mut self, node: usize) {
        self.nodes[node].up = true;
        if let Some(hook) = self.nodes[node].down_by.take() {
            self.see(Seen::HookDone(hook));
        }
    }
}

//! The network: what is under way arrives, late, in part or not at all; connections are opened, cut, fall silent, stall.

use crate::Seen;
use crate::agenda::Due;
use crate::audit::Auditor;
use crate::dice::Dice;
use crate::wire::{Conn, Item, Who};
use crate::world::World;

/// So long what was sent on a connection may linger that is over for its client: it comes again by another, and then comes late.
const LINGERS_MS: u64 = 600;

impl World<'_> {
    fn late(&mut self, conn: usize) -> u64 {
        let range = self.plan.settings.latency_us;
        self.conns[conn].dice.between(range)
    }

    pub(crate) fn send_up(&mut self, conn: usize, item: Item) {
        let late = self.late(conn);
        let link = &mut self.conns[conn];
        if !link.silent
            && let Some(at_us) = link.up.put(item, self.now_us, late)
        {
            self.agenda.put(at_us, Due::Up(conn));
        }
    }

    pub(crate) fn send_down(&mut self, conn: usize, item: Item) {
        let late = self.late(conn);
        let link = &mut self.conns[conn];
        link.spoke = true;
        if link.silent {
            return;
        }
        let cost = item.cost();
        if let Some(at_us) = link.down.put(item, self.now_us, late) {
            link.down_bytes += cost;
            self.agenda.put(at_us, Due::Down(conn));
        }
    }

    pub(crate) fn arrive_up(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        let full = link.down_bytes >= self.plan.settings.outbox_bytes && link.server_open;
        let busy = full.then_some(self.now_us + 5_000);
        let until = link.stalled_until_us.max(link.lingers_until_us);
        let stalled = Some(until).filter(|until| *until > self.now_us);
        if let Some(until) = stalled.or(busy) {
            return self.agenda.put(until, Due::Up(conn));
        }
        if let Some(item) = link.up.items.pop_front()
            && link.server_open
        {
            link.heard_us = self.now_us;
            link.heard = true;
            self.server_reads(conn, item);
        }
    }

    pub(crate) fn arrive_down(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        if link.stalled_until_us > self.now_us {
            let until = link.stalled_until_us;
            return self.agenda.put(until, Due::Down(conn));
        }
        let Some(item) = link.down.items.pop_front() else {
            return;
        };
        link.down_bytes = link.down_bytes.saturating_sub(item.cost());
        let low = self.plan.settings.outbox_bytes / 2;
        if link.starved && link.down_bytes <= low {
            link.starved = false;
            let node = link.node;
            self.want_step(node);
        }
        if !self.conns[conn].client_open {
            return;
        }
        match self.conns[conn].client {
            Who::App(app) => self.app_hears(app, conn, item),
            Who::Auditor => self.auditor_hears(conn, &item),
            Who::Stranger => self.stranger_hears(conn, &item),
        }
    }

    /// From here on the end is no surprise.
    pub(crate) fn let_end(&mut self, conn: usize) {
        let link = &mut self.conns[conn];
        if link.client_open && !std::mem::replace(&mut link.may_end, true) {
            self.see(Seen::MayEnd { conn });
        }
    }

    pub(crate) fn cut_of(&mut self, app: usize) {
        if let Some(conn) = self.apps[app].conn {
            self.cut(conn);
        }
    }

    /// The connection breaks: each side gets some of what is under way, and then the end.
    pub(crate) fn cut(&mut self, conn: usize) {
        self.let_end(conn);
        let now_us = self.now_us;
        let link = &mut self.conns[conn];
        if !link.client_open && !link.server_open {
            return;
        }
        let (up, down) = (
            Conn::survivors(&mut link.dice, &link.up),
            Conn::survivors(&mut link.dice, &link.down),
        );
        if link.dice.chance(80) {
            link.lingers_until_us = now_us + link.dice.below(LINGERS_MS) * 1000;
        }
        let (up, down) = (link.up.cut(up, now_us), link.down.cut(down, now_us));
        self.agenda.put(up, Due::Up(conn));
        self.agenda.put(down, Due::Down(conn));
    }

    /// Nothing passes any more, and nobody is told.
    pub(crate) fn silence(&mut self, app: usize) {
        let Some(conn) = self.apps[app].conn else {
            return;
        };
        self.let_end(conn);
        let link = &mut self.conns[conn];
        let (up, down) = (
            Conn::survivors(&mut link.dice, &link.up),
            Conn::survivors(&mut link.dice, &link.down),
        );
        link.up.lose(up);
        link.down.lose(down);
        link.silent = true;
    }

    pub(crate) fn stall(&mut self, app: usize, ms: u64) {
        let Some(conn) = self.apps[app].conn else {
            return;
        };
        self.let_end(conn);
        self.conns[conn].stalled_until_us = self.now_us + ms * 1000;
    }

    /// The client's end goes; what it sent may still arrive, all of it or some.
    pub(crate) fn leave(&mut self, conn: usize, dies: bool) {
        let link = &mut self.conns[conn];
        if !std::mem::take(&mut link.client_open) {
            return;
        }
        link.down.lose(0);
        link.down_bytes = 0;
        let now_us = self.now_us;
        if dies {
            let kept = Conn::survivors(&mut link.dice, &link.up);
            let at_us = link.up.cut(kept, now_us);
            self.agenda.put(at_us, Due::Up(conn));
        } else {
            self.send_up(conn, Item::End(None));
        }
        self.see(Seen::Left { conn });
    }

    /// A new connection, not open yet.
    pub(crate) fn dial(&mut self, client: Who, number: u64) -> usize {
        let part = match client {
            Who::Stranger => 99,
            Who::Auditor => 100,
            Who::App(app) => 101 + app as u64,
        };
        let mut dice = Dice::of(self.plan.seed, part, number);
        let node = dice.below(self.nodes.len() as u64) as usize;
        let late = dice.between(self.plan.settings.latency_us);
        let conn = self.conns.len();
        self.conns.push(Conn::new(client, node, self.now_us, dice));
        self.agenda.put(self.now_us + late, Due::Opened(conn));
        conn
    }

    pub(crate) fn opened(&mut self, conn: usize) {
        let node = self.conns[conn].node;
        let up = self.nodes[node].up && !self.nodes[node].draining && !self.is_dusk;
        match self.conns[conn].client {
            Who::App(app) if self.apps[app].conn != Some(conn) => {}
            Who::App(app) => self.app_opened(app, conn, up),
            Who::Auditor if up => self.auditor_opened(conn),
            Who::Auditor => self.auditor = Auditor::default(),
            Who::Stranger => self.stranger_opened(conn, up),
        }
        if self.conns[conn].client_open {
            self.conns[conn].server_open = true;
            self.conns[conn].heard_us = self.now_us;
            let beat = self.config.limits.heartbeat_ms * 2 / 5;
            self.after_ms(beat, Due::Heart(conn));
        }
    }
}

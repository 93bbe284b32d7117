//! The diagram in characters, for a terminal.

use super::svg::cut;
use super::{Diagram, Mark, Row, Side};
use crate::report::Style;

/// Where the lanes begin: to the left of it stand the times and marks.
const GUTTER: usize = 15;
/// From one lane to the next on the same side.
const OUTER: usize = 5;
/// From the server to the next lane, at most.
const INNER_MAX: usize = 46;
/// So much room the last lane needs for its name.
const MARGIN: usize = 4;

/// Draws it in at most so many columns.
pub(in crate::report) fn text(diagram: &Diagram, columns: usize, style: Style) -> String {
    let plan = Plan::of(diagram, columns);
    let mut text = plan.names(diagram);
    for row in &diagram.rows {
        let line = plan.line(diagram, row);
        let marked = !row.shows.is_empty();
        text += &match (marked, row.mark) {
            (true, _) => style.bad(&line),
            (_, Mark::Folded) => style.faint(&line),
            (_, Mark::Across | Mark::Ends(_)) => style.doubtful(&line),
            _ => line,
        };
        text.push('\n');
    }
    text
}

/// The columns in which everything stands.
struct Plan {
    server: usize,
    lanes: Vec<usize>,
    width: usize,
}

impl Plan {
    fn of(diagram: &Diagram, columns: usize) -> Plan {
        let count = |side: Side| diagram.lanes.iter().filter(|lane| lane.side == side).count();
        let (left, right) = (count(Side::Left), count(Side::Right));
        let outer = OUTER * (left.saturating_sub(1) + right.saturating_sub(1));
        let sides = usize::from(left > 0) + usize::from(right > 0);
        let room = columns.saturating_sub(GUTTER + MARGIN + outer);
        let inner = (room / sides.max(1)).min(INNER_MAX);
        let away = |rank: usize| inner + OUTER * rank;
        let server = GUTTER + left.checked_sub(1).map_or(0, away);
        let place = |lane: &super::Lane| match lane.side {
            Side::Left => server - away(lane.rank),
            Side::Right => server + away(lane.rank),
        };
        Plan {
            server,
            lanes: diagram.lanes.iter().map(place).collect(),
            width: server + right.checked_sub(1).map_or(0, away) + MARGIN,
        }
    }

    fn names(&self, diagram: &Diagram) -> String {
        let mut cells = Cells::new(self.width);
        for (lane, at) in diagram.lanes.iter().zip(&self.lanes) {
            cells.write(*at, &cut(&lane.name, OUTER - 1));
        }
        cells.write(GUTTER - 9, "ms");
        cells.write(self.server.saturating_sub(3), "server");
        cells.text() + "\n"
    }

    fn line(&self, diagram: &Diagram, row: &Row) -> String {
        let mut cells = Cells::new(self.width);
        cells.write(self.server, "│");
        for (lane, at) in self.lanes.iter().enumerate() {
            let folded = row.mark == Mark::Folded;
            if row.before.contains(&lane) || row.after.contains(&lane) {
                cells.write(*at, if folded { "┊" } else { "│" });
            }
        }
        if row.mark != Mark::Folded {
            cells.write(0, &format!("{:>9}", time(row)));
        }
        if let Some(number) = row.shows.first() {
            cells.write(10, &format!("*{number}"));
        }
        let inner_of = |lane: usize| {
            let side = diagram.lanes[lane].side;
            let same = diagram.lanes.iter().zip(&self.lanes);
            let same = same.filter(|(other, _)| other.side == side && other.rank == 0);
            same.map(|(_, at)| *at).next().unwrap_or(self.lanes[lane])
        };
        match row.mark {
            Mark::ToServer(lane) => self.arrow(&mut cells, self.lanes[lane], self.server, inner_of(lane), &row.label),
            Mark::ToClient(lane) => self.arrow(&mut cells, self.server, self.lanes[lane], inner_of(lane), &row.label),
            Mark::Opens(lane) => self.beside(&mut cells, lane, "o", &row.label),
            Mark::Ends(lane) => self.beside(&mut cells, lane, "X", &row.label),
            Mark::Aside(lane) => self.beside(&mut cells, lane, "•", &row.label),
            Mark::Across => cells.write(GUTTER + 2, &format!("~~ {} ~~", cut(&row.label, self.width - GUTTER - 10))),
            Mark::Folded => cells.write(GUTTER + 2, &format!("⋮ {}", cut(&row.label, self.width - GUTTER - 6))),
        }
        cells.text()
    }

    /// An arrow, with its label between the server and the lane next to it.
    fn arrow(&self, cells: &mut Cells, from: usize, to: usize, inner: usize, label: &str) {
        let (left, right) = (from.min(to), from.max(to));
        cells.write(left + 1, &"─".repeat(right - left - 1));
        if from < to {
            cells.write(right - 1, "▶");
        } else {
            cells.write(left + 1, "◀");
        }
        let (low, high) = (inner.min(self.server), inner.max(self.server));
        let room = (high - low).saturating_sub(8);
        let label = format!(" {} ", cut(label, room));
        let start = low + (high - low + 1).saturating_sub(label.chars().count()) / 2;
        cells.write(start, &label);
    }

    /// A sign on a lane, and words beside it on the server's side.
    fn beside(&self, cells: &mut Cells, lane: usize, sign: &str, label: &str) {
        let at = self.lanes[lane];
        let room = at.abs_diff(self.server).saturating_sub(4);
        let label = cut(label, room);
        if at < self.server {
            cells.write(at + 2, &label);
        } else {
            cells.write(at - 1 - label.chars().count(), &label);
        }
        cells.write(at, sign);
    }
}

/// A line of characters that can be written over.
struct Cells(Vec<char>);

impl Cells {
    fn new(width: usize) -> Cells {
        Cells(vec![' '; width])
    }

    fn write(&mut self, at: usize, text: &str) {
        for (cell, c) in self.0.iter_mut().skip(at).zip(text.chars()) {
            *cell = if c.is_control() { ' ' } else { c };
        }
    }

    fn text(&self) -> String {
        self.0.iter().collect::<String>().trim_end().to_owned()
    }
}

#[allow(clippy::cast_precision_loss, reason = "a scenario does not take 285 years")]
fn time(row: &Row) -> String {
    format!("{:.1}", row.at_us as f64 / 1000.0)
}

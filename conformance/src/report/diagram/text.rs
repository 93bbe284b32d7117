//! The diagram in characters, for a terminal: all clients to the left of the server, and the words between.

use super::svg::cut;
use super::{Diagram, Mark, Row};
use crate::report::Style;

/// Where the lanes begin: to the left of it stand the times and marks.
const GUTTER: usize = 15;
/// From one lane to the next on the same side.
const OUTER: usize = 5;
/// From the server to the next lane, at most.
const INNER_MAX: usize = 52;
/// So much room the last lane needs for its name.
const MARGIN: usize = 4;

/// Draws it in at most so many columns.
pub(in crate::report) fn text(diagram: &Diagram, columns: usize, style: Style) -> String {
    let plan = Plan::of(diagram, columns);
    let mut text = plan.names(diagram);
    for row in &diagram.rows {
        let line = plan.line(row);
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
    /// The lane next to the server.
    inner: usize,
    lanes: Vec<usize>,
    width: usize,
}

impl Plan {
    fn of(diagram: &Diagram, columns: usize) -> Plan {
        let outer = OUTER * diagram.lanes.len().saturating_sub(1);
        let room = columns.saturating_sub(GUTTER + MARGIN + outer);
        let server = GUTTER + outer + room.min(INNER_MAX);
        // With all on one side there is one span for the words, and it is wide.
        let inner = GUTTER + outer;
        Plan {
            server,
            inner,
            lanes: (0..diagram.lanes.len())
                .map(|rank| inner - OUTER * rank)
                .collect(),
            width: server + MARGIN,
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

    fn line(&self, row: &Row) -> String {
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
        match row.mark {
            Mark::ToServer(lane) => {
                self.arrow(&mut cells, self.lanes[lane], self.server, &row.label)
            }
            Mark::ToClient(lane) => {
                self.arrow(&mut cells, self.server, self.lanes[lane], &row.label)
            }
            Mark::Opens(lane) => self.beside(&mut cells, lane, "o", &row.label),
            Mark::Ends(lane) => self.beside(&mut cells, lane, "X", &row.label),
            Mark::Aside(lane) => self.beside(&mut cells, lane, "•", &row.label),
            Mark::Across => cells.write(
                GUTTER + 2,
                &format!(
                    "~~ {} ~~",
                    cut(&row.label, self.width.saturating_sub(GUTTER + 10))
                ),
            ),
            Mark::Folded => cells.write(
                self.inner + 2,
                &format!(
                    "⋮ {}",
                    cut(&row.label, self.server.saturating_sub(self.inner + 5))
                ),
            ),
        }
        cells.text()
    }

    /// An arrow, with its label between the server and the lane next to it.
    fn arrow(&self, cells: &mut Cells, from: usize, to: usize, label: &str) {
        let (left, right) = (from.min(to), from.max(to));
        cells.write(left + 1, &"─".repeat(right - left - 1));
        if from < to {
            cells.write(right - 1, "▶");
        } else {
            cells.write(left + 1, "◀");
        }
        let span = self.server - self.inner;
        let label = format!(" {} ", cut(label, span.saturating_sub(8)));
        let start = self.inner + (span + 1).saturating_sub(label.chars().count()) / 2;
        cells.write(start, &label);
    }

    /// A sign on a lane, and words beside the lane next to the server.
    fn beside(&self, cells: &mut Cells, lane: usize, sign: &str, label: &str) {
        let room = (self.server - self.inner).saturating_sub(4);
        cells.write(self.inner + 2, &cut(label, room));
        cells.write(self.lanes[lane], sign);
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

#[allow(
    clippy::cast_precision_loss,
    reason = "a scenario does not take 285 years"
)]
fn time(row: &Row) -> String {
    format!("{:.1}", row.at_us as f64 / 1000.0)
}

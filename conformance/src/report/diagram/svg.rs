//! The diagram as a picture. Colours are classes of the page's stylesheet, so that it is light and dark with the page.

use std::f64::consts::PI;

use maud::{Markup, html};

use super::{Diagram, Lane, Mark, Row, Side};

/// Where the lanes begin: to the left of it stand the times.
const GUTTER: f64 = 84.0;
/// From the server to the next lane: the room for labels.
const INNER: f64 = 236.0;
/// From one lane to the next on the same side.
const OUTER: f64 = 72.0;
/// To the right of the last lane.
const MARGIN: f64 = 26.0;
/// Above the first row: the names.
const HEAD: f64 = 34.0;
/// A row's height.
pub(in crate::report) const ROW: f64 = 28.0;
/// How far a frame sinks on its way.
const SLANT: f64 = 12.0;
/// A label's longest; the whole frame is told elsewhere.
const LABEL_CHARS_MAX: usize = 33;

/// The picture, with its size and where its rows are.
pub(in crate::report) struct Picture {
    /// The drawing.
    pub(in crate::report) svg: Markup,
    /// In pixels.
    pub(in crate::report) width: f64,
    /// Where each row begins, in pixels from the top.
    pub(in crate::report) tops: Vec<f64>,
}

/// Draws it.
pub(in crate::report) fn svg(diagram: &Diagram) -> Picture {
    let plan = Plan::of(diagram);
    let tops: Vec<f64> = (0..diagram.rows.len()).map(top).collect();
    let height = top(diagram.rows.len()) + 10.0;
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(plan.width) height=(height)
            viewBox=(format!("0 0 {} {height}", plan.width)) aria-hidden="true" {
            @for (row, top) in diagram.rows.iter().zip(&tops) {
                @if !row.shows.is_empty() {
                    rect class="band" x="0" y=(top) width=(plan.width) height=(ROW) {}
                }
            }
            (plan.names(diagram, height))
            @for (row, top) in diagram.rows.iter().zip(&tops) { (plan.lines(row, *top)) }
            @for (row, top) in diagram.rows.iter().zip(&tops) { (plan.row(diagram, row, *top)) }
        }
    };
    Picture {
        svg,
        width: plan.width,
        tops,
    }
}

#[allow(clippy::cast_precision_loss, reason = "there are few rows and lanes")]
fn float(count: usize) -> f64 {
    count as f64
}

fn top(row: usize) -> f64 {
    HEAD + ROW * float(row)
}

/// Where everything stands from left to right.
struct Plan {
    server: f64,
    lanes: Vec<f64>,
    width: f64,
}

impl Plan {
    fn of(diagram: &Diagram) -> Plan {
        let reach = |side: Side| {
            let lanes = diagram.lanes.iter().filter(|lane| lane.side == side);
            let farthest = lanes.map(|lane| INNER + OUTER * float(lane.rank));
            farthest.fold(0.0, f64::max)
        };
        let server = GUTTER + reach(Side::Left);
        let place = |lane: &Lane| {
            let away = INNER + OUTER * float(lane.rank);
            match lane.side {
                Side::Left => server - away,
                Side::Right => server + away,
            }
        };
        Plan {
            server,
            lanes: diagram.lanes.iter().map(place).collect(),
            width: server + reach(Side::Right) + MARGIN,
        }
    }

    /// The names, and the server's lane.
    fn names(&self, diagram: &Diagram, height: f64) -> Markup {
        html! {
            @for (lane, x) in diagram.lanes.iter().zip(&self.lanes) {
                text class="name" x=(x) y="18" { (cut(&lane.name, 16)) }
            }
            text class="name" x=(self.server) y="18" { "server" }
            line class="life" x1=(self.server) y1=(HEAD - 8.0) x2=(self.server) y2=(height) {}
        }
    }

    /// The lanes where they are alive.
    fn lines(&self, row: &Row, top: f64) -> Markup {
        let middle = top + ROW / 2.0;
        let folded = if row.mark == Mark::Folded {
            "life folded"
        } else {
            "life"
        };
        let class = |alive: bool| if alive { folded } else { "gone" };
        html! {
            @for (lane, x) in self.lanes.iter().enumerate() {
                line class=(class(row.before.contains(&lane))) x1=(x) y1=(top) x2=(x) y2=(middle) {}
                line class=(class(row.after.contains(&lane))) x1=(x) y1=(middle) x2=(x) y2=(top + ROW) {}
            }
        }
    }

    fn row(&self, diagram: &Diagram, row: &Row, top: f64) -> Markup {
        let middle = top + ROW / 2.0;
        let label = cut(&row.label, LABEL_CHARS_MAX);
        let side = |lane: usize| diagram.lanes[lane].side;
        html! {
            @if row.mark != Mark::Folded { text class="time" x="44" y=(middle + 4.0) { (time(row)) } }
            @if let Some(number) = row.shows.first() {
                circle class="number" cx="60" cy=(middle) r="8" {}
                text class="digit" x="60" y=(middle + 3.5) { (number) }
            }
            @match row.mark {
                Mark::ToServer(lane) => (self.arrow(self.lanes[lane], self.server, side(lane), row, top)),
                Mark::ToClient(lane) => (self.arrow(self.server, self.lanes[lane], side(lane), row, top)),
                Mark::Opens(lane) => {
                    circle class="opens" cx=(self.lanes[lane]) cy=(middle) r="4" {}
                    (self.beside(lane, side(lane), &label, middle))
                }
                Mark::Ends(lane) => {
                    path class="ends" d=(broken(self.lanes[lane], middle)) {}
                    (self.beside(lane, side(lane), &label, middle))
                }
                Mark::Aside(lane) => {
                    circle class="aside" cx=(self.lanes[lane]) cy=(middle) r="3" {}
                    (self.beside(lane, side(lane), &label, middle))
                }
                Mark::Across => {
                    line class="across" x1=(GUTTER - 10.0) y1=(middle) x2=(self.width) y2=(middle) {}
                    text class="label across" x=(f64::midpoint(GUTTER, self.width)) y=(middle + 4.0) { (cut(&row.label, 44)) }
                }
                Mark::Folded => text class="label folded" x=(f64::midpoint(GUTTER, self.width)) y=(middle + 4.0) { "⋮ " (cut(&row.label, 44)) },
            }
        }
    }

    fn arrow(&self, from: f64, to: f64, side: Side, row: &Row, top: f64) -> Markup {
        let (y1, y2) = (
            top + (ROW - SLANT) / 2.0 + 2.0,
            top + (ROW + SLANT) / 2.0 + 2.0,
        );
        let class = match (row.shows.is_empty(), row.refuses, row.mark) {
            (false, ..) => "arrow marked",
            (_, true, _) => "arrow refusal",
            (.., Mark::ToServer(_)) => "arrow out",
            _ => "arrow in",
        };
        let slope = (y2 - y1) / (to - from);
        // Labels stand next to the server, where no other lane is.
        let x = match side {
            Side::Left => self.server - INNER / 2.0,
            Side::Right => self.server + INNER / 2.0,
        };
        let y = y1 + slope * (x - from) - 4.0;
        let turn = slope.atan() * 180.0 / PI;
        html! {
            g class=(class) {
                line x1=(from) y1=(y1) x2=(to) y2=(y2) {}
                path d=(head(to, y2, (to - from).signum(), slope)) {}
                text class="label" x=(x) y=(format!("{y:.1}")) transform=(format!("rotate({turn:.2} {x} {y:.1})")) { (cut(&row.label, LABEL_CHARS_MAX)) }
            }
        }
    }

    /// A word beside a lane, on the server's side.
    fn beside(&self, lane: usize, side: Side, label: &str, y: f64) -> Markup {
        let (class, away) = match side {
            Side::Left => ("label start", 10.0),
            Side::Right => ("label end", -10.0),
        };
        html! { text class=(class) x=(self.lanes[lane] + away) y=(y + 4.0) { (label) } }
    }
}

/// The head of an arrow that comes with this slope.
fn head(x: f64, y: f64, direction: f64, slope: f64) -> String {
    let (back, wide) = (9.0, 4.0);
    let (ux, uy) = (direction, slope * direction);
    let (bx, by) = (x - back * ux, y - back * uy);
    format!(
        "M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
        bx - wide * uy,
        by + wide * ux,
        bx + wide * uy,
        by - wide * ux
    )
}

/// A lane that breaks off: two strokes across it.
fn broken(x: f64, y: f64) -> String {
    format!(
        "M{} {}L{} {}M{} {}L{} {}",
        x - 6.0,
        y + 1.0,
        x + 6.0,
        y - 5.0,
        x - 6.0,
        y + 6.0,
        x + 6.0,
        y
    )
}

/// Milliseconds.
#[allow(
    clippy::cast_precision_loss,
    reason = "a scenario does not take 285 years"
)]
fn time(row: &Row) -> String {
    let ms = row.at_us as f64 / 1000.0;
    if ms < 1000.0 {
        format!("{ms:.1}")
    } else {
        format!("{ms:.0}")
    }
}

/// A text, cut if it is longer.
pub(super) fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}

//! The diagram of a failure with the frames behind it, and the transcript.
//!
//! Over each row of the picture lies an item of a list that can be pointed at, touched and reached by the keyboard; then a panel at the foot of the
//! window shows its whole frame. So the picture speaks without a script, and is a list to who cannot see it.

use std::collections::BTreeSet;

use maud::{Markup, html};

use crate::drive::Failure;
use crate::facts::Facts;
use crate::history::{Event, Frame};
use crate::judge::Judgement;
use crate::report::diagram::{Diagram, ROW, Row, svg};
use crate::report::redact::Redaction;
use crate::report::transcript;
use crate::report::words::elided;
use crate::requirements::Binds;

/// So many lines of a transcript are given: those in the diagram, and what is nearest to the failures.
const LINES_MAX: usize = 240;

/// What a history looks like.
pub(super) struct Figure<'a> {
    facts: &'a Facts,
    redaction: &'a Redaction,
    marked: BTreeSet<usize>,
    diagram: Diagram,
}

impl<'a> Figure<'a> {
    pub(super) fn of(
        judgement: &'a Judgement,
        failures: &[Failure],
        binds: Binds,
        redaction: &'a Redaction,
    ) -> Figure<'a> {
        let facts = &judgement.facts;
        Figure {
            facts,
            redaction,
            marked: failures
                .iter()
                .flat_map(|failure| failure.at.iter().copied())
                .collect(),
            diagram: Diagram::of(facts, failures, binds),
        }
    }

    /// The picture, and the list that lies over it.
    pub(super) fn diagram(&self) -> Markup {
        if self.facts.entries.is_empty() {
            return html! {};
        }
        let picture = svg(&self.diagram);
        html! {
            figure tabindex="-1" {
                div class="chart" style=(format!("width:{}px", picture.width)) {
                    (picture.svg)
                    ol {
                        @for (row, top) in self.diagram.rows.iter().zip(&picture.tops) {
                            li tabindex="0" style=(format!("top:{top}px;height:{ROW}px")) { (self.panel(row)) }
                        }
                    }
                }
            }
        }
    }

    /// What a row is, in full.
    fn panel(&self, row: &Row) -> Markup {
        html! {
            div class="panel" {
                @match row.at {
                    Some(at) => {
                        p { (seconds(self.facts, at)) " s  " (self.who(at)) }
                        pre { (self.full(at)) }
                    }
                    None => p { (row.label) },
                }
            }
        }
    }

    /// The transcript, as far as it matters.
    pub(super) fn transcript(&self) -> Markup {
        let shown = self.lines();
        let mut previous = None;
        let gaps: Vec<_> = shown
            .iter()
            .map(|at| {
                let left_out = at - previous.map_or(0, |before| before + 1);
                previous = Some(*at);
                (left_out, *at)
            })
            .collect();
        let after = self.facts.entries.len() - previous.map_or(0, |last| last + 1);
        html! {
            ol class="transcript" {
                @for (left_out, at) in gaps {
                    @if left_out > 0 { li class="faint" { "⋮ " (left_out) " more" } }
                    li class=[self.marked.contains(&at).then_some("marked")] {
                        span class="time" { (seconds(self.facts, at)) }
                        span class="who" { (self.who(at)) }
                        code { (self.full(at)) }
                    }
                }
                @if after > 0 { li class="faint" { "⋮ " (after) " more" } }
            }
        }
    }

    /// The entries that the transcript gives.
    fn lines(&self) -> BTreeSet<usize> {
        let drawn: BTreeSet<usize> = self.diagram.rows.iter().filter_map(|row| row.at).collect();
        let near = |at: &usize| drawn.iter().map(|of| of.abs_diff(*at)).min();
        let mut all: Vec<usize> = (0..self.facts.entries.len()).collect();
        all.sort_by_key(near);
        all.into_iter().take(LINES_MAX).collect()
    }

    /// The connection's name, and which way a frame went.
    fn who(&self, at: usize) -> String {
        transcript::who(self.facts, at)
    }

    /// The frame, or what happened.
    fn full(&self, at: usize) -> String {
        let frame: Option<&Frame> = match &self.facts.entries[at].event {
            Event::Sent { frame, .. }
            | Event::Received { frame, .. }
            | Event::Asked { line: frame, .. }
            | Event::Told { line: frame, .. } => Some(frame),
            _ => None,
        };
        let text = frame.map_or_else(|| transcript::what(self.facts, at), elided);
        self.redaction.apply(&text)
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a scenario does not take 285 years"
)]
fn seconds(facts: &Facts, at: usize) -> String {
    format!("{:.4}", facts.entries[at].at_us as f64 / 1e6)
}

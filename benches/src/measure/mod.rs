//! The measurements, one a file, and the table that they end in.

pub(crate) mod catchup;
pub(crate) mod durable;
pub(crate) mod fanout;
pub(crate) mod idle;

/// One measured figure beside what it is compared with.
pub(crate) struct Figure {
    /// What was measured.
    pub(crate) name: &'static str,
    /// The measured value, with its unit, for people.
    pub(crate) measured: String,
    /// What it is compared with, for people.
    pub(crate) baseline: String,
    /// The figure that the target speaks of: a ratio, or a size.
    pub(crate) value: f64,
    /// What the project wants of it.
    pub(crate) target: Target,
}

/// What the project wants of a figure.
pub(crate) enum Target {
    /// At least this.
    AtLeast(f64),
    /// At most this.
    AtMost(f64),
}

impl Figure {
    /// Whether the target is met.
    pub(crate) fn reached(&self) -> bool {
        match self.target {
            Target::AtLeast(least) => self.value >= least,
            Target::AtMost(most) => self.value <= most,
        }
    }
}

/// Prints the figures as a table.
pub(crate) fn print(figures: &[Figure]) {
    println!(
        "\n{:<44} {:>24} {:>30} {:>8}  target",
        "figure", "measured", "baseline", "value"
    );
    for figure in figures {
        let target = match figure.target {
            Target::AtLeast(least) => format!(">= {least}"),
            Target::AtMost(most) => format!("<= {most}"),
        };
        let verdict = if figure.reached() { "" } else { "  MISSED" };
        println!(
            "{:<44} {:>24} {:>30} {:>8.2}  {target}{verdict}",
            figure.name, figure.measured, figure.baseline, figure.value
        );
    }
}

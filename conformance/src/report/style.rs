//! Colours and widths of the terminal, where there is one.

use std::io::IsTerminal;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// No escape codes.
    Plain,
    /// ANSI colours.
    Coloured,
}

impl Style {
    /// Colours for a terminal, unless `NO_COLOR` is set; none for a file.
    #[must_use]
    pub fn of(stream: &impl IsTerminal) -> Style {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if wanted && stream.is_terminal() {
            Style::Coloured
        } else {
            Style::Plain
        }
    }

    fn code(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    /// For what is good.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.code("32", text)
    }

    /// For what is bad.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.code("1;31", text)
    }

    /// For what is not known.
    #[must_use]
    pub fn doubtful(self, text: &str) -> String {
        self.code("33", text)
    }

    /// For what matters less.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.code("2", text)
    }

    /// For what matters more.
    #[must_use]
    pub fn strong(self, text: &str) -> String {
        self.code("1", text)
    }
}

/// The widest that text is set, however wide the terminal is.
const COLUMNS_MAX: usize = 110;

/// How many columns text is set in: the terminal's, or 80 where there is none.
#[must_use]
pub fn text_columns() -> usize {
    let asked = std::env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let terminal = || usize::from(console::Term::stdout().size().1);
    asked.unwrap_or_else(terminal).clamp(40, COLUMNS_MAX)
}

/// Sets a text in lines of at most so many columns, each with this indent. Words that are longer stay whole.
#[must_use]
pub fn wrapped(text: &str, indent: &str, columns: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped() {
        assert_eq!(wrapped("one two  three", "  ", 10), "  one two\n  three");
        assert_eq!(
            wrapped("averyveryverylongword x", "", 10),
            "averyveryverylongword\nx"
        );
    }
}

//! The report as Markdown, for a comment on a pull request: the verdict, the table, and the failures folded.

use super::Style;
use super::diagram::{self, Diagram};
use super::redact::Redaction;
use super::run::{Run, different};
use super::table::{HEAD, cells, sentence};
use crate::drive::Failure;
use crate::judge::{Judgement, Verdict};

/// So many failures are told; forges cut a longer comment off.
const FAILURES_MAX: usize = 12;

/// So many violations of one scenario are told.
const TOLD_MAX: usize = 3;

/// The columns of a diagram.
const COLUMNS: usize = 100;

/// The report.
#[must_use]
pub fn markdown(run: &Run<'_>) -> String {
    let sign = match run.summary.exit_code() {
        0 => "✅",
        1 => "❌",
        _ => "❔",
    };
    let mut text = format!(
        "### {sign} Syncline v1: {}\n\n{}\n\n{}\n",
        plain(&sentence(run.summary, Style::Plain)),
        plain(run.target),
        table(run)
    );
    let failed: Vec<_> = run.failed().collect();
    for (judgement, failures) in failed.iter().take(FAILURES_MAX) {
        text += &failure(run, judgement, failures);
    }
    if failed.len() > FAILURES_MAX {
        let others = failed.iter().skip(FAILURES_MAX);
        let ids: Vec<_> = others
            .map(|(judgement, _)| judgement.scenario.id.as_str())
            .collect();
        text += &format!("\nAlso failed: {}\n", ids.join(", "));
    }
    text + &unknown(run)
}

fn table(run: &Run<'_>) -> String {
    let mut text = format!(
        "| {} |\n|---|{}\n",
        HEAD.join(" | "),
        "--:|".repeat(HEAD.len() - 1)
    );
    for chapter in run.summary.chapters.iter().chain([&run.summary.total]) {
        text += &format!("| {} |\n", cells(chapter).join(" | "));
    }
    text
}

fn failure(run: &Run<'_>, judgement: &Judgement, failures: &[Failure]) -> String {
    let scenario = &judgement.scenario;
    let redaction = Redaction::of(&judgement.facts.entries);
    let (told, more) = different(failures, TOLD_MAX);
    let ids: Vec<_> = told
        .iter()
        .flat_map(|failure| failure.requirements.clone())
        .collect();
    let mut text = format!(
        "\n<details><summary><b>{}/{}</b> breaks {}</summary>\n\n{}\n\n",
        scenario.chapter,
        scenario.id,
        ids.join(", "),
        plain(&scenario.title)
    );
    if let Some(reason) = run.known.get(&scenario.id) {
        text += &format!("Known to fail: {}\n\n", plain(reason));
    }
    let mut code = String::new();
    for failure in &told {
        code += &format!(
            "{}\n  expected  {}\n  actual    {}\n",
            failure.requirements.join(", "),
            failure.expected,
            failure.actual
        );
    }
    if more > 0 {
        code += &format!("and {more} more\n");
    }
    if !judgement.facts.entries.is_empty() {
        let diagram = Diagram::of(&judgement.facts, &told, run.summary.binds);
        code += &format!("\n{}", diagram::text(&diagram, COLUMNS, Style::Plain));
    }
    text += &fenced(&redaction.apply(&code));
    text + &format!(
        "\n{}\n</details>\n",
        fenced(&format!("{}\n", run.repeat.command(&scenario.id)))
    )
}

fn unknown(run: &Run<'_>) -> String {
    let unknown = run
        .judgements
        .iter()
        .filter_map(|judgement| match &judgement.verdict {
            Verdict::Unknown(why) => Some(format!("- {}: {}\n", judgement.scenario.id, plain(why))),
            _ => None,
        });
    let list: String = unknown.collect();
    if list.is_empty() {
        return list;
    }
    format!("\n<details><summary>Unknown</summary>\n\n{list}\n</details>\n")
}

/// Text in which nothing is markup, nobody is mentioned and no issue linked to.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => plain += "&lt;",
            '&' => plain += "&amp;",
            '@' => plain += "&#64;",
            '#' => plain += "&#35;",
            '*' | '_' | '[' | ']' | '|' | '\\' => plain.extend(['\\', c]),
            '\n' | '\r' => plain.push(' '),
            c => plain.push(c),
        }
    }
    plain
}

/// A block of code, in a fence that nothing within it can close.
fn fenced(code: &str) -> String {
    let longest = code.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}text\n{code}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{SECRETS, Sample};

    #[test]
    fn a_comment_has_the_verdict_the_table_and_folded_failures() {
        let text = markdown(&Sample::new().run());
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret}");
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn no_word_is_taken_for_markup() {
        assert_eq!(plain("<b> @one #2 a_b|"), "&lt;b> &#64;one &#35;2 a\\_b\\|");
        assert!(fenced("a ```` b").starts_with("`````text\n"));
    }
}

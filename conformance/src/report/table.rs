//! The table by chapter, and the sentence below it.

use super::{Chapter, Style, Summary};

/// The heads of the columns.
pub(super) const HEAD: [&str; 7] = [
    "chapter",
    "scenarios",
    "pass",
    "fail",
    "unknown",
    "not judged",
    "requirements",
];

/// The table.
#[must_use]
pub(super) fn render(summary: &Summary, style: Style) -> String {
    let rows: Vec<_> = summary
        .chapters
        .iter()
        .chain([&summary.total])
        .map(cells)
        .collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].len())
                .chain([HEAD[column].len()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = format!(
        "\n{}\n",
        style.faint(&line(&HEAD.map(ToOwned::to_owned), &widths, |_, cell| cell))
    );
    for (index, row) in rows.iter().enumerate() {
        if index + 1 == rows.len() {
            text +=
                &style.faint(&"─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)));
            text += "\n";
        }
        text += &line(row, &widths, |column, cell| coloured(column, cell, style));
        text += "\n";
    }
    format!(
        "{text}\n{}\n{}",
        sentence(summary, style),
        convergence(summary, style)
    )
}

/// How long replicas took to converge, as a line.
fn convergence(summary: &Summary, style: Style) -> String {
    summary.latency.map_or_else(String::new, |latency| {
        let [median, p99] = [latency.median_us, latency.p99_us].map(|us| us as f64 / 1000.0);
        let told = format!("Readers had a write {median:.2} ms after its first ack at the median, {p99:.1} ms in 99 of 100 cases.");
        format!("{}\n", style.faint(&told))
    })
}

/// A chapter's line.
pub(super) fn cells(chapter: &Chapter) -> [String; 7] {
    let count = |count: usize| {
        if count == 0 {
            "·".to_owned()
        } else {
            count.to_string()
        }
    };
    [
        chapter.name.clone(),
        chapter.scenarios().to_string(),
        count(chapter.passed),
        count(chapter.failed),
        count(chapter.unknown),
        count(chapter.not_judged),
        match chapter.requirements {
            0 => count(0),
            requirements => format!("{} of {requirements}", chapter.judged),
        },
    ]
}

/// The first column to the left, the others to the right.
fn line(cells: &[String; 7], widths: &[usize], paint: impl Fn(usize, String) -> String) -> String {
    let cell = |(column, cell): (usize, &String)| {
        let blanks = " ".repeat(widths[column].saturating_sub(cell.chars().count()));
        let painted = paint(column, cell.clone());
        if column == 0 {
            painted + &blanks
        } else {
            blanks + &painted
        }
    };
    cells
        .iter()
        .enumerate()
        .map(cell)
        .collect::<Vec<_>>()
        .join("  ")
        .trim_end()
        .to_owned()
}

fn coloured(column: usize, cell: String, style: Style) -> String {
    match (column, cell.as_str()) {
        (_, "·") => style.faint(&cell),
        (2, _) => style.good(&cell),
        (3, _) => style.bad(&cell),
        (4 | 5, _) => style.doubtful(&cell),
        _ => cell,
    }
}

/// The verdict in a sentence.
pub(super) fn sentence(summary: &Summary, style: Style) -> String {
    let total = &summary.total;
    let seconds = summary.took.as_secs_f64();
    let verdict = match total {
        Chapter {
            failed: 0,
            unknown: 0,
            passed: 1..,
            ..
        } if total.not_judged == 0 => style.good("Everything holds."),
        Chapter {
            failed: 0,
            unknown: 0,
            passed: 1..,
            ..
        } => style.good("Everything that could be judged holds."),
        Chapter {
            failed: 1..,
            broken: 1,
            ..
        } => style.bad("1 requirement is broken."),
        Chapter {
            failed: 1..,
            broken,
            ..
        } => style.bad(&format!("{broken} requirements are broken.")),
        Chapter { passed: 0, .. } => style.doubtful("Nothing could be judged."),
        _ => style.doubtful("Nothing failed, but not everything could be judged."),
    };
    let scenarios = if total.scenarios() == 1 {
        "scenario"
    } else {
        "scenarios"
    };
    format!(
        "{verdict} {} {scenarios} in {seconds:.1} s.",
        total.scenarios()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn summary(failed: usize) -> Summary {
        let chapter = |name: &str, passed, failed| Chapter {
            name: name.to_owned(),
            passed,
            failed,
            unknown: 0,
            not_judged: 2,
            judged: 14,
            broken: failed,
            requirements: 15,
        };
        let chapters = vec![chapter("notation", 35, 0), chapter("mutations", 60, failed)];
        Summary {
            chapters,
            total: chapter("all", 95, failed),
            took: Duration::from_millis(4320),
            binds: crate::requirements::Binds::Server,
            latency: None,
        }
    }

    #[test]
    fn the_table_is_plain_without_a_terminal() {
        insta::assert_snapshot!(render(&summary(1), Style::Plain));
        insta::assert_snapshot!(render(&summary(0), Style::Plain));
    }
}

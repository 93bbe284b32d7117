//! Puts edits into a source text, each behind its mutant's switch: `if crate::mutant::on("name") { replace } else { find }`.
//!
//! Edits may stand inside one another, and several at the same place; they may not overlap otherwise.

use std::ops::Range;

/// An edit of one source text.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The mutant's name.
    pub mutant: &'a str,
    /// A part of the text, which stands in it once: where to look, if not everywhere.
    pub within: Option<&'a str>,
    /// What stands there, once.
    pub find: &'a str,
    /// What the mutant has in its place.
    pub replace: &'a str,
}

/// The module that an instrumented crate gets.
#[must_use]
pub fn switch(variable: &str) -> String {
    format!(
        r#"
#[allow(dead_code, missing_docs, unreachable_pub, clippy::all)]
mod mutant {{
    use std::sync::LazyLock;
    use std::sync::atomic::{{AtomicU64, Ordering}};
    static NAME: LazyLock<String> = LazyLock::new(|| std::env::var("{variable}").unwrap_or_default());
    static COUNT: AtomicU64 = AtomicU64::new(0);
    /// Whether this process is the mutant of this name.
    pub(crate) fn on(name: &str) -> bool {{ *NAME == name }}
    /// `true` once in so many calls: for what goes wrong only now and then.
    pub(crate) fn every(calls: u64) -> bool {{ COUNT.fetch_add(1, Ordering::Relaxed) % calls == calls - 1 }}
}}
"#
    )
}

/// The text with all edits in it.
///
/// # Errors
/// What an edit looks for does not stand in the text exactly once, or two edits overlap.
pub fn instrument(text: &str, changes: &[Change<'_>]) -> Result<String, String> {
    let mut places = changes
        .iter()
        .map(|change| Ok((place(text, change)?, *change)))
        .collect::<Result<Vec<_>, String>>()?;
    // What encloses others comes before them.
    places.sort_by_key(|(range, _)| (range.start, usize::MAX - range.end));
    render(text, 0..text.len(), &places)
}

fn place(text: &str, change: &Change<'_>) -> Result<Range<usize>, String> {
    let told = |why: String| format!("{}: {why}", change.mutant);
    let part = match change.within {
        Some(within) => the_one(text, within).map_err(told)?,
        None => 0..text.len(),
    };
    let inner = the_one(&text[part.clone()], change.find).map_err(told)?;
    Ok(part.start + inner.start..part.start + inner.end)
}

fn the_one(text: &str, find: &str) -> Result<Range<usize>, String> {
    let mut found = text.match_indices(find);
    match (found.next(), found.next()) {
        (Some((start, _)), None) => Ok(start..start + find.len()),
        (None, _) => Err(format!("this does not stand there: {find}")),
        (Some(_), Some(_)) => Err(format!("this stands there more than once: {find}")),
    }
}

/// Renders a part of the text, with the edits that stand in it.
fn render(
    text: &str,
    range: Range<usize>,
    places: &[(Range<usize>, Change<'_>)],
) -> Result<String, String> {
    let mut out = String::new();
    let mut at = range.start;
    let mut rest = places;
    while let Some(((outer, first), behind)) = rest.split_first() {
        let inner = behind.partition_point(|(place, _)| place.start < outer.end);
        let (inner, after) = behind.split_at(inner);
        if let Some((_, other)) = inner.iter().find(|(place, _)| place.end > outer.end) {
            return Err(format!("{} and {} overlap", first.mutant, other.mutant));
        }
        out += &text[at..outer.start];
        let original = render(text, outer.clone(), inner)?;
        out += &switched(first, &original);
        at = outer.end;
        rest = after;
    }
    out += &text[at..range.end];
    Ok(out)
}

fn switched(change: &Change<'_>, original: &str) -> String {
    let Change {
        mutant,
        find,
        replace,
        ..
    } = change;
    let choice = format!("if crate::mutant::on({mutant:?}) {{ {replace} }} else {{ {original} }}");
    // An expression may stand where a statement could begin; statements may not stand in parentheses.
    let statements = find.trim_end().ends_with([';', '}']);
    if statements {
        choice
    } else {
        format!("({choice})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, changes: &[(&str, &str, &str)], expected: Result<&str, &str>) {
        let changes: Vec<_> = changes
            .iter()
            .map(|(mutant, find, replace)| {
                // `part ~ find`: find, within this part.
                let (within, find) = match find.split_once(" ~ ") {
                    Some((within, find)) => (Some(within), find),
                    None => (None, *find),
                };
                Change {
                    mutant,
                    within,
                    find,
                    replace,
                }
            })
            .collect();
        let made = instrument(text, &changes).map(|text| text.replace("crate::mutant::on", "on"));
        match (made, expected) {
            (Ok(made), Ok(expected)) => assert_eq!(made, expected),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
            (made, _) => panic!("{made:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn expressions_and_statements() {
        check(
            "f(a < b)",
            &[("m", "a < b", "true")],
            Ok(r#"f((if on("m") { true } else { a < b }))"#),
        );
        check(
            "go(); rest()",
            &[("m", "go();", "")],
            Ok(r#"if on("m") {  } else { go(); } rest()"#),
        );
    }

    #[test]
    fn inside_one_another_and_at_one_place() {
        check(
            "f(a + b)",
            &[("inner", "b", "c"), ("outer", "a + b", "0")],
            Ok(r#"f((if on("outer") { 0 } else { a + (if on("inner") { c } else { b }) }))"#),
        );
        check(
            "x",
            &[("m", "x", "1"), ("n", "x", "2")],
            Ok(r#"(if on("m") { 1 } else { (if on("n") { 2 } else { x }) })"#),
        );
    }

    #[test]
    fn what_stands_in_many_places_is_found_within_one() {
        check(
            "f(a) g(a)",
            &[("m", "g(a) ~ a", "b")],
            Ok(r#"f(a) g((if on("m") { b } else { a }))"#),
        );
        check(
            "f(a) g(a)",
            &[("m", "h(a) ~ a", "")],
            Err("m: this does not stand there: h(a)"),
        );
        check(
            "g(a) g(a)",
            &[("m", "g(a) ~ a", "")],
            Err("more than once: g(a)"),
        );
        check(
            "f(b) g(a)",
            &[("m", "g(a) ~ b", "")],
            Err("m: this does not stand there: b"),
        );
        check(
            "f(a) g(a, a)",
            &[("m", "g(a, a) ~ a", "")],
            Err("more than once: a"),
        );
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        check("a b", &[("m", "c", "")], Err("m: this does not stand"));
        check("a a", &[("m", "a", "")], Err("more than once"));
        check(
            "abc",
            &[("m", "ab", ""), ("n", "bc", "")],
            Err("m and n overlap"),
        );
    }
}

use super::*;
use crate::report::Style;
use crate::report::samples::Sample;

#[test]
fn what_matters_is_drawn_and_the_rest_is_folded() {
    let sample = Sample::new();
    let (facts, failures) = sample.failed();
    let diagram = Diagram::of(facts, &failures, Binds::Server);
    let drawn = text(&diagram, 80, Style::Plain);
    assert!(
        drawn.lines().all(|line| line.chars().count() <= 80),
        "{drawn}"
    );
    insta::assert_snapshot!(drawn);
}

#[test]
fn where_clients_are_judged_the_runner_is_the_server() {
    let sample = Sample::new();
    let (facts, failures) = sample.failed();
    let marks = |binds| -> Vec<Mark> {
        let diagram = Diagram::of(facts, &failures, binds);
        let rows = diagram.rows.iter().filter(|row| !row.shows.is_empty());
        rows.map(|row| row.mark).collect()
    };
    assert!(matches!(
        marks(Binds::Server)[..],
        [Mark::ToClient(_), Mark::ToClient(_)]
    ));
    assert!(matches!(
        marks(Binds::Client)[..],
        [Mark::ToServer(_), Mark::ToServer(_)]
    ));
}

#[test]
fn what_never_came_shows_at_the_end() {
    let sample = Sample::new();
    let (facts, _) = sample.failed();
    let diagram = Diagram::of(facts, &[], Binds::Server);
    let last = diagram.rows.last().and_then(|row| row.at);
    assert_eq!(last, Some(facts.entries.len() - 1));
}

//! The smallest scopes hold in every state; the others are for a release build (`cargo run --release -p syncline-model`).

use syncline_model::{check, scopes};

/// Of each small scope: its name, and the states that there are at least.
const SMALL: [(&str, usize); 2] = [
    ("three mutations, nothing goes wrong", 500),
    ("three mutations, a truncation", 1_500),
];

#[test]
fn small_scopes_hold() {
    for (name, states) in SMALL {
        let scope = { scopes().into_iter() }.find(|scope| scope.name == name);
        let checked = check(&scope.expect("a scope of this name"), 1);
        assert_eq!(checked.found, [""; 0], "{name}");
        assert!(
            checked.states >= states,
            "{name}: only {} states",
            checked.states
        );
    }
}

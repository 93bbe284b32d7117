//! What the app hears of single fields.

use serde_json::{Value, json};
use syncline_client_core::Event;

use crate::driver::{Driver, applied, patch, set};

/// What was told, in short: field, mine, theirs, version; or how many fields were not named.
fn told(driver: &mut Driver) -> Vec<Value> {
    let told = |event| match event {
        Event::FieldConflict(told) => {
            assert_eq!(told.table, "a");
            let (mine, theirs) = (told.mine, told.theirs);
            let theirs = if told.gone {
                json!("gone")
            } else {
                json!(theirs)
            };
            Some(json!([told.key, told.field, mine, theirs, told.version]))
        }
        Event::FieldConflictsUntold {
            table, key, count, ..
        } => {
            assert_eq!(table, "a");
            Some(json!([key, count]))
        }
        Event::Superseded(_) | Event::Resolved(_) => panic!("told otherwise"),
        _ => None,
    };
    driver.events.drain(..).filter_map(told).collect()
}

/// FLD-CLIENT-TOLD: each field with what was written and what stands, once; what the server did not name by its number.
#[test]
fn fields_that_lost_are_told_one_by_one() {
    let mut driver = Driver::new();
    driver.online(0);
    let id = driver.mutate(vec![
        patch("a", "p", r#"{"x": 1, "y": null}"#, &["z"]),
        set("a", "s", r#"{"x": {"deep": 1}}"#),
        patch("a", "many", r#"{"x": 1}"#, &[]),
    ]);
    let mut result = applied(1, &id, 9);
    result["ops"] = json!([
        {"result": "superseded_in_fields", "at": 0, "count": 3, "conflicts": [
            {"field": "x", "version": 4, "value": 2}, {"field": "y", "version": 5, "gone": true}, {"field": "z"}]},
        {"result": "superseded_in_fields", "at": 1, "count": 3, "conflicts": [
            {"field": "w", "version": 6, "value": 3}, {"field": "x", "version": 7, "value": null}]},
        {"result": "superseded_in_fields", "at": 2, "count": 20},
        // Of an op that there is not, nothing can be told.
        {"result": "superseded_in_fields", "at": 3, "count": 1},
    ]);
    driver.ack(Some(4), &[result.clone()]);
    assert_eq!(
        told(&mut driver),
        [
            json!(["p", "x", 1, 2, 4]),
            json!(["p", "y", null, "gone", 5]),
            json!(["p", "z", null, null, null]),
            json!(["s", "w", null, 3, 6]),
            json!(["s", "x", {"deep": 1}, null, 7]),
            json!(["s", 1]),
            json!(["many", 20]),
        ]
    );
    driver.ack(None, &[result]);
    assert!(told(&mut driver).is_empty(), "it was told before");
}

//! What goes wrong in random programs.
//!
//! A fault that hits nothing proves nothing, so each begins at a frame that the steps right behind it cause.

use serde_json::{Value, json};

use super::program::Maker;

/// Something goes wrong with a client, or on its way to the server.
pub(super) fn mishap(maker: &mut Maker, client: u64, steps: &mut Vec<Value>) {
    let name = format!("c{client}");
    if maker.blocked.remove(&client) {
        steps.push(json!({ "do": "heal", "conns": [name] }));
    }
    match maker.dice.below(10) {
        verb @ (0 | 1) => {
            let conn = online(maker, client, steps);
            steps.push(json!({ "do": if verb == 0 { "cut" } else { "close" }, "conn": conn }));
        }
        // An old connection's frames once more, from somewhere else.
        2 => {
            let of = online(maker, client, steps);
            let write = maker.write(client, false);
            steps.push(write);
            steps.push(json!({ "do": "replay", "of": of, "conn": format!("e{}", maker.fresh()) }));
        }
        3 | 4 => {
            online(maker, client, steps);
            let hindrance = hindrance(maker, &name);
            steps.push(hindrance);
            let write = maker.write(client, true);
            steps.push(write);
        }
        // The connection breaks, or falls silent, at a push or at its ack.
        _ => {
            online(maker, client, steps);
            let kind = *maker
                .dice
                .pick(&["cut", "cut", "reset", "silence", "stall"]);
            let (way, frame) = *maker.dice.pick(&[("up", "push"), ("down", "ack")]);
            let mut fault = json!({ "do": "fault", "conns": [name], "kind": kind, "at": { "way": way, "frame": frame } });
            if kind == "cut" && maker.dice.chance(30) {
                fault["at"]["after"] = true.into();
            }
            if kind == "stall" && maker.dice.chance(50) {
                fault["ms"] = maker.dice.between(1, 30).into();
            }
            if ["silence", "stall"].contains(&kind) && maker.dice.chance(50) {
                // The trigger is on this way, and so is what is hit.
                fault["ways"] = way.into();
            }
            if maker.server_ends {
                fault["optional"] = true.into();
            }
            let blocks = ["silence", "stall"].contains(&kind) && fault["ms"].is_null();
            steps.push(fault);
            // What it writes is new, so that it is sent and answered.
            let write = maker.write(client, true);
            steps.push(write);
            match maker.dice.below(3) {
                0 => return steps.push(json!({ "do": "heal", "conns": [name] })),
                1 => steps.push(json!({ "do": "cut", "conn": name })),
                _ => {}
            }
            if blocks {
                maker.blocked.insert(client);
            }
        }
    }
}

/// The client is there; gives its connection's name.
fn online(maker: &mut Maker, client: u64, steps: &mut Vec<Value>) -> String {
    let online = maker.online(client, false);
    steps.push(online);
    format!("c{client}")
}

/// Something that makes a connection slow, but does not end it.
pub(super) fn hindrance(maker: &mut Maker, name: &str) -> Value {
    let mut fault = json!({ "do": "fault", "conns": [name] });
    if maker.server_ends {
        fault["optional"] = true.into();
    }
    match maker.dice.below(5) {
        0 | 1 => {
            fault["kind"] = "delay".into();
            fault["ms"] = maker.dice.between(0, 10).into();
            fault["jitterMs"] = maker.dice.between(1, 20).into();
        }
        2 => {
            fault["kind"] = "chop".into();
            fault["bytes"] = maker.dice.between(1, 50).into();
        }
        3 => {
            fault["kind"] = "throttle".into();
            fault["bytes"] = maker.dice.between(2_000, 50_000).into();
        }
        _ => {
            fault["kind"] = "fragment".into();
            fault["parts"] = maker.dice.between(2, 5).into();
        }
    }
    fault
}

/// Two copies of one client, each with another mutation of the same number, at once: one of them at most may be decided.
pub(super) fn twins(maker: &mut Maker) -> Vec<Value> {
    let number = maker.fresh();
    let (client, first, second) = (
        format!("${{twin{number}}}"),
        format!("x{number}"),
        format!("y{number}"),
    );
    // The epoch is known: neither waits for a welcome.
    let push = |maker: &mut Maker, conn: &str| {
        json!({ "do": "push", "conn": conn, "await": "nothing", "epoch": format!("${{x{number}.epoch}}"),
                "mutations": [{ "seq": 1, "opId": format!("${{twin{}}}", maker.fresh()), "ops": maker.ops(None) }] })
    };
    let mut steps = vec![json!({ "do": "connect", "conn": first, "client": client })];
    if maker.dice.chance(50) {
        steps.extend([push(maker, &first), push(maker, &first)]);
        return steps;
    }
    let other = json!({ "do": "replay", "of": first, "conn": second });
    let pushes = (push(maker, &first), push(maker, &second));
    steps.extend([pushes.0, other, pushes.1]);
    steps
}

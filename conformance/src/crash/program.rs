//! What the clients of a round do while the server is killed: an ordinary scenario file.

use serde_json::{Value, json};

use crate::dice::Dice;

/// A round's scenario file: so many kills, and so many clients that write.
#[must_use]
pub fn program(seed: u64, id: &str, kills: u64, clients: u64) -> Value {
    let mut maker = Maker {
        dice: Dice::new(seed),
        clients,
        made: 0,
    };
    let mut steps = vec![maker.all_online()];
    for kill in 1..=kills {
        steps.push(maker.kill());
        steps.push(maker.all_online());
        if kill % CONVERGE_EVERY == 0 || kill == kills {
            steps.push(json!({ "do": "converge" }));
        }
    }
    json!({
        "id": id,
        "title": "However often the server is killed amid writes, what was acknowledged stays, and nothing is applied twice",
        "checks": ["MODEL-DURABLE", "PUSH-ONCE"],
        "needs": { "hooks": ["kill"] },
        "steps": steps,
    })
}

/// Kills between two looks at whether all replicas are the same.
const CONVERGE_EVERY: u64 = 5;

/// How late a kill may come, in milliseconds after the writing began: mostly while the first writes are on their way.
const LATEST_MS: [u64; 5] = [1, 5, 10, 30, 60];

struct Maker {
    dice: Dice,
    clients: u64,
    made: u64,
}

impl Maker {
    /// Everybody is online, with what the last crash left in the outbox decided.
    fn all_online(&mut self) -> Value {
        let mut branches: Vec<_> = (0..self.clients).map(|c| vec![online(c)]).collect();
        branches.push(vec![
            json!({ "do": "online", "conn": "r", "tables": ["${notes}"], "as": "sr" }),
        ]);
        json!({ "do": "parallel", "branches": branches })
    }

    /// A kill amid everybody's writing.
    fn kill(&mut self) -> Value {
        let latest = *self.dice.pick(&LATEST_MS);
        let wait = json!({ "do": "wait", "ms": self.dice.between(0, latest) });
        let mut branches = vec![vec![wait, json!({ "do": "hook", "hook": "kill" })]];
        for client in 0..self.clients {
            let mut steps = vec![self.write(client)];
            // It comes back while others still wait for the server, or just before it dies.
            if self.dice.chance(30) {
                steps.push(online(client));
            }
            branches.push(steps);
        }
        json!({ "do": "parallel", "branches": branches })
    }

    /// More than can be decided before the kill, in pushes of all sizes, on rows of its own and on rows of everybody.
    fn write(&mut self, client: u64) -> Value {
        self.made += 1;
        let (made, size) = (self.made, *self.dice.pick(&[0, 0, 20, 1500]));
        let value = json!({ "by": made, "i": "${i}", "more": "x".repeat(size) });
        let set =
            |key: &str| json!({ "op": "set", "table": "${notes}", "key": key, "value": value });
        let own = set(&format!("c{client}-{made}-${{i}}"));
        let ops = match self.dice.below(4) {
            0 => json!([own, set("shared")]),
            1 => json!([set(&format!("shared{}", self.dice.below(3)))]),
            2 => {
                json!([own, { "op": "delete", "table": "${notes}", "key": format!("c{client}-{}-0", made - 1) }])
            }
            _ => json!([own]),
        };
        json!({ "do": "write", "conn": format!("c{client}"), "client": client_name(client), "mutations": [ops],
                "times": self.dice.between(20, 120), "perPush": self.dice.pick(&[1, 1, 3, 10, 50]) })
    }
}

fn client_name(client: u64) -> String {
    format!("${{client{client}}}")
}

fn online(client: u64) -> Value {
    json!({ "do": "online", "conn": format!("c{client}"), "client": client_name(client), "tables": ["${notes}"], "as": format!("s{client}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn every_round_is_a_scenario_and_its_seed_makes_it() {
        for seed in 0..50 {
            let file = program(seed, "crash-1", 10, 1 + seed % 6);
            assert_eq!(file, program(seed, "crash-1", 10, 1 + seed % 6));
            if let Err(errors) = scenario::parse("crash/crash-1.json", &file.to_string()) {
                panic!("{errors:?}\n{file:#}");
            }
            assert_eq!(
                file["steps"]
                    .to_string()
                    .matches("\"hook\":\"kill\"")
                    .count(),
                10
            );
        }
    }
}

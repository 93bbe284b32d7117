//! The command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::sync::Arc;

use syncline_conformance::judge::{Settings, Verdict};
use syncline_conformance::target::embedded::Embedded;

#[tokio::main]
async fn main() -> ExitCode {
    let only: Vec<String> = std::env::args().skip(1).collect();
    match syncline_conformance::scenario::embedded() {
        Ok(scenarios) => {
            let chosen = scenarios.into_iter().filter(|s| only.is_empty() || only.contains(&s.id)).map(Arc::new).collect();
            let all = syncline_conformance::suite::run(chosen, Arc::new(Embedded::default()), Settings{deadline: std::time::Duration::from_secs(5), ..Settings::default()}, 16, |_| ()).await;
            for j in all {
                match j.verdict {
                    Verdict::Pass => println!("pass {} {:?}", j.scenario.id, j.took),
                    Verdict::Unknown(w) => println!("UNKNOWN {} {w}", j.scenario.id),
                    Verdict::NotJudged(w) => println!("NOT {} {w}", j.scenario.id),
                    Verdict::Fail(fs) => for f in fs { println!("FAIL {} {:?} {:?}\n   expected {}\n   actual   {}", j.scenario.id, f.requirements, f.step, f.expected, f.actual) },
                }
            }
            ExitCode::SUCCESS
        }
        Err(errors) => {
            errors.iter().for_each(|error| eprintln!("{error}"));
            ExitCode::from(2)
        }
    }
}

//! Runs many scenarios, side by side where they cannot meet.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use crate::judge::{Judgement, Settings, Verdict, judge};
use crate::scenario::Scenario;
use crate::target::Target;

/// Judges scenarios, at most `jobs` at once, and tells of each as soon as it is done. Gives all, in the order of the scenarios.
///
/// Where scenarios share the target's one server, those that end its connections run alone, after the others.
pub async fn run(
    scenarios: Vec<Arc<Scenario>>,
    target: Arc<dyn Target>,
    settings: Settings,
    jobs: usize,
    mut done: impl FnMut(&Judgement),
) -> Vec<Judgement> {
    let alone = |scenario: &Scenario| !target.isolates() && scenario.ends_connections();
    let (last, first): (Vec<_>, Vec<_>) = scenarios
        .into_iter()
        .enumerate()
        .partition(|(_, scenario)| alone(scenario));
    let mut all = Vec::new();
    for (batch, jobs) in [(first, jobs.max(1)), (last, 1)] {
        let permits = Arc::new(Semaphore::new(jobs));
        let mut running: FuturesUnordered<_> = batch
            .into_iter()
            .map(|(index, scenario)| {
                let (permits, target, settings) =
                    (Arc::clone(&permits), Arc::clone(&target), settings.clone());
                async move {
                    let _permit = permits.acquire_owned().await.expect("nobody closes it");
                    let judging = tokio::spawn(judge(Arc::clone(&scenario), target, settings));
                    let judgement = judging.await.unwrap_or_else(|panic| {
                        Judgement::without(
                            scenario,
                            Verdict::Unknown(format!("the runner is at fault: {panic}")),
                        )
                    });
                    (index, judgement)
                }
            })
            .collect();
        while let Some((index, judgement)) = running.next().await {
            done(&judgement);
            all.push((index, judgement));
        }
    }
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, judgement)| judgement).collect()
}

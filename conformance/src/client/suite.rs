//! Runs many scenarios side by side, each with its own programs, stores and ports.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;

use super::Scenario;
use super::judge::{Judgement, Settings, judge};
use crate::judge::Verdict;

/// Judges scenarios, at most `jobs` at once, and tells of each as soon as it is done. Gives all, in the order of the scenarios.
pub async fn run(
    scenarios: Vec<Arc<Scenario>>,
    settings: Settings,
    jobs: usize,
    mut done: impl FnMut(&Judgement),
) -> Vec<Judgement> {
    let judging = scenarios.into_iter().enumerate().map(|(index, scenario)| {
        let settings = settings.clone();
        async move {
            let judging = tokio::spawn(judge(Arc::clone(&scenario), settings));
            let judgement = judging.await.unwrap_or_else(|panic| {
                let why = format!("the runner is at fault: {panic}");
                Judgement::without(scenario, Verdict::Unknown(why))
            });
            (index, judgement)
        }
    });
    let mut judging = stream::iter(judging).buffer_unordered(jobs.max(1));
    let mut all = Vec::new();
    while let Some((index, judgement)) = judging.next().await {
        done(&judgement);
        all.push((index, judgement));
    }
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, judgement)| judgement).collect()
}

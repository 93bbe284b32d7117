//! What any log must pass. A new log is a new [`Place`] and one line at the end of this file.
#![allow(clippy::unwrap_used)]

mod cases;
mod damage;
mod sqlite_file;
mod torn;

use syncline_server::log::{Log, MemoryLog, SqliteLog};

/// Where a log lives, so that it can be opened again after all its handles are gone.
pub(crate) trait Place: Send + Sync {
    type Log: Log;

    fn new() -> Self;

    fn open(&self) -> Self::Log;
}

pub(crate) struct InMemory(MemoryLog);

impl Place for InMemory {
    type Log = MemoryLog;

    fn new() -> InMemory {
        InMemory(MemoryLog::new())
    }

    fn open(&self) -> MemoryLog {
        self.0.clone()
    }
}

pub(crate) struct InFile(tempfile::TempDir);

impl InFile {
    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.0.path().join("log.db")
    }
}

impl Place for InFile {
    type Log = SqliteLog;

    fn new() -> InFile {
        InFile(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> SqliteLog {
        SqliteLog::open(&self.path()).unwrap()
    }
}

macro_rules! suite {
    ($log:ident, $place:ty: $($case:ident)*) => {
        mod $log {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = <$place as crate::Place>::new();
                    crate::cases::$case(&place).await;
                }
            )*
        }
    };
}

macro_rules! suites {
    ($($log:ident: $place:ty;)*) => {
        $(suite! { $log, $place:
            an_announced_window_never_shrinks
            a_workspace_is_created_once
            what_is_appended_is_there
            appending_elsewhere_than_at_the_end_conflicts
            appending_nothing_changes_nothing
            versions_must_rise
            versions_may_have_holes
            a_tail_is_what_came_after
            many_appenders_make_one_order
            workspaces_are_apart
            any_name_is_a_name
            big_records_come_back
            a_checkpoint_shortens_what_is_read
            an_older_checkpoint_does_not_replace_a_newer
            only_what_a_checkpoint_holds_is_forgotten
            a_tail_that_was_forgotten_is_gone
            replacing_makes_another_history
            replacing_creates
            another_epoch_is_not_touched
            what_was_never_opened_is_an_error
        })*
    };
}

suites! {
    memory: crate::InMemory;
    sqlite: crate::InFile;
}

//! Trouble with what a server keeps its data in: the server tells, loses nothing that was acknowledged, and goes on when the trouble is over.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process::{Serving, output, program};
use crate::talk::Talk;

const FLAGS: &[&str] = &["--listen", "127.0.0.1:0", "--log", "info"];

/// What is waited for must be there by then.
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts the server by a shell that does this before.
fn serve_after(place: &Path, before: &str) -> Serving {
    let mut shell = Command::new("sh");
    let server = program(place, FLAGS);
    let script = format!(r#"{before}; exec "$0" "$@""#);
    shell.arg("-c").arg(script).arg(server.get_program());
    shell.args(server.get_args()).current_dir(place);
    Serving::start(shell)
}

fn runs(program: &str, args: &[&str]) -> bool {
    let run = Command::new(program).args(args).output();
    run.is_ok_and(|output| output.status.success())
}

/// A disk that can be full.
trait Disk {
    /// From now on nothing can be added, but for some bytes.
    fn fill(&self, serving: &Serving);
    /// There is room again.
    fn free(&self, serving: &Serving);
}

/// A client writes while the disk is full: it is told, by a registered error; it can read what was acknowledged; who does not write is left
/// alone; and when there is room again its retry is decided, once.
fn check_full(place: &Path, disk: &dyn Disk) {
    let serving = serve_after(place, "trap '' XFSZ");
    let large = json!("x".repeat(20_000));
    let mut reader = Talk::open(&serving.address, "other", "bob");
    reader.write(1, &json!("before")).unwrap();
    let mut ann = Talk::open(&serving.address, "w", "ann");
    ann.write(1, &large).unwrap();
    disk.fill(&serving);

    let mut acknowledged = 1;
    let refused = loop {
        match ann.write(acknowledged + 1, &large) {
            Ok(_) => acknowledged += 1,
            Err(code) => break code,
        }
        assert!(acknowledged < 1000, "the disk was never full");
    };
    assert_eq!(refused, "\"internal\"");
    for _ in 0..3 {
        // What is not acknowledged may be there or not; what is, is.
        let mut again = Talk::open(&serving.address, "w", "ann");
        assert!(again.rows().len() as u64 >= acknowledged);
        assert_eq!(
            again.write(acknowledged + 1, &large),
            Err("\"internal\"".to_owned())
        );
    }
    assert_eq!(
        reader.rows(),
        [("1".to_owned(), json!("before"))],
        "it is still connected"
    );

    disk.free(&serving);
    let mut ann = Talk::open(&serving.address, "w", "ann");
    assert_eq!(
        ann.welcome["lastSeq"], acknowledged,
        "what was refused has not been decided"
    );
    for seq in acknowledged + 1..acknowledged + 5 {
        ann.write(seq, &large).unwrap();
    }
    reader.write(2, &json!("after")).unwrap();
    serving.end("-KILL");
    let serving = Serving::start(program(place, FLAGS));
    let found = Talk::open(&serving.address, "w", "ann").rows().len() as u64;
    assert_eq!(found, acknowledged + 4);
    assert_eq!(Talk::open(&serving.address, "other", "bob").rows().len(), 2);
}

/// A process that may make no file larger: a disk that is full, as far as the process can tell. It needs no rights.
struct Limited;

impl Disk for Limited {
    fn fill(&self, serving: &Serving) {
        // In the middle of a page: what is written last is torn.
        set_limit(serving, "300000:unlimited");
    }

    fn free(&self, serving: &Serving) {
        set_limit(serving, "unlimited:unlimited");
    }
}

fn set_limit(serving: &Serving, limit: &str) {
    let pid = serving.id().to_string();
    assert!(runs(
        "prlimit",
        &["--pid", &pid, &format!("--fsize={limit}")]
    ));
}

#[test]
fn files_that_cannot_grow() {
    if !runs("prlimit", &["--version"]) {
        eprintln!(
            "SKIPPED: there is no prlimit here, so that no process can be kept from making files larger"
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    check_full(place.path(), &Limited);
}

/// A small file system in memory; to mount it takes rights.
struct Mounted(PathBuf);

impl Mounted {
    fn new(place: &Path) -> Option<Mounted> {
        let place = place.to_owned();
        let flags = ["-t", "tmpfs", "-o", "size=1m", "tmpfs"];
        runs("mount", &[&flags[..], &[place.to_str()?]].concat()).then_some(Mounted(place))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        runs("umount", &[self.0.to_str().unwrap_or_default()]);
    }
}

impl Disk for Mounted {
    fn fill(&self, _: &Serving) {
        let _ = std::fs::write(self.0.join("filler"), vec![0; 500_000]);
    }

    fn free(&self, _: &Serving) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

#[test]
fn a_disk_that_is_full() {
    let place = tempfile::tempdir().unwrap();
    let Some(disk) = Mounted::new(place.path()) else {
        eprintln!("SKIPPED: no file system can be mounted here, so that no disk could be filled");
        return;
    };
    check_full(place.path(), &disk);
}

/// The program as a user who has no rights by being root.
fn as_anybody(place: &Path) -> Command {
    let mut command = program(place, &FLAGS[..2]);
    if place.metadata().unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    command
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_folder_that_cannot_be_written() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    allow(place, 0o777);
    if !output(as_anybody(place).arg("--version")).status.success() {
        eprintln!("SKIPPED: the program cannot be run as somebody without rights here");
        return;
    }
    let refused = |part: &str| {
        let output = output(as_anybody(place).env("SYNCLINE_LOG", "error"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.lines().count() == 1 && said.contains(part),
            "{said:?} does not say {part:?}"
        );
    };
    allow(place, 0o555);
    refused("syncline.db: cannot be opened: Permission denied");
    allow(place, 0o777);
    let serving = Serving::start(as_anybody(place));
    let mut ann = Talk::open(&serving.address, "w", "ann");
    ann.write(1, &json!(1)).unwrap();
    // What is open stays open.
    allow(place, 0o555);
    ann.write(2, &json!(2)).unwrap();
    serving.end("-KILL");
    let serving = Serving::start(as_anybody(place));
    let mut ann = Talk::open(&serving.address, "w", "ann");
    assert_eq!(ann.rows().len(), 2);
    ann.write(3, &json!(3)).unwrap();
    assert!(serving.end("-TERM").0.success());
    allow(&place.join("syncline.db"), 0o444);
    refused("syncline.db: cannot be written");
    allow(&place.join("syncline.db"), 0o666);
    allow(place, 0o777);
    let serving = Serving::start(as_anybody(place));
    assert_eq!(Talk::open(&serving.address, "w", "ann").rows().len(), 3);
}

/// When no descriptor is left, new connections wait or are refused, those that stand go on, and all is well when there are some again.
#[test]
fn descriptors_that_run_out() {
    const DESCRIPTORS: usize = 40;
    let place = tempfile::tempdir().unwrap();
    let serving = serve_after(place.path(), &format!("ulimit -n {DESCRIPTORS}"));
    let mut ann = Talk::open(&serving.address, "w", "ann");
    let others: Vec<_> = (0..2 * DESCRIPTORS).map(|_| serving.connect()).collect();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", serving.id())).map(Iterator::count);
    if open().is_ok() {
        let until = Instant::now() + DEADLINE;
        while open().unwrap() < DESCRIPTORS {
            assert!(Instant::now() < until, "{} descriptors", open().unwrap());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    for seq in 1..20 {
        ann.write(seq, &Value::from(seq)).unwrap();
    }
    drop(others);
    let mut bob = Talk::open(&serving.address, "another", "bob");
    bob.write(1, &json!(1)).unwrap();
    assert_eq!(ann.rows().len(), 19);
    assert!(serving.end("-TERM").0.success());
}

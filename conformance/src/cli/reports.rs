//! The files that a run is reported in, and the baseline that it is compared with.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Trouble;
use crate::judge::Judgement;
use crate::report::{
    Baseline, Compared, Report, Run, Style, Summary, badge, junit, markdown, page,
};

/// Which reports are written, besides what the terminal shows.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ReportArgs {
    /// Write the report to this file, as one page to look at: matrix, diagrams, transcripts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report to this file, as JSON (conformance/report.schema.json)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the report to this file, as Markdown, for a comment on a pull request
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Write a badge to this file, as SVG
    #[arg(long, value_name = "FILE")]
    badge: Option<PathBuf>,
    /// Known failures, with reasons, as TOML: only others fail the run, and those that pass now
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Write what fails to this file, as a baseline; entries of --baseline keep their reasons
    #[arg(long, value_name = "FILE", requires = "reason")]
    write_baseline: Option<PathBuf>,
    /// Why what fails is borne: the reason of new entries in --write-baseline
    #[arg(long, value_name = "TEXT", requires = "write_baseline", value_parser = said)]
    reason: Option<String>,
}

/// What a report is made by.
type Format = fn(&Run<'_>) -> String;

/// The files, created but empty, and the baseline.
pub(super) struct Reports {
    files: Vec<(File, PathBuf, Format)>,
    baseline: Option<Baseline>,
    written: Option<(File, PathBuf, String)>,
}

impl ReportArgs {
    /// Reads the baseline and creates the files before anything is judged: nobody wants to wait for a report that cannot be written.
    pub(super) fn create(&self) -> Result<Reports, Trouble> {
        let wanted: [(&Option<PathBuf>, Format); 5] = [
            (&self.html, page),
            (&self.json, |run| Report::of(run).text()),
            (&self.junit, junit),
            (&self.markdown, markdown),
            (&self.badge, badge),
        ];
        let baseline = self.baseline.as_deref().map(read).transpose()?;
        let mut files = Vec::new();
        for (path, format) in wanted {
            if let Some(path) = path {
                files.push((created(path)?, path.clone(), format));
            }
        }
        let written = match (&self.write_baseline, &self.reason) {
            (Some(path), Some(reason)) => Some((created(path)?, path.clone(), reason.clone())),
            _ => None,
        };
        Ok(Reports {
            files,
            baseline,
            written,
        })
    }
}

impl Reports {
    /// What the baseline says of these judgements, on the whole suite or a part of it.
    pub(super) fn compared(&self, judgements: &[Judgement], whole: bool) -> Compared {
        let compare = |baseline: &Baseline| baseline.compare(judgements, whole);
        self.baseline.as_ref().map(compare).unwrap_or_default()
    }

    /// Writes the files.
    pub(super) fn write(self, run: &Run<'_>) -> Result<(), Trouble> {
        for (mut file, path, format) in self.files {
            let written = file.write_all(format(run).as_bytes());
            written.map_err(|error| cannot_write(&path, &error))?;
        }
        if let Some((mut file, path, reason)) = self.written {
            let before = self.baseline.unwrap_or_default();
            let baseline = Baseline::of(run.judgements, &before, &reason);
            let written = file.write_all(baseline.text().as_bytes());
            written.map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }

    /// Prints what differs from the baseline, and gives the exit code: with a baseline, known failures are none.
    pub(super) fn exit_code(with_baseline: bool, compared: &Compared, summary: &Summary) -> u8 {
        if !with_baseline {
            return summary.exit_code();
        }
        let style = Style::of(&std::io::stdout());
        if compared.differs() {
            outln!("{}", style.bad(compared.text().trim_end()));
            return 1;
        }
        if !compared.known.is_empty() {
            outln!("{} of the failures are known.", compared.known.len());
        }
        summary.exit_code_without(compared.known.len())
    }

    /// Whether there is a baseline.
    pub(super) fn has_baseline(&self) -> bool {
        self.baseline.is_some()
    }
}

fn read(path: &Path) -> Result<Baseline, Trouble> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string());
    let baseline = text.and_then(|text| Baseline::parse(&text));
    baseline.map_err(|why| Trouble(format!("{}: {why}", path.display())))
}

/// A reason that says something.
fn said(reason: &str) -> Result<String, String> {
    match reason.trim() {
        "" => Err("a reason must say something".to_owned()),
        said => Ok(said.to_owned()),
    }
}

fn created(path: &Path) -> Result<File, Trouble> {
    File::create(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble(format!("{}: cannot be written: {error}", path.display()))
}

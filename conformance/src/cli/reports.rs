//! The files that a run is reported in.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::Trouble;
use crate::report::{Report, Run, page};

/// Which reports are written, besides what the terminal shows.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ReportArgs {
    /// Write the report to this file, as one page to look at: matrix, diagrams, transcripts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report to this file, as JSON (conformance/report.schema.json)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// What a report is made by.
type Format = fn(&Run<'_>) -> String;

/// The files, created but empty.
pub(super) struct Reports {
    files: Vec<(File, PathBuf, Format)>,
}

impl ReportArgs {
    /// Creates the files before anything is judged: nobody wants to wait for a report that cannot be written.
    pub(super) fn create(&self) -> Result<Reports, Trouble> {
        let wanted: [(&Option<PathBuf>, Format); 2] =
            [(&self.html, page), (&self.json, |run| Report::of(run).text())];
        let mut files = Vec::new();
        for (path, format) in wanted {
            if let Some(path) = path {
                files.push((created(path)?, path.clone(), format));
            }
        }
        Ok(Reports { files })
    }
}

impl Reports {
    /// Writes them.
    pub(super) fn write(self, run: &Run<'_>) -> Result<(), Trouble> {
        for (mut file, path, format) in self.files {
            let written = file.write_all(format(run).as_bytes());
            written.map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }
}

fn created(path: &Path) -> Result<File, Trouble> {
    File::create(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Trouble {
    Trouble(format!("{}: cannot be written: {error}", path.display()))
}

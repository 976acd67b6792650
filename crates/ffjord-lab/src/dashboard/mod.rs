//! A run on the terminal: what it does now, and its curves so far.

mod chart;
mod progress;
mod view;

use crate::error::Result;
use crate::record::{Metrics, RunRecord};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use std::path::{Path, PathBuf};

pub use view::draw;

/// A run that is looked at; nothing of its folder is changed.
#[derive(Debug)]
pub struct Dashboard {
    path: PathBuf,
    record: RunRecord,
    metrics: Metrics,
    /// Why the folder could not be read the last time, while it is being written.
    trouble: Option<String>,
}

impl Dashboard {
    /// The run of a folder as it is now.
    ///
    /// # Errors
    /// When the folder holds no run, or its files cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let record = RunRecord::open(path)?;
        let metrics = Metrics::read(&record.folder.metrics())?;
        Ok(Self {
            path: path.to_path_buf(),
            record,
            metrics,
            trouble: None,
        })
    }

    /// Looks again. What cannot be read just now stays as it was, and is told.
    pub fn refresh(&mut self) {
        let read = RunRecord::open(&self.path).and_then(|record| {
            self.metrics.follow()?;
            Ok(record)
        });
        match read {
            Ok(record) => {
                self.record = record;
                self.trouble = None;
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    /// One picture of this size as plain text.
    pub fn text(&self, width: u16, height: u16) -> String {
        // On a screen in memory nothing can go wrong.
        let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
        let Ok(_) = terminal.draw(|frame| draw(self, frame));
        plain(terminal.backend().buffer())
    }
}

/// The characters of a screen, without colours and the spaces at the ends of lines.
fn plain(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let lines = buffer.content.chunks(width).map(|line| {
        let line: String = line.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_string()
    });
    lines.collect::<Vec<_>>().join("\n")
}

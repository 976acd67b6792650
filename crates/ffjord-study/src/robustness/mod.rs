//! What the program does when it is killed, when disks fill up, when files are damaged, and with tables of unusual sizes.
//!
//! Every check starts the program itself, in a temporary folder, and counts what came of it.

mod check;
mod damage;
mod kills;
mod limits;
mod seeds;
mod sharing;
mod sizes;
mod work;

pub use check::{Check, Number, Verdict, table};
pub(crate) use work::table as numbers;

use crate::error::Result;
use std::path::PathBuf;
use std::time::Instant;

/// How much is tried, and with what.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The program.
    pub program: PathBuf,
    /// How often a training run is killed.
    pub kills: usize,
    /// How often each file of a run folder is cut, filled with random bytes, and changed in a byte.
    pub damages: usize,
    /// Rows of a small and of a large table whose memory is compared.
    pub rows: [usize; 2],
    /// Columns of the widest table.
    pub columns: usize,
    /// How often two processes are started on one folder.
    pub pairs: usize,
    /// The seed of the moments and places.
    pub seed: u64,
    /// The folder with a folder of seeds for every fuzz target.
    pub seeds: PathBuf,
    /// Only checks whose name contains this.
    pub only: String,
}

/// One check by its name.
type Named = (&'static str, fn(&Settings) -> Result<Check>);

/// All checks in their order.
const ALL: &[Named] = &[
    ("kill -9 while training", kills::check),
    ("damaged and foreign files", damage::check),
    ("files that may not grow", limits::growth),
    ("a device without room", limits::full_device),
    ("read-only folder", limits::read_only),
    ("clock set back", sharing::clock),
    ("two processes on one folder", sharing::pairs),
    ("memory of a large evaluation", sizes::memory),
    ("one column", sizes::narrow),
    ("many columns", sizes::wide),
    ("a batch of one", sizes::single),
    ("seeds of fuzz targets", seeds::check),
];

/// Runs the checks, each of which is told when it is done.
///
/// # Errors
/// When the program cannot be started or a file of the checks' own cannot be written; what the program does wrong is part of
/// the result.
pub fn run(settings: &Settings, mut tell: impl FnMut(&Check)) -> Result<Vec<Check>> {
    let chosen = ALL.iter().filter(|(name, _)| name.contains(settings.only.as_str()));
    chosen
        .map(|(name, run)| {
            let clock = Instant::now();
            let mut check = run(settings)?;
            check.name = (*name).to_string();
            check.seconds = clock.elapsed().as_secs_f64();
            tell(&check);
            Ok(check)
        })
        .collect()
}

/// The names of all checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

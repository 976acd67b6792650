//! Where a result comes from: commit, machine, date.

use serde::{Deserialize, Serialize};
use std::process::Command;

/// What is written beside every measured number.
///
/// ```
/// use ffjord_run::Provenance;
/// let now = Provenance::now();
/// assert!(!now.version.is_empty() && !now.hardware.is_empty());
/// assert!(now.date.starts_with("20"), "{}", now.date);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The commit of the source tree, with `-dirty` when files differ from it; none outside a git checkout.
    pub commit: Option<String>,
    /// The processor and the number of cores in use.
    pub hardware: String,
    /// The time of writing, UTC.
    pub date: String,
    /// The version of this program.
    pub version: String,
}

impl Provenance {
    /// The present state.
    pub fn now() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            commit: commit(),
            hardware: format!("{}, {cores} cores", processor()),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: env!("CARGO_PKG_VERSION").to_string(),
        }
    }
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args([
            "-C",
            env!("CARGO_MANIFEST_DIR"),
            "describe",
            "--always",
            "--dirty",
            "--abbrev=12",
        ])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (output.status.success() && !text.is_empty()).then_some(text)
}

fn processor() -> String {
    let described = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_string())
    });
    described.unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

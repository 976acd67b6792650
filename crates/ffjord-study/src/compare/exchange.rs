//! A contest as files that the peers read, beside the peers' programs.

use super::Contest;
use crate::error::{Result, StudyError};
use candle_core::Tensor;
use ffjord_cuda::DeviceName;
use std::path::Path;
use tempfile::TempDir;

/// The programs, by their file names.
const PROGRAMS: [(&str, &str); 5] = [
    ("exchange.py", include_str!("../../peers/exchange.py")),
    ("torch_peer.py", include_str!("../../peers/torch_peer.py")),
    ("torch_vae_peer.py", include_str!("../../peers/torch_vae_peer.py")),
    ("torch_graph_peer.py", include_str!("../../peers/torch_graph_peer.py")),
    ("jax_peer.py", include_str!("../../peers/jax_peer.py")),
];

/// A folder with everything a peer needs: programs, settings, weights, rows and the random numbers of the first iteration.
pub(super) fn write(contest: &dyn Contest, device: DeviceName) -> Result<TempDir> {
    let folder = tempfile::tempdir().map_err(StudyError::io("create a folder in", &std::env::temp_dir()))?;
    for (name, program) in PROGRAMS {
        write_file(&folder.path().join(name), program)?;
    }
    write_file(
        &folder.path().join("workload.json"),
        &serde_json::to_string_pretty(&contest.settings(device))?,
    )?;
    Tensor::write_npz(&contest.arrays()?, folder.path().join("arrays.npz"))?;
    Ok(folder)
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(StudyError::io("write", path))
}

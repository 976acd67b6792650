//! A workload as files that the peers read, beside the peers' programs.

use crate::bench::{Method, Subject, Workload};
use crate::error::{Result, StudyError};
use candle_core::Tensor;
use ffjord_cuda::DeviceName;
use serde_json::json;
use std::path::Path;
use tempfile::TempDir;

/// The programs, by their file names.
const PROGRAMS: [(&str, &str); 4] = [
    ("exchange.py", include_str!("../../peers/exchange.py")),
    ("torch_peer.py", include_str!("../../peers/torch_peer.py")),
    ("torch_graph_peer.py", include_str!("../../peers/torch_graph_peer.py")),
    ("jax_peer.py", include_str!("../../peers/jax_peer.py")),
];

/// A folder with everything a peer needs: programs, settings, weights, rows and the probes of the first iteration.
pub(super) fn write(workload: &Workload, method: Method, subject: &Subject, device: DeviceName) -> Result<TempDir> {
    let folder = tempfile::tempdir().map_err(StudyError::io("create a folder in", &std::env::temp_dir()))?;
    for (name, program) in PROGRAMS {
        write_file(&folder.path().join(name), program)?;
    }
    let settings = json!({
        "dimension": workload.row_shape(),
        "convolutional": workload.is_convolutional(),
        "activation": workload.activation().to_string(),
        "shapes": workload.flow_shapes(),
        "path": workload.path(),
        "margin": workload.margin(),
        "end_time": workload.end_time(),
        "steps": method.steps().unwrap_or(0),
        "tolerance": method.tolerance(),
        "device": device.to_string(),
        "threads": rayon::current_num_threads(),
    });
    write_file(
        &folder.path().join("workload.json"),
        &serde_json::to_string_pretty(&settings)?,
    )?;
    let mut arrays: Vec<(String, Tensor)> = subject
        .weights()
        .into_iter()
        .map(|parameter| Ok((parameter.name, parameter.var.contiguous()?)))
        .collect::<Result<_>>()?;
    arrays.push(("batch".to_string(), subject.batch().contiguous()?));
    arrays.push(("probes".to_string(), subject.first_probes(workload)?));
    Tensor::write_npz(&arrays, folder.path().join("arrays.npz"))?;
    Ok(folder)
}

fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(StudyError::io("write", path))
}

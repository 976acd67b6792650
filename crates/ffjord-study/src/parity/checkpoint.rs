//! Checkpoints of the original implementation against densities that it gives.

use super::Comparison;
use crate::error::{Result, StudyError};
use candle_core::{DType, Tensor};
use ffjord_flow::{Bijection, Density, Pass};
use ffjord_run::load_original;
use ffjord_train::{Purpose, Streams};
use std::collections::BTreeMap;
use std::path::Path;

/// The largest relative error accepted: the references were solved at tolerances of 1e-7 and 1e-9.
const LIMIT: f64 = 1e-6;

/// Whether a file is a checkpoint with densities beside it.
pub(super) fn is_checkpoint(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pth") && path.with_extension("npz").is_file()
}

/// Compares the densities of the rows in the `.npz` file, and their images where it has them.
///
/// # Errors
/// When the checkpoint cannot be loaded, an array is missing or a solve fails.
pub(super) fn compare_checkpoint(path: &Path) -> Result<Vec<Comparison>> {
    let model = load_original(path)?;
    let arrays: BTreeMap<String, Tensor> = Tensor::read_npz(path.with_extension("npz"))?.into_iter().collect();
    let get = |name: &str| {
        let missing = || StudyError::Reference {
            path: path.with_extension("npz"),
            reason: format!("it has no array `{name}`"),
        };
        arrays.get(name).ok_or_else(missing)
    };
    let x = get("x")?.to_dtype(DType::F64)?;
    let shape = [&[x.dim(0)?], Density::row_shape(&model.flow)].concat();
    let x = x.reshape(shape)?;
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
    let mut pass = Pass::evaluation(&mut rng);
    let log_prob = model.flow.log_prob(&x, &mut pass)?;
    let mut comparisons = vec![Comparison::new("logp", &log_prob, get("logp")?, LIMIT)?];
    if let Some(z) = arrays.get("z") {
        let ours = model.flow.bijection().forward(&x, &mut pass)?.value;
        comparisons.push(Comparison::new("z", &ours, z, LIMIT)?);
    }
    if let Some(bits) = arrays.get("bpd") {
        let nats = (log_prob.mean_all()?.neg()? / model.dimension() as f64)?;
        let ours = ((nats + 256f64.ln())? / std::f64::consts::LN_2)?;
        comparisons.push(Comparison::new("bpd", &ours, bits, LIMIT)?);
    }
    Ok(comparisons)
}

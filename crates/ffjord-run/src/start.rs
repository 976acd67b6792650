//! The maps that a flow starts with, fitted to training rows.

use crate::config::{StartConfig, StartMap};
use crate::error::Result;
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{Bijection, Density, MarginalMaps, Pass, StandardNormal, Whitening};
use ffjord_train::{Purpose, Streams, to_tensor};
use std::sync::Arc;

/// Rows evaluated at a time.
const ROWS: usize = 1000;
/// So many of the first marginal maps may be left out: each doubles the number of fits.
const MOST_LEFT_OUT: usize = 3;

/// A map before the flow that is fitted to training rows and not trained.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Pass, Whitening};
/// use ffjord_run::StartPart;
/// use ffjord_train::{Purpose, Streams};
/// use std::sync::Arc;
///
/// let rows = Tensor::new(&[[1.0, 2.0], [2.0, 4.5], [3.0, 5.5], [4.0, 8.0]], &Device::Cpu)?;
/// let start = StartPart::Whitening(Arc::new(Whitening::fit(&rows)?));
/// let mut rng = Streams::new(0).rng(Purpose::Test, 0, 0);
/// let white = start.bijection().forward(&rows, &mut Pass::evaluation(&mut rng))?.value;
/// assert!(white.mean(0)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-9);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub enum StartPart {
    /// A monotone map of every column.
    Marginals(Arc<MarginalMaps>),
    /// An affine map that makes columns uncorrelated.
    Whitening(Arc<Whitening>),
}

impl StartPart {
    /// The maps that a configuration asks for, identities so far.
    pub(crate) fn all(
        config: Option<&StartConfig>,
        dimension: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Vec<Self>> {
        let Some(config) = config else { return Ok(Vec::new()) };
        let part = |map: &StartMap| {
            Ok(match map {
                StartMap::Marginals => {
                    Self::Marginals(Arc::new(MarginalMaps::new(dimension, config.knots, dtype, device)?))
                }
                StartMap::Whitening => Self::Whitening(Arc::new(Whitening::new(dimension, dtype, device)?)),
            })
        };
        config.maps.iter().map(part).collect()
    }

    /// The maps that a configuration asks for, identities so far, on images of this shape with so many levels.
    pub(crate) fn of_images(
        config: Option<&StartConfig>,
        shape: &[usize],
        levels: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Vec<Self>> {
        let Some(_) = config else { return Ok(Vec::new()) };
        let maps = MarginalMaps::of_levels(shape, levels, dtype, device)?;
        Ok(vec![Self::Marginals(Arc::new(maps))])
    }

    /// The map.
    pub fn bijection(&self) -> Arc<dyn Bijection> {
        match self {
            Self::Marginals(maps) => maps.clone(),
            Self::Whitening(whitening) => whitening.clone(),
        }
    }

    fn refit(&self, rows: &Tensor) -> Result<()> {
        let fitted = match self {
            Self::Marginals(maps) => maps.refit(rows),
            Self::Whitening(whitening) => whitening.refit(rows),
        };
        Ok(fitted?)
    }
}

/// Fits each of `parts` to what those before it make of `rows`. A marginal map without which `held_out` rows are likelier
/// stays the identity: all ways to leave some out are tried.
pub(crate) fn fit(
    parts: &[StartPart],
    rows: &Matrix<f64>,
    held_out: &Matrix<f64>,
    dtype: DType,
    device: &Device,
) -> Result<()> {
    if parts.is_empty() {
        return Ok(());
    }
    let rows = to_tensor(rows, dtype, device)?;
    let marginals = parts.iter().filter(|part| matches!(part, StartPart::Marginals(_)));
    let ways = 1 << marginals.count().min(MOST_LEFT_OUT);
    let mut best = (0, f64::INFINITY);
    // All maps come last, where they are mostly the best and need no second fit.
    for left_out in (0..ways).rev() {
        fit_without(parts, left_out, &rows)?;
        if let Some(nll) = nll(parts, held_out, dtype, device)?
            && nll < best.1
        {
            best = (left_out, nll);
        }
    }
    match best.0 {
        0 => Ok(()),
        left_out => fit_without(parts, left_out, &rows),
    }
}

/// The same without those marginal maps whose bit is set in `left_out`, the first part's the lowest.
fn fit_without(parts: &[StartPart], left_out: usize, rows: &Tensor) -> Result<()> {
    // Neither map draws anything.
    let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
    let (mut rows, mut marginals) = (rows.clone(), 0);
    for (index, part) in parts.iter().enumerate() {
        if let StartPart::Marginals(maps) = part {
            marginals += 1;
            if left_out >> (marginals - 1) & 1 == 1 {
                maps.reset()?;
                continue;
            }
        }
        part.refit(&rows)?;
        if index + 1 < parts.len() {
            rows = part.bijection().forward(&rows, &mut Pass::evaluation(&mut rng))?.value;
        }
    }
    Ok(())
}

/// The mean negative log-likelihood of `rows` under these maps and a standard normal alone, in nats; none without maps.
pub(crate) fn nll(parts: &[StartPart], rows: &Matrix<f64>, dtype: DType, device: &Device) -> Result<Option<f64>> {
    let Some(first) = parts.first().filter(|_| rows.rows() > 0) else {
        return Ok(None);
    };
    let row_shape = first.bijection().input_shape().to_vec();
    let base = StandardNormal::new(&row_shape, dtype, device)?;
    let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
    let mut pass = Pass::evaluation(&mut rng);
    let mut total = 0.0;
    for first in (0..rows.rows()).step_by(ROWS) {
        let chunk = rows.slice(first..rows.rows().min(first + ROWS))?;
        let shape = [&[chunk.rows()], row_shape.as_slice()].concat();
        let mut image = to_tensor(&chunk, dtype, device)?.reshape(shape)?;
        let mut log_det = Tensor::zeros(chunk.rows(), dtype, device)?;
        for part in parts {
            let next = part.bijection().forward(&image, &mut pass)?;
            log_det = (log_det + next.log_det()?)?;
            image = next.value;
        }
        let log_prob = (base.log_prob(&image, &mut pass)? + log_det)?;
        total -= log_prob.to_dtype(DType::F64)?.sum_all()?.to_scalar::<f64>()?;
    }
    Ok(Some(total / rows.rows() as f64))
}

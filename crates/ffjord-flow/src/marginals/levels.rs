//! Maps of numbers with whole levels that uniform noise was added to, as pixels are.

use super::MarginalMaps;
use super::curve::{Curve, Kind};
use crate::error::{FlowError, Result};
use crate::normal::quantile;
use candle_core::{DType, Device};

/// What lies beyond each end, where no dequantised level is.
const BEYOND: f64 = 1e-9;

/// The slope out there: samples from beyond the ends stay next to them.
const TAIL_SLOPE: f64 = 1e3;

impl MarginalMaps {
    /// The identity on rows of `shape`, images `[C, H, W]` for example, with room for the maps of so many levels.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_flow::{Density, Flow, MarginalMaps, Pass};
    /// use rand::SeedableRng;
    ///
    /// // One image of two pixels with two levels: the first is bright in three of four images, the second in one.
    /// let maps = MarginalMaps::of_levels(&[1, 1, 2], 2, DType::F64, &Device::Cpu)?;
    /// maps.refit_levels(&[0.25, 0.75, 0.75, 0.25])?;
    /// let flow = Flow::over_normal(maps)?;
    /// let x = Tensor::new(&[0.6, 0.1], &Device::Cpu)?.reshape((1, 1, 1, 2))?; // (k + u) / 2
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let log_prob = flow.log_prob(&x, &mut Pass::evaluation(&mut rng))?.to_vec1::<f64>()?;
    /// // The density of a level is its probability over its width.
    /// assert!((log_prob[0] - (1.5f64 * 1.5).ln()).abs() < 1e-6);
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless there are numbers and 2 to 65,535 levels.
    pub fn of_levels(shape: &[usize], levels: usize, dtype: DType, device: &Device) -> Result<Self> {
        if levels < 2 {
            return Err(FlowError::invalid("levels of marginal maps", levels, "at least 2"));
        }
        let maps = Self::new(shape.iter().product(), levels + 1, dtype, device)?;
        Ok(Self {
            row_shape: shape.to_vec(),
            ..maps
        })
    }

    /// Sets the maps to `Φ⁻¹ ∘ F` for numbers `(k + u) / L` with u uniform on [0, 1) and levels k of the given
    /// probabilities `[D, L]`: what `of_levels` made room for. Each row is divided by its sum.
    ///
    /// Against a standard normal the log-density is then that of independent levels, exactly: the bound of uniform
    /// dequantisation is tight for it.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless there is a positive, finite number for every level of every column.
    pub fn refit_levels(&self, probabilities: &[f64]) -> Result<()> {
        let columns: usize = self.row_shape.iter().product();
        let levels = self.knots.var.dim(1)? - 1;
        let usable = |probability: &f64| *probability > 0.0 && probability.is_finite();
        if probabilities.len() != columns * levels || !probabilities.iter().all(usable) {
            return Err(FlowError::invalid(
                "probabilities of levels",
                format!("{} numbers", probabilities.len()),
                "a positive, finite number for each level of each column, `[D, L]`",
            ));
        }
        let single = self.knots.var.dtype() != DType::F64;
        let curves = probabilities.chunks_exact(levels).map(|levels| curve(levels, single));
        self.set(&curves.collect::<Result<Vec<_>>>()?)
    }
}

/// The steps of one column's levels.
fn curve(probabilities: &[f64], single: bool) -> Result<Curve> {
    let levels = probabilities.len();
    let inner = (1.0 - 2.0 * BEYOND) / probabilities.iter().sum::<f64>();
    // Summed from both ends, so that neither tail loses its digits.
    let sums = |masses: &mut dyn Iterator<Item = &f64>| -> Vec<f64> {
        let mut sum = BEYOND;
        let mut sums = vec![sum];
        sums.extend(masses.map(|mass| {
            sum += mass * inner;
            sum
        }));
        sums
    };
    let (below, above) = (sums(&mut probabilities.iter()), sums(&mut probabilities.iter().rev()));
    let mut images: Vec<f64> = (0..=levels).map(|k| quantile(below[k], above[levels - k])).collect();
    if single {
        // As they are stored, and rising still where a level has hardly any mass.
        let mut last = f32::NEG_INFINITY;
        for image in &mut images {
            last = (*image as f32).max(last.next_up());
            *image = f64::from(last);
        }
    }
    let knots = (0..=levels).map(|k| k as f64 / levels as f64).collect();
    Curve::new(Kind::Steps, knots, images, vec![TAIL_SLOPE; levels + 1])
}

//! What a U-Net knows of time.

use super::layers::{Dense, silu};
use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;

/// The highest angular frequency, and the ratio to the lowest: times from 0 to 1 are seen at both scales.
const HIGHEST: f64 = 100.0;
const RATIO: f64 = 1000.0;

/// Sines and cosines of time through two dense layers, `[R, 1] → [R, E]`.
#[derive(Debug)]
pub(super) struct TimeEmbedding {
    /// `[1, F]`.
    frequencies: Tensor,
    first: Dense,
    second: Dense,
}

impl TimeEmbedding {
    pub(super) fn new(width: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        let count = (width / 4).max(1);
        let frequency = |index: usize| HIGHEST * RATIO.powf(-(index as f64) / (count - 1).max(1) as f64);
        let frequencies: Vec<f64> = (0..count).map(frequency).collect();
        let frequencies = Tensor::from_vec(frequencies, (1, count), &candle_core::Device::Cpu)?;
        builder.scoped("time", |builder| {
            Ok(Self {
                frequencies: frequencies.to_dtype(builder.dtype())?.to_device(builder.device())?,
                first: Dense::new("0", (2 * count, width), builder)?,
                second: Dense::new("1", (width, width), builder)?,
            })
        })
    }

    /// The embedding of one time `[1]`, or of `[B, 1]` with a time for each row.
    pub(super) fn apply(&self, t: &Dual) -> Result<Dual> {
        let angles = t.map_rows(|t| Ok(t.reshape(((), 1))?.broadcast_mul(&self.frequencies)?))?;
        let (sine, cosine) = (angles.value()?.sin()?, angles.value()?.cos()?);
        let waves = Tensor::cat(&[&sine, &cosine], 1)?;
        // Of both at once: the derivatives stand beside each other as the waves do.
        let twice = angles.map_rows(|angles| Ok(Tensor::cat(&[angles, angles], 1)?))?;
        let waves = twice.chain(&waves, || Ok(Tensor::cat(&[&cosine, &sine.neg()?], 1)?))?;
        silu(&self.second.apply(&silu(&self.first.apply(&waves)?)?)?)
    }
}

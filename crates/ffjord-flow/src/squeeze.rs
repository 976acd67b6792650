//! Pixels that become channels.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use candle_core::Tensor;
use ffjord_nn::{Parameter, ops};

/// Every cell of r × r pixels as r² channels, `[B, C, rH, rW] → [B, C r², H, W]`: pixel (i, j) of a cell of channel c goes
/// to channel `(c r + i) r + j` (Dinh et al. 2017, section 3.6, in the order of the original implementation). No volume
/// changes. Two squeezes with cells of 2 are not one with cells of 4: the channels have another order.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Pass, Squeeze};
/// use rand::SeedableRng;
///
/// let squeeze = Squeeze::new(&[1, 2, 4], 2)?;
/// assert_eq!(squeeze.output_shape(), [4, 1, 2]);
/// let x = Tensor::arange(0f64, 8.0, &Device::Cpu)?.reshape((1, 1, 2, 4))?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let z = squeeze.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// assert_eq!(z.flatten_all()?.to_vec1::<f64>()?, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Squeeze {
    factor: usize,
    input: [usize; 3],
    output: [usize; 3],
}

impl Squeeze {
    /// The map of images of `shape` `[C, H, W]` with cells of `factor` × `factor` pixels.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless the shape is that of images whose height and width are multiples of the factor.
    pub fn new(shape: &[usize], factor: usize) -> Result<Self> {
        match *shape {
            [channels, height, width]
                if factor > 0
                    && channels * height * width > 0
                    && height.is_multiple_of(factor)
                    && width.is_multiple_of(factor) =>
            {
                Ok(Self {
                    factor,
                    input: [channels, height, width],
                    output: [channels * factor * factor, height / factor, width / factor],
                })
            }
            _ => Err(FlowError::invalid(
                "squeeze",
                format!("rows of {shape:?} in cells of {factor}"),
                "images [C, H, W] whose height and width are multiples of the cells' side, which is at least 1",
            )),
        }
    }
}

impl Bijection for Squeeze {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.input)?;
        let value = ops::squeeze(x, self.factor)?;
        Ok(Transformed::new(
            value,
            Tensor::zeros(x.dim(0)?, x.dtype(), x.device())?,
        ))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.output)?;
        let value = ops::unsqueeze(z, self.factor)?;
        Ok(Transformed::new(
            value,
            Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?,
        ))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn input_shape(&self) -> &[usize] {
        &self.input
    }

    fn output_shape(&self) -> &[usize] {
        &self.output
    }
}

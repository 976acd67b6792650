//! Pixels with the mean 0.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::Result;
use crate::pass::Pass;
use candle_core::Tensor;
use ffjord_nn::Parameter;

/// `z = x − ½` for rows in [0, 1], which the original implementation puts in the place of a [`Logit`](crate::Logit) without
/// a margin. No volume changes.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Pass, ZeroMean};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[0.0, 0.75]], &Device::Cpu)?;
/// let z = ZeroMean::new(&[2])?.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(z.value.to_vec2::<f64>()?, [[-0.5, 0.25]]);
/// assert_eq!(z.log_det()?.to_vec1::<f64>()?, [0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ZeroMean {
    row_shape: Vec<usize>,
}

impl ZeroMean {
    /// The map of rows of this shape.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`](crate::FlowError::InvalidSetting) for a row without elements.
    pub fn new(row_shape: &[usize]) -> Result<Self> {
        channels::count(row_shape)?;
        Ok(Self {
            row_shape: row_shape.to_vec(),
        })
    }

    fn shifted(&self, input: &Tensor, by: f64) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        let log_det = Tensor::zeros(input.dim(0)?, input.dtype(), input.device())?;
        Ok(Transformed::new((input + by)?, log_det))
    }
}

impl Bijection for ZeroMean {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.shifted(x, -0.5)
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.shifted(z, 0.5)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

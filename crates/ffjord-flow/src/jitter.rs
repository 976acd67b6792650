//! Noise on what a flow is trained on.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::{FlowError, Result};
use crate::pass::{Pass, Purpose};
use candle_core::Tensor;
use ffjord_nn::Parameter;
use rand_distr::{Distribution, StandardNormal};

/// `z = x + σ ε` with `ε ~ N(0, I)` drawn anew in every training pass, and `z = x` in every other.
///
/// What comes after it is trained on the data's density smoothed with a width of σ, so that few rows are not learnt by heart
/// (Webb 1994, *Functional approximation by feed-forward networks*; Rothfuss et al. 2019, *Noise regularization for
/// conditional density estimation*). What it is evaluated on stays as it is: likelihoods are those of the data.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Jitter, Pass};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (jitter, x) = (Jitter::new(&[2], 0.1)?, Tensor::new(&[[1.0, 2.0]], &Device::Cpu)?);
/// let trained_on = jitter.forward(&x, &mut Pass::training(&mut rng))?.value;
/// assert_ne!(trained_on.to_vec2::<f64>()?, [[1.0, 2.0]]);
/// let evaluated = jitter.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// assert_eq!(evaluated.to_vec2::<f64>()?, [[1.0, 2.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Jitter {
    row_shape: Vec<usize>,
    deviation: f64,
}

impl Jitter {
    /// Noise with this standard deviation on rows of this shape.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements, or a deviation that is negative or no number.
    pub fn new(row_shape: &[usize], deviation: f64) -> Result<Self> {
        channels::count(row_shape)?;
        if !(deviation >= 0.0 && deviation.is_finite()) {
            return Err(FlowError::invalid(
                "standard deviation of noise",
                deviation,
                "a finite number from 0",
            ));
        }
        Ok(Self {
            row_shape: row_shape.to_vec(),
            deviation,
        })
    }
}

impl Bijection for Jitter {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let log_det = Tensor::zeros(x.dim(0)?, x.dtype(), x.device())?;
        if pass.purpose() != Purpose::Training {
            return Ok(Transformed::new(x.clone(), log_det));
        }
        let noise: Vec<f64> = StandardNormal.sample_iter(pass.rng()).take(x.elem_count()).collect();
        let noise = Tensor::from_vec(noise, x.shape(), x.device())?.to_dtype(x.dtype())?;
        Ok(Transformed::new((x + (noise * self.deviation)?)?, log_det))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        Ok(Transformed::new(z.clone(), log_det))
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

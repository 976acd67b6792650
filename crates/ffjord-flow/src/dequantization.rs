//! Variational dequantisation: noise within the levels that a flow draws, not a uniform distribution.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::chain::Chain;
use crate::density::Density;
use crate::error::{FlowError, Result};
use crate::image_coupling::{ImageCoupling, ImageCouplingConfig, ImageMask};
use crate::pass::Pass;
use crate::standard_normal::StandardNormal;
use crate::transform::Affine;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{ActivationKind, Parameter};
use rand::RngCore;
use std::f64::consts::FRAC_1_SQRT_2;
use std::sync::Arc;

/// What a [`VariationalDequantization`] is made of.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{DequantizationConfig, VariationalDequantization};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (shape, hidden, activation) = ([1, 4, 4], vec![8], ActivationKind::Softplus);
/// let config = DequantizationConfig { shape, levels: 1, couplings: 2, hidden, activation };
/// // One level is no image.
/// let refused = VariationalDequantization::new(&config, &mut rng, DType::F32, &Device::Cpu).unwrap_err().to_string();
/// assert!(refused.contains("levels of variational dequantisation = 1"), "{refused}");
/// let grey = DequantizationConfig { levels: 256, ..config };
/// assert!(VariationalDequantization::new(&grey, &mut rng, DType::F32, &Device::Cpu).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DequantizationConfig {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// L, how many levels a pixel can have.
    pub levels: usize,
    /// Couplings of checkerboards that the noise passes through, beside a first map of every pixel by itself.
    pub couplings: usize,
    /// The channels of each network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity of the networks.
    pub activation: ActivationKind,
}

/// The noise of a flow q(u | k) on images with levels k, as the first part of a flow of `x = (k + u) / L` (Ho et al. 2019,
/// eq. 12):
///
/// ```text
/// ln P(k) ≥ E_q [ ln p((k + u) / L) − ln q(u | k) ] − D ln L.
/// ```
///
/// Forward it takes rows with any noise, keeps their levels and draws other noise, with `−ln q(u | k)` in place of the
/// log-determinant: what a flow then calls its log-density is one sample of the bound, plus `D ln L`, as it is with
/// uniform noise, for which q = 1. Here `u = Φ(h)`, where h is standard normal noise behind affine couplings whose networks
/// see the levels; since they begin as the identity, u begins as uniform, and training can only tighten the bound.
///
/// **It is no bijection.** Forward draws random numbers; backwards, rows stay as they are, which is what samples need.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, DequantizationConfig, Pass, VariationalDequantization};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = DequantizationConfig {
///     shape: [1, 2, 2],
///     levels: 16,
///     couplings: 2,
///     hidden: vec![8],
///     activation: ActivationKind::Softplus,
/// };
/// let dequantization = VariationalDequantization::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// let x = Tensor::full(3.5 / 16.0, (5, 1, 2, 2), &Device::Cpu)?;
/// let y = dequantization.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// let levels = (y.value * 16.0)?.floor()?.flatten_all()?.to_vec1::<f64>()?;
/// assert!(levels.iter().all(|level| *level == 3.0));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct VariationalDequantization {
    shape: [usize; 3],
    levels: usize,
    noise: StandardNormal,
    flow: Chain,
}

impl VariationalDequantization {
    /// Uniform noise at first; hidden weights are drawn from `rng`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for fewer than 2 levels or images without pixels, and [`FlowError::Network`] for
    /// networks without channels.
    pub fn new(config: &DequantizationConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        if config.levels < 2 {
            return Err(FlowError::invalid(
                "levels of variational dequantisation",
                config.levels,
                "at least 2",
            ));
        }
        let masks = [ImageMask::Odd, ImageMask::Even].into_iter().cycle();
        let masks = std::iter::once(ImageMask::All).chain(masks.take(config.couplings));
        let coupling = |mask| -> Result<Box<dyn Bijection>> {
            let coupling = ImageCouplingConfig {
                shape: config.shape,
                mask,
                condition: config.shape[0],
                hidden: config.hidden.clone(),
                activation: config.activation,
                transform: Arc::new(Affine),
            };
            Ok(Box::new(ImageCoupling::new(&coupling, rng, dtype, device)?))
        };
        Ok(Self {
            shape: config.shape,
            levels: config.levels,
            noise: StandardNormal::new(&config.shape, dtype, device)?,
            flow: Chain::new(masks.map(coupling).collect::<Result<_>>()?)?,
        })
    }
}

/// Φ(h), element by element.
fn distribution(h: &Tensor) -> Result<Tensor> {
    Ok(((h * FRAC_1_SQRT_2)?.erf()? * 0.5)?.affine(1.0, 0.5)?)
}

impl Bijection for VariationalDequantization {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.shape)?;
        let levels = self.levels as f64;
        let level = (x.detach() * levels)?.floor()?.clamp(0.0, levels - 1.0)?;
        // From −1 to 1, as the networks see it.
        let seen = level.affine(2.0 / levels, 1.0 / levels - 1.0)?.flatten_from(1)?;
        let noise = self.noise.sample(x.dim(0)?, pass)?;
        let given = pass.condition().cloned();
        pass.set_given(Some(seen));
        let moved = self.flow.forward(&noise, pass);
        pass.set_given(given);
        let moved = moved?;
        // q(u) = N(ε) / (|dh/dε| φ(h)), and the constants of N and φ are the same.
        let squares = |h: &Tensor| h.sqr()?.flatten_from(1)?.sum(1);
        let log_ratio = ((squares(&noise)? - squares(&moved.value)?)? * 0.5)?;
        let value = ((level + distribution(&moved.value)?)? / levels)?;
        Ok(Transformed::new(value, (moved.log_det()? + log_ratio)?))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.shape)?;
        let none = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        Ok(Transformed::new(z.clone(), none))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.flow
            .parameters()
            .iter()
            .map(|parameter| parameter.under("dequantization"))
            .collect()
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }
}

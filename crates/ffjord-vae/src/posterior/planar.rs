//! Planar flows.

use super::Posterior;
use crate::error::{Result, check_positive};
use crate::layers::Linear;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::{Parameter, ParameterBuilder, ops};
use rand::RngCore;

/// K planar flows `z ← z + û tanh(wᵀz + b)` with `û = u + (softplus(wᵀu) − 1 − wᵀu) w/‖w‖²`, so that they are invertible
/// (Rezende and Mohamed 2015, eq. 10 and A.1); u, w and b are linear in the features.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::Pass;
/// use ffjord_vae::{Planar, Posterior};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let planar = Planar::new(2, 3, 4, &mut rng, DType::F64, &Device::Cpu)?;
/// let features = Tensor::new(&[[0.1, 0.2, 0.3]], &Device::Cpu)?;
/// assert_eq!(planar.numbers(&features)?.w.dims(), &[1, 4, 2]);
/// // The log-determinant beside differences.
/// let mut end = |z: [f64; 2]| {
///     let z = Tensor::new(&[z], &Device::Cpu)?;
///     planar.transform(&z, &features, &mut Pass::evaluation(&mut rng))
/// };
/// let log_det = end([0.3, -0.7])?.log_det()?.to_vec1::<f64>()?[0];
/// let mut column = |plus, minus| -> ffjord_vae::Result<Vec<f64>> {
///     Ok(((end(plus)?.value - end(minus)?.value)? / 2e-5)?.squeeze(0)?.to_vec1()?)
/// };
/// let (a, b) = (column([0.30001, -0.7], [0.29999, -0.7])?, column([0.3, -0.69999], [0.3, -0.70001])?);
/// assert!(((a[0] * b[1] - a[1] * b[0]).ln() - log_det).abs() < 1e-8);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Planar {
    flows: usize,
    latent: usize,
    u: Linear,
    w: Linear,
    b: Linear,
    parameters: Vec<Parameter>,
}

/// The numbers of K planar flows for each row: u and w `[B, K, D]`, b `[B, K]`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_vae::{Planar, posterior::PlanarNumbers};
/// // One flow on one number with u = 0, w = 1 and b = 0: û = ln 2 − 1, and the slope at 0 is 1 + û.
/// let (zero, one) = (Tensor::new(&[[[0.0]]], &Device::Cpu)?, Tensor::new(&[[[1.0]]], &Device::Cpu)?);
/// let numbers = PlanarNumbers { u: zero, w: one, b: Tensor::new(&[[0.0]], &Device::Cpu)? };
/// let end = Planar::apply(&Tensor::new(&[[0.0]], &Device::Cpu)?, &numbers)?;
/// assert!((end.log_det()?.to_vec1::<f64>()?[0] - 2f64.ln().ln()).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PlanarNumbers {
    /// `[B, K, D]`.
    pub u: Tensor,
    /// `[B, K, D]`.
    pub w: Tensor,
    /// `[B, K]`.
    pub b: Tensor,
}

impl Planar {
    /// So many flows on states of `latent` numbers, with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for a size of 0.
    pub fn new(
        latent: usize,
        features: usize,
        flows: usize,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_positive("the number of flows", flows)?;
        check_positive("the latent dimension", latent)?;
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        Ok(Self {
            flows,
            latent,
            u: Linear::new("amor_u", features, flows * latent, &mut builder)?,
            w: Linear::new("amor_w", features, flows * latent, &mut builder)?,
            b: Linear::new("amor_b", features, flows, &mut builder)?,
            parameters: builder.finish(),
        })
    }

    /// The numbers that features `[B, F]` give.
    ///
    /// # Errors
    /// When the features do not fit.
    pub fn numbers(&self, features: &Tensor) -> Result<PlanarNumbers> {
        let shape = (features.dim(0)?, self.flows, self.latent);
        Ok(PlanarNumbers {
            u: self.u.apply(features)?.reshape(shape)?,
            w: self.w.apply(features)?.reshape(shape)?,
            b: self.b.apply(features)?,
        })
    }

    /// z_k and the log-determinants with these numbers.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn apply(z: &Tensor, numbers: &PlanarNumbers) -> Result<Transformed> {
        let mut z = z.clone();
        let mut log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        for flow in 0..numbers.u.dim(1)? {
            let of_flow = |numbers: &Tensor| numbers.narrow(1, flow, 1)?.squeeze(1);
            let (u, w, b) = (
                of_flow(&numbers.u)?,
                of_flow(&numbers.w)?,
                numbers.b.narrow(1, flow, 1)?,
            );
            let along = (&w * &u)?.sum_keepdim(1)?;
            let wanted = ((ops::softplus(&along)? - 1.0)? - &along)?;
            let u = (u + w.broadcast_mul(&(wanted / w.sqr()?.sum_keepdim(1)?)?)?)?;
            let h = ops::tanh(&((&w * &z)?.sum_keepdim(1)? + b)?)?;
            z = (z + u.broadcast_mul(&h)?)?;
            let slope = (h.sqr()?.neg()? + 1.0)?;
            let determinant = ((slope * (&w * &u)?.sum_keepdim(1)?)? + 1.0)?;
            log_det = (log_det + determinant.abs()?.log()?.squeeze(1)?)?;
        }
        Ok(Transformed::new(z, log_det))
    }
}

impl Posterior for Planar {
    fn transform(&self, z: &Tensor, features: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        Self::apply(z, &self.numbers(features)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

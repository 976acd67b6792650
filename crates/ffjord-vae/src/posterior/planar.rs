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

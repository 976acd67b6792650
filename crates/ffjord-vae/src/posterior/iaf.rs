//! Inverse autoregressive flows.

use super::Posterior;
use crate::error::{Result, VaeError, check_positive};
use crate::layers::Linear;
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Pass, Transformed};
use ffjord_nn::{Parameter, ParameterBuilder, ops};
use rand::RngCore;

/// K inverse autoregressive flows `z ← g ⊙ z + (1 − g) ⊙ m` with m and `g = σ(s + 1)` from a masked network of z that the
/// features enter behind its first layer (Kingma et al. 2016, algorithm 1, as the released code of Sylvester flows has it).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::Iaf;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let iaf = Iaf::new(2, 3, 1, 4, &mut rng, (DType::F64, &Device::Cpu))?;
/// let context = iaf.context(&Tensor::new(&[[0.1, 0.2, 0.3]], &Device::Cpu)?)?;
/// assert_eq!(context.dims(), &[1, 4]);
/// let image = |z: [f64; 2]| iaf.apply(&Tensor::new(&[z], &Device::Cpu)?, &context);
/// // The first number depends on nothing that follows it.
/// let (at, moved) = (image([0.5, 0.0])?.value.to_vec2::<f64>()?, image([0.5, 1.0])?.value.to_vec2::<f64>()?);
/// assert!(at[0][0] == moved[0][0] && at[0][1] != moved[0][1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Iaf {
    context: Linear,
    flows: Vec<[Masked; 4]>,
    parameters: Vec<Parameter>,
}

/// `x (mask ⊙ W) + b` with W `[i, o]`.
#[derive(Debug)]
struct Masked {
    weight: Var,
    bias: Var,
    mask: Tensor,
}

impl Masked {
    /// Weights normal with the variance 2/o, biases 0; `strict` leaves out a block's own inputs.
    fn new(
        index: usize,
        (inputs, outputs): (usize, usize),
        strict: bool,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let mask = mask(inputs, outputs, strict);
        let mask = Tensor::from_vec(mask, (inputs, outputs), builder.device())?.to_dtype(builder.dtype())?;
        let deviation = (2.0 / outputs as f64).sqrt();
        let name = |number: usize| format!("flow.param_list.{number}");
        Ok(Self {
            weight: builder.normal(&name(2 * index), (inputs, outputs), deviation)?,
            bias: builder.constant(&name(2 * index + 1), outputs, 0.0)?,
            mask,
        })
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let weight = (self.weight.as_tensor() * &self.mask)?.t()?.contiguous()?;
        Ok(ops::linear(x, &weight, &self.bias, x.dim(0)?)?)
    }
}

/// `[i, o]`: input p reaches output q if `⌊p M/i⌋ ≤ ⌊q M/o⌋`, or `<` where strict, with M = min(i, o).
fn mask(inputs: usize, outputs: usize, strict: bool) -> Vec<f64> {
    let blocks = inputs.min(outputs);
    let pairs = (0..inputs).flat_map(|p| (0..outputs).map(move |q| (p * blocks / inputs, q * blocks / outputs)));
    let reaches = pairs.map(|(p, q)| if strict { p < q } else { p <= q });
    reaches.map(|reaches| if reaches { 1.0 } else { 0.0 }).collect()
}

impl Iaf {
    /// So many flows on states of `latent` numbers with hidden layers of `hidden` units, drawn from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`] for a size of 0, or unless one of `latent` and `hidden` divides the other.
    pub fn new(
        latent: usize,
        features: usize,
        flows: usize,
        hidden: usize,
        rng: &mut dyn RngCore,
        (dtype, device): (DType, &Device),
    ) -> Result<Self> {
        check_positive("the number of flows", flows)?;
        check_positive("the latent dimension", latent)?;
        check_positive("the width of a hidden layer", hidden)?;
        if !hidden.is_multiple_of(latent) && !latent.is_multiple_of(hidden) {
            return Err(VaeError::InvalidSetting {
                setting: "the width of a hidden layer",
                given: hidden.to_string(),
                accepted: "a multiple or a divisor of the latent dimension",
            });
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let context = Linear::new("h_context", features, hidden, &mut builder)?;
        let flows = (0..flows).map(|flow| {
            let first = 4 * flow;
            Ok([
                Masked::new(first, (latent, hidden), false, &mut builder)?,
                Masked::new(first + 1, (hidden, hidden), false, &mut builder)?,
                Masked::new(first + 2, (hidden, latent), true, &mut builder)?,
                Masked::new(first + 3, (hidden, latent), true, &mut builder)?,
            ])
        });
        let flows = flows.collect::<Result<_>>()?;
        Ok(Self {
            context,
            flows,
            parameters: builder.finish(),
        })
    }

    /// What the features `[B, F]` add behind the first layer, `[B, H]`.
    ///
    /// # Errors
    /// When the features do not fit.
    pub fn context(&self, features: &Tensor) -> Result<Tensor> {
        self.context.apply(features)
    }

    /// z_k and the log-determinants in this context.
    ///
    /// # Errors
    /// When the shapes do not fit together.
    pub fn apply(&self, z: &Tensor, context: &Tensor) -> Result<Transformed> {
        let mut z = z.clone();
        let mut log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        for (index, [first, hidden, mean, gate]) in self.flows.iter().enumerate() {
            if index % 2 == 1 {
                z = z.flip(&[1])?;
            }
            let h = (ops::elu(&first.apply(&z)?)? + context)?;
            let h = ops::elu(&hidden.apply(&h)?)?;
            let shifted = (gate.apply(&h)? + 1.0)?;
            let g = ops::sigmoid(&shifted)?;
            let mean = mean.apply(&h)?;
            z = (((z - &mean)? * &g)? + &mean)?;
            // ln σ(s) without the division by a sigmoid that may be 0.
            log_det = (log_det - ops::softplus(&shifted.neg()?)?.sum(1)?)?;
        }
        Ok(Transformed::new(z, log_det))
    }
}

impl Posterior for Iaf {
    fn transform(&self, z: &Tensor, features: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(z, &self.context(features)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

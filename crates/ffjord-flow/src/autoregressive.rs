//! Autoregressive maps: every column is transformed by what the columns before it say.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::condition::beside;
use crate::error::Result;
use crate::pass::{Pass, Purpose};
use crate::transform::ColumnTransform;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{ActivationKind, AutoregressiveConfig, FeedForward, Parameter, ParameterBuilder};
use rand::RngCore;
use std::sync::Arc;

/// What an [`Autoregressive`] map is made of.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Affine, Autoregressive, AutoregressiveFlowConfig, Bijection, FlowError, Pass};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (hidden, activation, transform) = (vec![8], ActivationKind::Tanh, Arc::new(Affine));
/// let config = AutoregressiveFlowConfig { dimension: 2, condition: 3, hidden, activation, transform };
/// let map = Autoregressive::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// assert_eq!(map.given_len(), 3);
/// // What each row is given must be there.
/// let x = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let without = map.forward(&x, &mut Pass::evaluation(&mut rng));
/// assert!(matches!(without, Err(FlowError::MissingCondition { width: 3 })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AutoregressiveFlowConfig {
    /// The columns D.
    pub dimension: usize,
    /// The columns of the condition, 0 for none.
    pub condition: usize,
    /// The widths of the masked network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity between the network's layers.
    pub activation: ActivationKind,
    /// What is done to every column.
    pub transform: Arc<dyn ColumnTransform>,
}

/// `z_d = g(x_d; θ_d(x_1, …, x_{d−1}, c))` with one masked network for all θ (MADE).
///
/// With an affine transform and a standard normal base, the density is MADE's product of Gaussians
/// `p(x_d | x_1, …, x_{d−1})`, and several of them in a chain are a masked autoregressive flow (Papamakarios et al. 2017,
/// eq. 3 to 5). `forward` takes one evaluation of the network, `inverse` takes D.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{Affine, Autoregressive, AutoregressiveFlowConfig, Density, Flow, Pass};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = AutoregressiveFlowConfig {
///     dimension: 3,
///     condition: 0,
///     hidden: vec![16],
///     activation: ActivationKind::Tanh,
///     transform: Arc::new(Affine),
/// };
/// let flow = Flow::over_normal(Autoregressive::new(&config, &mut rng, DType::F32, &Device::Cpu)?)?;
/// let samples = flow.sample(5, &mut Pass::sampling(&mut rng))?;
/// assert_eq!(flow.log_prob(&samples, &mut Pass::evaluation(&mut rng))?.dims(), [5]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct Autoregressive {
    row_shape: [usize; 1],
    condition: usize,
    network: FeedForward,
    transform: Arc<dyn ColumnTransform>,
    parameters: Vec<Parameter>,
}

impl Autoregressive {
    /// The identity at first, but for rounding; hidden weights are drawn from `rng`.
    ///
    /// # Errors
    /// [`FlowError::Network`](crate::FlowError::Network) when a width is 0.
    pub fn new(
        config: &AutoregressiveFlowConfig,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let network = AutoregressiveConfig {
            dimension: config.dimension,
            condition: config.condition,
            hidden: config.hidden.clone(),
            outputs_per_column: config.transform.parameter_count(),
            activation: config.activation,
        };
        Ok(Self {
            row_shape: [config.dimension],
            condition: config.condition,
            network: FeedForward::autoregressive(&network, &mut builder)?,
            transform: config.transform.clone(),
            parameters: builder.finish(),
        })
    }

    /// The parameters `[B, D, P]` that the columns of `x` have.
    fn column_parameters(&self, x: &Tensor, pass: &Pass<'_>) -> Result<Tensor> {
        let shape = (x.dim(0)?, self.row_shape[0], self.transform.parameter_count());
        let output = self.network.apply(&beside(x, pass.condition(), self.condition)?)?;
        Ok(output.reshape(shape)?)
    }
}

impl Bijection for Autoregressive {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let (value, log_slope) = self.transform.forward(x, &self.column_parameters(x, pass)?)?;
        Ok(transformed(value, &log_slope)?)
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        // Each round sets one more column right, and its slope with it: column d needs the d − 1 before it.
        let (mut x, mut log_slope) = (z.zeros_like()?, z.zeros_like()?);
        for _ in 0..self.row_shape[0] {
            (x, log_slope) = self.transform.inverse(z, &self.column_parameters(&x, pass)?)?;
            if pass.purpose() != Purpose::Training {
                // A graph of D networks, which nothing asks for.
                (x, log_slope) = (x.detach(), log_slope.detach());
            }
        }
        Ok(transformed(x, &log_slope)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn given_len(&self) -> usize {
        self.condition
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }
}

fn transformed(value: Tensor, log_slope: &Tensor) -> candle_core::Result<Transformed> {
    Ok(Transformed::new(value, log_slope.sum(1)?))
}

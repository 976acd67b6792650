//! The discrete flows of the literature, as chains of the parts here.

use crate::act_norm::ActNorm;
use crate::autoregressive::{Autoregressive, AutoregressiveFlowConfig};
use crate::batch_norm::MovingBatchNorm;
use crate::bijection::Bijection;
use crate::coupling::{Coupling, CouplingConfig};
use crate::error::{FlowError, Result};
use crate::linear::LuLinear;
use crate::permutation::Permutation;
use crate::transform::{Affine, ColumnTransform, RationalQuadraticSpline};
use candle_core::{DType, Device};
use ffjord_nn::ActivationKind;
use rand::RngCore;
use std::sync::Arc;

/// A discrete flow of the literature.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Architecture, Bijection, Chain, DiscreteFlowConfig, Pass};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (hidden, activation) = (vec![8], ActivationKind::Relu);
/// let config = DiscreteFlowConfig { dimension: 2, condition: 0, blocks: 2, hidden, activation };
/// let x = Tensor::new(&[[0.3, -0.7]], &Device::Cpu)?;
/// for architecture in [Architecture::RealNvp, Architecture::Glow, Architecture::Maf] {
///     let parts = architecture.parts(&config, &mut rng, DType::F64, &Device::Cpu)?;
///     let flow = Chain::new(parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijection>).collect())?;
///     let z = flow.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
///     let back = flow.inverse(&z, &mut Pass::evaluation(&mut rng))?.value;
///     assert!((back - &x)?.abs()?.sum_all()?.to_scalar::<f64>()? < 1e-9);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Architecture {
    /// Affine couplings of alternating columns, batch normalisation after each (Dinh et al. 2017).
    RealNvp,
    /// Steps of activation normalisation, a random order with an LU-factored linear map, and an affine coupling of
    /// alternating columns (Kingma and Dhariwal 2018, for vectors).
    Glow,
    /// One autoregressive product of Gaussians (Germain et al. 2015); its number of blocks is 1.
    Made,
    /// Autoregressive products of Gaussians, the order reversed from one to the next, batch normalisation after each
    /// (Papamakarios et al. 2017).
    Maf,
    /// Steps of a random order with an LU-factored linear map and a coupling of rational-quadratic splines, and a last
    /// linear map (Durkan et al. 2019, RQ-NSF (C), with plain instead of residual networks).
    Spline(RationalQuadraticSpline),
}

/// The sizes of a discrete flow.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{Architecture, DiscreteFlowConfig};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (hidden, activation) = (vec![8], ActivationKind::Relu);
/// let config = DiscreteFlowConfig { dimension: 4, condition: 0, blocks: 3, hidden, activation };
/// // A coupling and a batch normalisation each.
/// assert_eq!(Architecture::RealNvp.parts(&config, &mut rng, DType::F32, &Device::Cpu)?.len(), 6);
/// // One column leaves nothing that could decide how it is transformed.
/// let alone = DiscreteFlowConfig { dimension: 1, ..config };
/// assert!(Architecture::RealNvp.parts(&alone, &mut rng, DType::F32, &Device::Cpu).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscreteFlowConfig {
    /// The columns D.
    pub dimension: usize,
    /// The columns of the condition, 0 for none.
    pub condition: usize,
    /// The couplings, steps or autoregressive maps; at least 1.
    pub blocks: usize,
    /// The widths of each network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity of the networks.
    pub activation: ActivationKind,
}

type Parts = Vec<Arc<dyn Bijection>>;

impl Architecture {
    /// The parts of a [`Chain`](crate::Chain), the first nearest to the data; weights are drawn from `rng`.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_flow::{Architecture, Bijection, Chain, DiscreteFlowConfig};
    /// use ffjord_nn::ActivationKind;
    /// use rand::SeedableRng;
    ///
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let config = DiscreteFlowConfig {
    ///     dimension: 3,
    ///     condition: 0,
    ///     blocks: 4,
    ///     hidden: vec![16, 16],
    ///     activation: ActivationKind::Relu,
    /// };
    /// let parts = Architecture::Maf.parts(&config, &mut rng, DType::F32, &Device::Cpu)?;
    /// let flow = Chain::new(parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijection>).collect())?;
    /// assert_eq!(flow.input_shape(), &[3]);
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] or [`FlowError::Network`] when a size is outside its range: coupling flows need at
    /// least two columns or a condition.
    pub fn parts(
        &self,
        config: &DiscreteFlowConfig,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Parts> {
        let single = matches!(self, Self::Made);
        if config.blocks == 0 || (single && config.blocks != 1) {
            return Err(FlowError::invalid(
                "blocks of a discrete flow",
                config.blocks,
                if single { "1 for MADE" } else { "at least 1" },
            ));
        }
        let mut builder = Builder {
            config,
            rng,
            dtype,
            device,
            parts: Vec::new(),
        };
        for block in 0..config.blocks {
            match self {
                Self::RealNvp => {
                    builder.coupling(block, Arc::new(Affine))?;
                    builder.batch_norm()?;
                }
                Self::Glow => {
                    builder.act_norm()?;
                    builder.linear()?;
                    builder.coupling(block, Arc::new(Affine))?;
                }
                Self::Made => builder.autoregressive()?,
                Self::Maf => {
                    if block > 0 {
                        builder.reversal()?;
                    }
                    builder.autoregressive()?;
                    builder.batch_norm()?;
                }
                Self::Spline(spline) => {
                    builder.linear()?;
                    builder.coupling(block, Arc::new(*spline))?;
                }
            }
        }
        if matches!(self, Self::Spline(_)) {
            builder.linear()?;
        }
        Ok(builder.parts)
    }
}

struct Builder<'a> {
    config: &'a DiscreteFlowConfig,
    rng: &'a mut dyn RngCore,
    dtype: DType,
    device: &'a Device,
    parts: Parts,
}

impl Builder<'_> {
    /// Even blocks transform every second column from the second on, odd ones from the first on.
    fn coupling(&mut self, block: usize, transform: Arc<dyn ColumnTransform>) -> Result<()> {
        let config = CouplingConfig {
            transformed: (0..self.config.dimension)
                .map(|column| column % 2 != block % 2)
                .collect(),
            condition: self.config.condition,
            hidden: self.config.hidden.clone(),
            activation: self.config.activation,
            transform,
        };
        let coupling = Coupling::new(&config, self.rng, self.dtype, self.device)?;
        self.parts.push(Arc::new(coupling));
        Ok(())
    }

    fn autoregressive(&mut self) -> Result<()> {
        let config = AutoregressiveFlowConfig {
            dimension: self.config.dimension,
            condition: self.config.condition,
            hidden: self.config.hidden.clone(),
            activation: self.config.activation,
            transform: Arc::new(Affine),
        };
        let map = Autoregressive::new(&config, self.rng, self.dtype, self.device)?;
        self.parts.push(Arc::new(map));
        Ok(())
    }

    fn batch_norm(&mut self) -> Result<()> {
        let norm = MovingBatchNorm::of_batches(&[self.config.dimension], self.dtype, self.device)?;
        self.parts.push(Arc::new(norm));
        Ok(())
    }

    fn act_norm(&mut self) -> Result<()> {
        let norm = ActNorm::new(&[self.config.dimension], self.dtype, self.device)?;
        self.parts.push(Arc::new(norm));
        Ok(())
    }

    fn linear(&mut self) -> Result<()> {
        let dimension = &[self.config.dimension];
        let order = Permutation::random(dimension, self.rng, self.dtype, self.device)?;
        self.parts.push(Arc::new(order));
        self.parts
            .push(Arc::new(LuLinear::new(dimension, self.dtype, self.device)?));
        Ok(())
    }

    fn reversal(&mut self) -> Result<()> {
        let order = Permutation::reversed(&[self.config.dimension], self.dtype, self.device)?;
        self.parts.push(Arc::new(order));
        Ok(())
    }
}

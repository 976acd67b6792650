//! Fully connected vector fields.

use crate::activation::{Activation, ActivationKind};
use crate::bottleneck::Bottleneck;
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::fused::{self, FusedField};
use crate::layer::{self, LayerKind, Projection};
use crate::parameter::{Parameter, ParameterBuilder};
use crate::stack::Stack;
use candle_core::{DType, Device, Tensor};
use rand::RngCore;

/// The architecture of an [`Mlp`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MlpConfig {
    /// The state's dimension D.
    pub dimension: usize,
    /// The widths of the hidden layers; none gives a single layer without activation.
    pub hidden: Vec<usize>,
    /// How every layer depends on time.
    pub layer: LayerKind,
    /// The nonlinearity between layers.
    pub activation: ActivationKind,
}

/// A multi-layer perceptron `[B, D] → [B, D]` with time in every layer and no activation after the last.
///
/// Parameters are named as in the original implementation: `layers.0._layer.weight`, ….
#[derive(Debug)]
pub struct Mlp {
    config: MlpConfig,
    condition: usize,
    shape: [usize; 1],
    stack: Stack,
    bottleneck: Option<Bottleneck>,
    parameters: Vec<Parameter>,
    dtype: DType,
    device: Device,
}

impl Mlp {
    /// A network with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a width is 0.
    pub fn new(config: &MlpConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        Self::conditional(config, 0, rng, dtype, device)
    }

    /// A network with `condition` further inputs: its states are `[B, D + condition]`, of which the last columns do not
    /// move (see [`VectorField::condition_width`]).
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, VectorField};
    /// use rand::SeedableRng;
    ///
    /// let config = MlpConfig {
    ///     dimension: 2,
    ///     hidden: vec![16],
    ///     layer: LayerKind::Concat,
    ///     activation: ActivationKind::Tanh,
    /// };
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let field = Mlp::conditional(&config, 1, &mut rng, DType::F64, &Device::Cpu)?;
    /// let value = field.value(0.5, &Tensor::new(&[[0.3, -0.1, 7.0]], &Device::Cpu)?)?;
    /// assert_eq!(value.to_vec2::<f64>()?[0][2], 0.0);
    /// # Ok::<(), ffjord_nn::NnError>(())
    /// ```
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a width is 0.
    pub fn conditional(
        config: &MlpConfig,
        condition: usize,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        if config.dimension == 0 || config.hidden.contains(&0) {
            return Err(NnError::InvalidArchitecture {
                reason: format!(
                    "dimension {} with hidden widths {:?}: every width must be at least 1",
                    config.dimension, config.hidden
                ),
            });
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let mut widths = vec![config.dimension + condition];
        widths.extend_from_slice(&config.hidden);
        widths.push(config.dimension);
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                builder.scoped(format!("layers.{index}"), |builder| {
                    layer::build(config.layer, Projection::Dense, pair[0], pair[1], builder)
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let activation = Activation::new(config.activation, &mut builder)?;
        Ok(Self {
            config: config.clone(),
            condition,
            shape: [config.dimension + condition],
            stack: Stack { layers, activation },
            // The products at a bottleneck know of no condition.
            bottleneck: Bottleneck::narrowest(config.hidden.iter().map(|width| vec![*width]), config.dimension)
                .filter(|_| condition == 0),
            parameters: builder.finish(),
            dtype,
            device: device.clone(),
        })
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &MlpConfig {
        &self.config
    }
}

impl VectorField for Mlp {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn state_shape(&self) -> &[usize] {
        &self.shape
    }

    fn condition_width(&self) -> usize {
        self.condition
    }

    fn dual(&self, t: &Tensor, z: &Dual) -> Result<Dual> {
        self.stack.apply(t, z)?.pad_columns(self.condition)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor) -> Result<Tensor> {
        let derivative = self.stack.total_derivative(t, z, direction)?;
        Ok(derivative.pad_with_zeros(1, 0, self.condition)?)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        self.bottleneck.as_ref().map(Bottleneck::shape)
    }

    fn through_bottleneck(&self, t: &Tensor, z: &Tensor, probes: &Tensor) -> Result<(Tensor, Tensor)> {
        Bottleneck::through(self.bottleneck.as_ref(), &self.stack, t, z, probes)
    }

    fn fused(&self, residual: bool) -> Result<Option<FusedField>> {
        if !self.device.is_cpu() || self.condition > 0 {
            return Ok(None);
        }
        fused::pack_mlp(&self.config, residual, &self.parameters, self.dtype)
    }
}

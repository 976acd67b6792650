//! Fully connected vector fields.

use crate::activation::{Activation, ActivationKind};
use crate::bottleneck::Bottleneck;
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::layer::{self, LayerKind, Projection};
use crate::parameter::{Parameter, ParameterBuilder};
use crate::stack::Stack;
use candle_core::{DType, Device, Tensor};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// The architecture of an [`Mlp`]. Files may leave out all but the dimension.
///
/// ```
/// use ffjord_nn::{ActivationKind, MlpConfig};
///
/// let config = MlpConfig::new(2).hidden([32, 32]).activation(ActivationKind::Softplus);
/// assert_eq!((config.dimension, config.hidden.len(), config.given), (2, 2, 0));
/// let from_file: MlpConfig =
///     serde_json::from_str(r#"{"dimension": 2, "hidden": [32, 32], "activation": "softplus"}"#)?;
/// assert_eq!(from_file, config);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MlpConfig {
    /// The state's dimension D.
    pub dimension: usize,
    /// The columns of what every row is given beside its state; none unless set.
    #[serde(default)]
    pub given: usize,
    /// The widths of the hidden layers; none gives a single layer without activation. Two of 64 unless
    /// set.
    #[serde(default = "hidden")]
    pub hidden: Vec<usize>,
    /// How every layer depends on time; `concatsquash` unless set.
    #[serde(with = "crate::text", default = "layer")]
    pub layer: LayerKind,
    /// The nonlinearity between layers; tanh unless set.
    #[serde(with = "crate::text", default = "activation")]
    pub activation: ActivationKind,
}

fn hidden() -> Vec<usize> {
    vec![64, 64]
}

fn layer() -> LayerKind {
    LayerKind::ConcatSquash
}

fn activation() -> ActivationKind {
    ActivationKind::Tanh
}

impl MlpConfig {
    /// Two hidden layers of 64 units on states of this dimension, with `concatsquash` layers and tanh.
    #[must_use]
    pub fn new(dimension: usize) -> Self {
        Self {
            dimension,
            given: 0,
            hidden: hidden(),
            layer: layer(),
            activation: activation(),
        }
    }

    /// The same with a condition of so many columns, for densities p(x | c).
    #[must_use]
    pub fn given(mut self, columns: usize) -> Self {
        self.given = columns;
        self
    }

    /// The same with hidden layers of these widths.
    #[must_use]
    pub fn hidden(mut self, widths: impl Into<Vec<usize>>) -> Self {
        self.hidden = widths.into();
        self
    }

    /// The same with layers of this kind.
    #[must_use]
    pub fn layer(mut self, layer: LayerKind) -> Self {
        self.layer = layer;
        self
    }

    /// The same with this nonlinearity.
    #[must_use]
    pub fn activation(mut self, activation: ActivationKind) -> Self {
        self.activation = activation;
        self
    }
}

/// A multi-layer perceptron `[B, D] → [B, D]` with time in every layer and no activation after the last. What rows are
/// given, `[B, C]`, are further inputs of the first layer.
///
/// Parameters are named as in the original implementation: `layers.0._layer.weight`, ….
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).given(1), &mut rng, DType::F64, &Device::Cpu)?;
/// let (z, label) = (Tensor::new(&[[0.3, -0.1]], &Device::Cpu)?, Tensor::new(&[[7.0]], &Device::Cpu)?);
/// assert_eq!(field.value(0.5, &z, Some(&label))?.dims(), &[1, 2]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct Mlp {
    config: MlpConfig,
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
        if config.dimension == 0 || config.hidden.contains(&0) {
            return Err(NnError::InvalidArchitecture {
                reason: format!(
                    "dimension {} with hidden widths {:?}: every width must be at least 1",
                    config.dimension, config.hidden
                ),
            });
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let mut widths = vec![config.dimension + config.given];
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
            shape: [config.dimension],
            stack: Stack {
                layers,
                activation,
                squeezes: 0,
            },
            bottleneck: Bottleneck::narrowest(&hidden_shapes(config), config.dimension),
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

    pub(crate) fn stack(&self) -> &Stack {
        &self.stack
    }

    /// The kernel of the network cut behind so many layers; none where the network has none.
    pub(crate) fn kernel_cut_behind(&self, layers: usize) -> Result<Option<FieldKernel>> {
        if !self.device.is_cpu() {
            return Ok(None);
        }
        let (level, shape) = (SimdLevel::detect(), self.architecture()?);
        FieldKernel::of(
            &self.parameters,
            self.dtype,
            |numbers| ffjord_kernels::Bottleneck::new(MlpKernel::new(level, shape.clone(), numbers)?, layers),
            |numbers| ffjord_kernels::Bottleneck::new(MlpKernel::new(level, shape.clone(), numbers)?, layers),
        )
    }

    fn architecture(&self) -> Result<MlpArchitecture> {
        let mut dimensions = vec![self.config.dimension + self.config.given];
        dimensions.extend_from_slice(&self.config.hidden);
        dimensions.push(self.config.dimension);
        let (layer, activation) = (self.config.layer, self.config.activation);
        Ok(MlpArchitecture::new(&dimensions, layer, activation)?)
    }
}

/// The shape of every hidden state.
pub(crate) fn hidden_shapes(config: &MlpConfig) -> Vec<Vec<usize>> {
    config.hidden.iter().map(|width| vec![*width]).collect()
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

    fn given_len(&self) -> usize {
        self.config.given
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        self.stack.apply(t, z, given)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        self.stack.total_derivative(t, z, direction, given)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        self.bottleneck.as_ref().map(Bottleneck::shape)
    }

    fn through_bottleneck(
        &self,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        Bottleneck::through(self.bottleneck.as_ref(), &self.stack, t, z, given, probes)
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        if !self.device.is_cpu() {
            return Ok(None);
        }
        let (level, shape) = (SimdLevel::detect(), self.architecture()?);
        FieldKernel::of(
            &self.parameters,
            self.dtype,
            |numbers| MlpKernel::new(level, shape.clone(), numbers),
            |numbers| MlpKernel::new(level, shape.clone(), numbers),
        )
    }
}

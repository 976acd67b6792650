//! Convolutional vector fields.

use crate::activation::{Activation, ActivationKind};
use crate::bottleneck::Bottleneck;
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::layer::{self, LayerKind, Projection, Stride};
use crate::parameter::{Parameter, ParameterBuilder};
use crate::stack::Stack;
use candle_core::{DType, Device, Tensor};
use ffjord_kernels::convolution::{ConvArchitecture, ConvKernel};
use ffjord_kernels::simd::SimdLevel;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// The architecture of a [`ConvNet`].
///
/// ```
/// use ffjord_nn::{ConvNetConfig, Stride};
///
/// let config: ConvNetConfig = serde_json::from_str(
///     r#"{"channels": 1, "size": [8, 8], "hidden": [4, 4], "strides": [2, 1, -2], "layer": "concat",
///         "activation": "softplus"}"#,
/// )?;
/// assert_eq!(config.strides, [Stride::Halve, Stride::Keep, Stride::Double]);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConvNetConfig {
    /// The state's channels C.
    pub channels: usize,
    /// The state's height and width.
    pub size: (usize, usize),
    /// The channels of the hidden layers.
    pub hidden: Vec<usize>,
    /// One stride a layer: one more than there are hidden layers. In files 1, 2 (halves) and -2 (doubles).
    #[serde(with = "strides")]
    pub strides: Vec<Stride>,
    /// How every layer depends on time.
    #[serde(with = "crate::text")]
    pub layer: LayerKind,
    /// The nonlinearity between layers.
    #[serde(with = "crate::text")]
    pub activation: ActivationKind,
}

/// Strides as the numbers of the original implementation.
mod strides {
    use super::Stride;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(strides: &[Stride], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(strides.iter().map(|stride| match stride {
            Stride::Keep => 1,
            Stride::Halve => 2,
            Stride::Double => -2,
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Stride>, D::Error> {
        let numbers = Vec::<i64>::deserialize(deserializer)?;
        let strides = numbers.into_iter().map(Stride::try_from).collect::<Result<_, _>>();
        strides.map_err(D::Error::custom)
    }
}

/// A stack of convolutions `[B, C, H, W] → [B, C, H, W]` with time in every layer and no activation after the last.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, ConvNet, ConvNetConfig, LayerKind, Stride, VectorField};
/// use rand::SeedableRng;
///
/// let config = ConvNetConfig {
///     channels: 1,
///     size: (8, 8),
///     hidden: vec![4, 4],
///     strides: vec![Stride::Halve, Stride::Keep, Stride::Double],
///     layer: LayerKind::Concat,
///     activation: ActivationKind::Softplus,
/// };
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = ConvNet::new(&config, &mut rng, DType::F32, &Device::Cpu)?;
/// let z = Tensor::zeros((3, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// assert_eq!(field.value(0.5, &z, None)?.dims(), &[3, 1, 8, 8]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct ConvNet {
    config: ConvNetConfig,
    shape: [usize; 3],
    stack: Stack,
    bottleneck: Option<Bottleneck>,
    parameters: Vec<Parameter>,
    dtype: DType,
    device: Device,
}

impl ConvNet {
    /// A network with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when channels or sizes are 0, when the number of strides is not one more than
    /// that of hidden layers, or when the strides do not lead back to the input's size.
    pub fn new(config: &ConvNetConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        check(config)?;
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let mut channels = vec![config.channels];
        channels.extend_from_slice(&config.hidden);
        channels.push(config.channels);
        let layers = channels
            .windows(2)
            .zip(&config.strides)
            .enumerate()
            .map(|(index, (pair, stride))| {
                builder.scoped(format!("layers.{index}"), |builder| {
                    layer::build(
                        config.layer,
                        Projection::Convolution(*stride),
                        pair[0],
                        pair[1],
                        builder,
                    )
                })
            })
            .collect::<Result<Vec<_>>>()?;
        let activation = Activation::new(config.activation, &mut builder)?;
        Ok(Self {
            config: config.clone(),
            shape: [config.channels, config.size.0, config.size.1],
            stack: Stack { layers, activation },
            bottleneck: Bottleneck::narrowest(
                hidden_shapes(config)?.into_iter(),
                config.channels * config.size.0 * config.size.1,
            ),
            parameters: builder.finish(),
            dtype,
            device: device.clone(),
        })
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &ConvNetConfig {
        &self.config
    }
}

/// The shape of every hidden state.
fn hidden_shapes(config: &ConvNetConfig) -> Result<Vec<Vec<usize>>> {
    let (mut height, mut width) = config.size;
    let layers = config.hidden.iter().zip(&config.strides);
    layers
        .map(|(channels, stride)| {
            (height, width) = (stride.output_size(height)?, stride.output_size(width)?);
            Ok(vec![*channels, height, width])
        })
        .collect()
}

fn check(config: &ConvNetConfig) -> Result<()> {
    let invalid = |reason: String| Err(NnError::InvalidArchitecture { reason });
    let (height, width) = config.size;
    if config.channels == 0 || height == 0 || width == 0 || config.hidden.contains(&0) {
        return invalid(format!(
            "{} channels of {height}×{width} with hidden channels {:?}: every number must be at least 1",
            config.channels, config.hidden
        ));
    }
    if config.strides.len() != config.hidden.len() + 1 {
        return invalid(format!(
            "{} strides for {} hidden layers: one stride a layer is needed, so {}",
            config.strides.len(),
            config.hidden.len(),
            config.hidden.len() + 1
        ));
    }
    let end = config
        .strides
        .iter()
        .try_fold((height, width), |(height, width), stride| {
            Ok::<_, NnError>((stride.output_size(height)?, stride.output_size(width)?))
        })?;
    if end != config.size {
        return invalid(format!(
            "the strides lead from {height}×{width} to {}×{}: a vector field must end at the size it began with",
            end.0, end.1
        ));
    }
    Ok(())
}

impl VectorField for ConvNet {
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

    fn dual(&self, t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual> {
        self.stack.apply(t, z, None)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, _given: Option<&Tensor>) -> Result<Tensor> {
        self.stack.total_derivative(t, z, direction, None)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        self.bottleneck.as_ref().map(Bottleneck::shape)
    }

    fn through_bottleneck(
        &self,
        t: &Tensor,
        z: &Tensor,
        _given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        Bottleneck::through(self.bottleneck.as_ref(), &self.stack, t, z, None, probes)
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        if !self.device.is_cpu() {
            return Ok(None);
        }
        let config = &self.config;
        let shape = ConvArchitecture::new(
            config.channels,
            config.size,
            &config.hidden,
            &config.strides,
            config.layer,
            config.activation,
        )?;
        let level = SimdLevel::detect();
        FieldKernel::of(
            &self.parameters,
            self.dtype,
            |numbers| ConvKernel::new(level, shape.clone(), numbers),
            |numbers| ConvKernel::new(level, shape.clone(), numbers),
        )
    }
}

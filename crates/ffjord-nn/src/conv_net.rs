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
/// let strides = [Stride::Halve, Stride::Keep, Stride::Double];
/// assert_eq!(config, ConvNetConfig::new(1, (8, 8)).hidden([4, 4]).strides(strides));
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
    /// How often images are squeezed before the first layer, each cell of 2 × 2 pixels to four channels, and put together
    /// again behind the last; not at all unless set. Layers then see 4^q times the channels, on smaller images.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub num_squeeze: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl ConvNetConfig {
    /// Three hidden layers of 64 channels and strides of 1 on states of these channels and this height and width, with
    /// `concat` layers and softplus: the paper's networks for images.
    #[must_use]
    pub fn new(channels: usize, size: (usize, usize)) -> Self {
        let hidden = vec![64; 3];
        Self {
            channels,
            size,
            strides: vec![Stride::Keep; hidden.len() + 1],
            hidden,
            layer: LayerKind::Concat,
            activation: ActivationKind::Softplus,
            num_squeeze: 0,
        }
    }

    /// The same with hidden layers of these channels, and strides of 1.
    #[must_use]
    pub fn hidden(mut self, channels: impl Into<Vec<usize>>) -> Self {
        self.hidden = channels.into();
        self.strides = vec![Stride::Keep; self.hidden.len() + 1];
        self
    }

    /// The same with these strides, one a layer.
    #[must_use]
    pub fn strides(mut self, strides: impl Into<Vec<Stride>>) -> Self {
        self.strides = strides.into();
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

    /// The same on images that are squeezed so often.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_nn::{ConvNet, ConvNetConfig, VectorField};
    /// use rand::SeedableRng;
    ///
    /// // The first layer sees 4 channels of 2 × 2 pixels and the time; states keep their shape.
    /// let config = ConvNetConfig::new(1, (4, 4)).hidden([3]).num_squeeze(1);
    /// let field = ConvNet::new(&config, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
    /// assert_eq!(field.parameters()[0].var.dims(), &[3, 4 + 1, 3, 3]);
    /// let z = Tensor::zeros((2, 1, 4, 4), DType::F32, &Device::Cpu)?;
    /// assert_eq!(field.value(0.5, &z, None)?.dims(), &[2, 1, 4, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn num_squeeze(mut self, squeezes: usize) -> Self {
        self.num_squeeze = squeezes;
        self
    }

    /// Channels, height and width that the layers see.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] unless height and width are multiples of 2^q.
    fn squeezed(&self) -> Result<(usize, (usize, usize))> {
        let (channels, (height, width)) = (self.channels, self.size);
        let cell = u32::try_from(self.num_squeeze).ok().and_then(|q| 2usize.checked_pow(q));
        let inner = cell.filter(|cell| height.is_multiple_of(*cell) && width.is_multiple_of(*cell));
        let inner = inner.and_then(|cell| Some((channels.checked_mul(cell)?.checked_mul(cell)?, cell)));
        match inner {
            Some((channels, cell)) => Ok((channels, (height / cell, width / cell))),
            None => Err(NnError::InvalidArchitecture {
                reason: format!(
                    "images of {height}×{width} cannot be squeezed {} times: their sides must be multiples of a power of \
                     2 for each",
                    self.num_squeeze
                ),
            }),
        }
    }
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
/// use ffjord_nn::{ConvNet, ConvNetConfig, Stride, VectorField};
/// use rand::SeedableRng;
///
/// let config = ConvNetConfig::new(1, (8, 8)).hidden([4, 4]).strides([Stride::Halve, Stride::Keep, Stride::Double]);
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
        let (inner, _) = config.squeezed()?;
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let mut channels = vec![inner];
        channels.extend_from_slice(&config.hidden);
        channels.push(inner);
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
            stack: Stack {
                layers,
                activation,
                squeezes: config.num_squeeze,
            },
            bottleneck: Bottleneck::narrowest(&hidden_shapes(config)?, config.channels * config.size.0 * config.size.1),
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
            |numbers| ffjord_kernels::Bottleneck::new(ConvKernel::new(level, shape.clone(), numbers)?, layers),
            |numbers| ffjord_kernels::Bottleneck::new(ConvKernel::new(level, shape.clone(), numbers)?, layers),
        )
    }

    fn architecture(&self) -> Result<ConvArchitecture> {
        let config = &self.config;
        let (channels, size) = config.squeezed()?;
        let (hidden, strides) = (&config.hidden, &config.strides);
        let shape = ConvArchitecture::new(channels, size, hidden, strides, config.layer, config.activation)?;
        Ok(shape.squeezed(config.num_squeeze)?)
    }
}

/// The shape of every hidden state.
pub(crate) fn hidden_shapes(config: &ConvNetConfig) -> Result<Vec<Vec<usize>>> {
    let (_, (mut height, mut width)) = config.squeezed()?;
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
    let (_, (height, width)) = config.squeezed()?;
    let end = config
        .strides
        .iter()
        .try_fold((height, width), |(height, width), stride| {
            Ok::<_, NnError>((stride.output_size(height)?, stride.output_size(width)?))
        })?;
    if end != (height, width) {
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
        let (level, shape) = (SimdLevel::detect(), self.architecture()?);
        FieldKernel::of(
            &self.parameters,
            self.dtype,
            |numbers| ConvKernel::new(level, shape.clone(), numbers),
            |numbers| ConvKernel::new(level, shape.clone(), numbers),
        )
    }
}

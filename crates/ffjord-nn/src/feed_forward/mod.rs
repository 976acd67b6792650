//! Feed-forward networks without time: what coupling and autoregressive flows compute their parameters with.

mod degrees;
mod images;

pub use images::ImageFeedForward;

use crate::activation::{Activation, ActivationKind};
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::layer::{Affine, Projection};
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;
use degrees::Degrees;

/// The architecture of a dense [`FeedForward`] network.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::{ActivationKind, FeedForward, FeedForwardConfig, ParameterBuilder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F32, &Device::Cpu);
/// let config = FeedForwardConfig { inputs: 3, hidden: vec![16, 8], outputs: 4, activation: ActivationKind::Relu };
/// FeedForward::dense(&config, &mut builder)?;
/// let parameters = builder.finish();
/// let shapes: Vec<_> = parameters.iter().step_by(2).map(|weight| weight.var.dims().to_vec()).collect();
/// assert_eq!(shapes, [[16, 3], [8, 16], [4, 8]]);
/// assert_eq!(parameters[1].name, "layers.0.bias");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedForwardConfig {
    /// Input features.
    pub inputs: usize,
    /// The widths of the hidden layers; none gives a single layer without activation.
    pub hidden: Vec<usize>,
    /// Output features.
    pub outputs: usize,
    /// The nonlinearity between layers.
    pub activation: ActivationKind,
}

/// The architecture of an autoregressive [`FeedForward`] network.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, AutoregressiveConfig, FeedForward, ParameterBuilder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F64, &Device::Cpu);
/// let (hidden, activation) = (vec![8], ActivationKind::Softplus);
/// let config = AutoregressiveConfig { dimension: 2, condition: 0, hidden, outputs_per_column: 1, activation };
/// let network = FeedForward::autoregressive(&config, &mut builder)?;
/// for parameter in builder.finish() {
///     parameter.var.set(&parameter.var.ones_like()?)?;
/// }
/// let outputs = |x: [f64; 2]| -> Result<Vec<f64>, ffjord_nn::NnError> {
///     Ok(network.apply(&Tensor::new(&[x], &Device::Cpu)?)?.squeeze(0)?.to_vec1()?)
/// };
/// // Column 0 depends on nothing, column 1 on column 0, and nothing on column 1.
/// let (at, first, second) = (outputs([0.0, 0.0])?, outputs([1.0, 0.0])?, outputs([0.0, 1.0])?);
/// assert_eq!((at[0], &at), (first[0], &second));
/// assert!(first[1] > at[1]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoregressiveConfig {
    /// The columns D that are ordered.
    pub dimension: usize,
    /// Further input features that every output may depend on.
    pub condition: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The outputs of each column.
    pub outputs_per_column: usize,
    /// The nonlinearity between layers.
    pub activation: ActivationKind,
}

/// A multi-layer perceptron `[B, i] → [B, o]` with no activation after the last layer, which begins with zeros, so that
/// a flow built on it begins as the identity (Kingma and Dhariwal 2018, section 3.3).
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, FeedForward, FeedForwardConfig, ParameterBuilder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F32, &Device::Cpu);
/// let config = FeedForwardConfig { inputs: 3, hidden: vec![16], outputs: 4, activation: ActivationKind::Relu };
/// let network = FeedForward::dense(&config, &mut builder)?;
/// let x = Tensor::zeros((5, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(network.apply(&x)?.dims(), &[5, 4]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct FeedForward {
    inputs: usize,
    layers: Vec<MaskedAffine>,
    activation: Activation,
}

/// An affine map some of whose weights may be held at zero.
#[derive(Debug)]
struct MaskedAffine {
    affine: Affine,
    /// `[o, i]`, zeros and ones.
    mask: Option<Tensor>,
}

impl FeedForward {
    /// A network whose outputs all depend on all inputs; names `layers.<i>.weight` and `layers.<i>.bias`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a width is 0.
    pub fn dense(config: &FeedForwardConfig, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        let widths = [&[config.inputs], config.hidden.as_slice(), &[config.outputs]].concat();
        Self::build(&widths, config.activation, builder, |_| Ok(None))
    }

    /// A masked network (MADE, Germain et al. 2015): the outputs of column `d` depend on the columns before `d` and on
    /// the condition alone.
    ///
    /// Inputs are the D columns, then the condition; outputs are column-major, those of column 0 first.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a width is 0.
    pub fn autoregressive(config: &AutoregressiveConfig, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        let degrees = Degrees::new(config);
        let (dtype, device) = (builder.dtype(), builder.device().clone());
        let widths: Vec<usize> = degrees.layers().iter().map(Vec::len).collect();
        Self::build(&widths, config.activation, builder, |layer| {
            let mask = Tensor::from_vec(degrees.mask(layer), (widths[layer + 1], widths[layer]), &device)?;
            Ok(Some(mask.to_dtype(dtype)?))
        })
    }

    fn build(
        widths: &[usize],
        activation: ActivationKind,
        builder: &mut ParameterBuilder<'_>,
        mask: impl Fn(usize) -> Result<Option<Tensor>>,
    ) -> Result<Self> {
        if widths.contains(&0) {
            return Err(NnError::InvalidArchitecture {
                reason: format!("a feed-forward network of widths {widths:?}: every width must be at least 1"),
            });
        }
        let last = widths.len() - 2;
        let layers = widths
            .windows(2)
            .enumerate()
            .map(|(index, pair)| {
                let name = format!("layers.{index}");
                let affine = if index == last {
                    Affine::zero(Projection::Dense, pair[0], pair[1], &name, builder)?
                } else {
                    Affine::new(Projection::Dense, pair[0], pair[1], &name, builder)?
                };
                Ok(MaskedAffine {
                    affine,
                    mask: mask(index)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            inputs: widths[0],
            layers,
            activation: Activation::new(activation, builder)?,
        })
    }

    /// The outputs `[B, o]` of a batch `[B, i]`, differentiable in the batch and the parameters.
    ///
    /// # Errors
    /// [`NnError::InputShape`] when the batch does not fit.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if x.rank() != 2 || x.dim(1)? != self.inputs {
            return Err(NnError::InputShape {
                what: "network input",
                given: x.shape().clone(),
                expected: format!("[B, {}]", self.inputs),
            });
        }
        let mut h = x.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            if index > 0 {
                h = self.activation.apply(&Dual::constant(h)?)?.value()?;
            }
            h = layer.apply(&h)?;
        }
        Ok(h)
    }
}

impl MaskedAffine {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let weight = match &self.mask {
            Some(mask) => (self.affine.weight.as_tensor() * mask)?,
            None => self.affine.weight.as_tensor().clone(),
        };
        let bias = self.affine.bias.unsqueeze(0)?;
        // A product with a column of ones: its reverse is a product too, 20 times faster than candle's sum over rows.
        let biases = Tensor::ones((x.dim(0)?, 1), x.dtype(), x.device())?.matmul(&bias)?;
        Ok((x.matmul(&weight.t()?)? + biases)?)
    }
}

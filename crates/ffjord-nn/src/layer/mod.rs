//! Time-conditioned layers. Each is affine in its input, with weights that depend on the time t.

mod blend;
mod concat;
mod concat_v2;
mod concatcoord;
mod concatsquash;
mod hyper;
mod ignore;
mod projection;
mod squash;

pub use projection::Stride;
pub(crate) use projection::{Affine, AffineAtTime, Projection};

use crate::dual::Dual;
use crate::error::{NnError, Result, parse_name};
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;
use std::fmt;
use std::str::FromStr;

/// How a layer depends on time.
///
/// `W` and `b` are the layer's own weights and bias, `g`, `c` and `h` vectors with one entry an output, σ the logistic
/// function.
///
/// ```
/// use ffjord_nn::LayerKind;
/// assert_eq!("concatsquash".parse::<LayerKind>()?, LayerKind::ConcatSquash);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// `W x + b`.
    Ignore,
    /// `W [t, x] + b`: time is the first input feature or channel (the paper's choice).
    Concat,
    /// `W x + b + h t`.
    ConcatV2,
    /// `(W x + b) ⊙ σ(g t + c)`.
    Squash,
    /// `(W x + b) ⊙ σ(g t + c) + h t` (the released code's default for tables).
    ConcatSquash,
    /// `(1 − t) (W₀ x + b₀) + t (W₁ x + b₁)`.
    Blend,
    /// Weights and bias are outputs of a small network of t.
    Hyper,
    /// Convolutions only: `W [x, t, row, column] + b`; a dense layer of this type is [`LayerKind::Concat`].
    ConcatCoord,
}

impl LayerKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Ignore,
        Self::Concat,
        Self::ConcatV2,
        Self::Squash,
        Self::ConcatSquash,
        Self::Blend,
        Self::Hyper,
        Self::ConcatCoord,
    ];
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Concat => "concat",
            Self::ConcatV2 => "concat_v2",
            Self::Squash => "squash",
            Self::ConcatSquash => "concatsquash",
            Self::Blend => "blend",
            Self::Hyper => "hyper",
            Self::ConcatCoord => "concatcoord",
        })
    }
}

impl FromStr for LayerKind {
    type Err = NnError;

    fn from_str(name: &str) -> Result<Self> {
        parse_name("layer type", name, &Self::ALL)
    }
}

/// A layer whose weights depend on time.
pub(crate) trait TimeLayer: fmt::Debug + Send + Sync {
    /// The layer at time `t` `[1]`, and how it changes if t has a tangent; `image` is the input's height and width for
    /// convolutions.
    fn at(&self, t: &Dual, image: Option<(usize, usize)>) -> Result<AffineAtTime>;

    /// The layer on an input each of whose rows has a time of its own, `t` `[B, 1]`.
    fn rowwise(&self, t: &Tensor, input: &Dual) -> Result<Dual>;
}

/// [`TimeLayer::rowwise`] of a layer whose bias alone depends on time, `b(t) = b(0) + t (b(1) − b(0))`.
fn rowwise_bias(layer: &dyn TimeLayer, t: &Tensor, input: &Dual) -> Result<Dual> {
    let image = image_size(input);
    let at = |moment: f64| {
        let moment = Tensor::new(&[moment], t.device())?.to_dtype(t.dtype())?;
        layer.at(&Dual::constant(moment)?, image)
    };
    let (start, end) = (at(0.0)?, at(1.0)?);
    let outputs = start.apply(input)?;
    let change = end.bias.sub(&start.bias)?.value()?;
    let shift = match change.rank() {
        2 => t.broadcast_mul(&change)?,
        _ => change.broadcast_mul(&along_rows(t, &outputs)?)?,
    };
    outputs.shift(&shift)
}

/// The height and width of an image input.
pub(crate) fn image_size(input: &Dual) -> Option<(usize, usize)> {
    match input.shape().as_slice() {
        [_, _, height, width] => Some((*height, *width)),
        _ => None,
    }
}

/// Reshapes numbers of rows `[B, n]` so that they stand beside the features or channels of `input`.
fn along_rows(numbers: &Tensor, input: &Dual) -> Result<Tensor> {
    let mut shape = numbers.dims().to_vec();
    shape.resize(input.shape().len(), 1);
    Ok(numbers.reshape(shape)?)
}

/// Creates a layer with its parameters under the original implementation's names.
pub(crate) fn build(
    kind: LayerKind,
    projection: Projection,
    inputs: usize,
    outputs: usize,
    builder: &mut ParameterBuilder<'_>,
) -> Result<Box<dyn TimeLayer>> {
    Ok(match (kind, projection) {
        (LayerKind::Ignore, _) => Box::new(ignore::Ignore::new(projection, inputs, outputs, builder)?),
        (LayerKind::Concat, _) | (LayerKind::ConcatCoord, Projection::Dense) => {
            Box::new(concat::Concat::new(projection, inputs, outputs, builder)?)
        }
        (LayerKind::ConcatV2, _) => Box::new(concat_v2::ConcatV2::new(projection, inputs, outputs, builder)?),
        (LayerKind::Squash, _) => Box::new(squash::Squash::new(projection, inputs, outputs, builder)?),
        (LayerKind::ConcatSquash, _) => {
            Box::new(concatsquash::ConcatSquash::new(projection, inputs, outputs, builder)?)
        }
        (LayerKind::Blend, _) => Box::new(blend::Blend::new(projection, inputs, outputs, builder)?),
        (LayerKind::Hyper, _) => Box::new(hyper::Hyper::new(projection, inputs, outputs, builder)?),
        (LayerKind::ConcatCoord, Projection::Convolution(_)) => {
            Box::new(concatcoord::ConcatCoord::new(projection, inputs, outputs, builder)?)
        }
    })
}

/// A linear map of the time alone: `weight` `[o, 1]`, applied as `weight · t`, `[o]`.
fn time_vector(weight: &Tensor, t: &Dual) -> Result<Dual> {
    t.map_linear(|t| Ok(weight.flatten_all()?.broadcast_mul(t)?))
}

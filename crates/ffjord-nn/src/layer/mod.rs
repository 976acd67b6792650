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

pub use ffjord_kernels::{LayerKind, Stride};
pub(crate) use projection::{Affine, AffineAtTime, Projection};

use crate::dual::Dual;
use crate::error::Result;
use crate::parameter::ParameterBuilder;
use candle_core::Tensor;
use std::fmt;

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
        (LayerKind::Hyper | LayerKind::HyperOverlapping, _) => {
            let overlapping = kind == LayerKind::HyperOverlapping;
            Box::new(hyper::Hyper::new(projection, inputs, outputs, overlapping, builder)?)
        }
        (LayerKind::ConcatCoord, Projection::Convolution(_)) => {
            Box::new(concatcoord::ConcatCoord::new(projection, inputs, outputs, builder)?)
        }
    })
}

/// A linear map of the time alone: `weight` `[o, 1]`, applied as `weight · t`, `[o]`.
fn time_vector(weight: &Tensor, t: &Dual) -> Result<Dual> {
    t.map_linear(|t| Ok(weight.flatten_all()?.broadcast_mul(t)?))
}

//! Self-attention between the pixels of small images.

use super::layers::Norm;
use crate::dual::Dual;
use crate::error::Result;
use crate::ops;
use crate::parameter::ParameterBuilder;
use candle_core::{D, Tensor, Var};

/// `x + softmax(q kᵀ / √C) v w` over pixels, where q, k and v are linear in the normalised image.
#[derive(Debug)]
pub(super) struct Attention {
    norm: Norm,
    /// `[3 C, C]`.
    queries_keys_values: Var,
    /// `[C, C]`.
    output: Var,
}

impl Attention {
    /// Attention that adds nothing at the start.
    pub(super) fn new(name: &str, channels: usize, groups: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        builder.scoped(name, |builder| {
            Ok(Self {
                norm: Norm::new("norm", groups, channels, builder)?,
                queries_keys_values: builder.uniform(
                    "qkv.weight",
                    (3 * channels, channels),
                    1.0 / (channels as f64).sqrt(),
                )?,
                output: builder.constant("out.weight", (channels, channels), 0.0)?,
            })
        })
    }

    pub(super) fn apply(&self, x: &Dual) -> Result<Dual> {
        let &[_, height, width, channels] = x.shape().as_slice() else {
            return Ok(x.clone());
        };
        let pixels = self.norm.apply(x)?.map_rows(|rows| Ok(rows.flatten(1, 2)?))?;
        let all = times(&pixels, &self.queries_keys_values)?;
        let part = |index: usize| all.map_rows(|rows| Ok(rows.narrow(2, index * channels, channels)?.contiguous()?));
        let scale = 1.0 / (channels as f64).sqrt();
        let queries = part(0)?.times(scale)?;
        let keys = part(1)?.map_rows(|rows| Ok(rows.transpose(1, 2)?.contiguous()?))?;
        let weights = softmax(&product(&queries, &keys)?)?;
        let read = times(&product(&weights, &part(2)?)?, &self.output)?;
        let read = read.map_rows(|rows| Ok(rows.reshape(((), height, width, channels))?))?;
        x.add(&read)
    }
}

/// `x Wᵀ` for every pixel of x `[B, n, C]`.
fn times(x: &Dual, weight: &Tensor) -> Result<Dual> {
    x.map_rows(|rows| {
        let (images, pixels, _) = rows.dims3()?;
        let none = Tensor::zeros(weight.dim(0)?, rows.dtype(), rows.device())?;
        let product = ops::linear(&rows.flatten(0, 1)?, weight, &none, 0)?;
        Ok(product.reshape((images, pixels, ()))?)
    })
}

/// The matrix product of every row, `[B, n, m]` times `[B, m, p]`: `(a b)' = a' b + a b'`.
fn product(a: &Dual, b: &Dual) -> Result<Dual> {
    let (x, y) = (a.value()?, b.value()?);
    let tangents = match (a.tangents()?, b.tangents()?) {
        (Some(dx), Some(dy)) => {
            let count = a.count();
            let repeat = |values: &Tensor| -> Result<Tensor> { Ok(Tensor::cat(&vec![values; count], 0)?) };
            Some((dx.matmul(&repeat(&y)?)? + repeat(&x)?.matmul(&dy)?)?)
        }
        _ => None,
    };
    Dual::stacked(&x.matmul(&y)?, tangents.as_ref())
}

/// p = softmax(s) over the last axis, and `dp = p ⊙ (ds − Σ p ds)`.
fn softmax(s: &Dual) -> Result<Dual> {
    // candle's own operation for the last axis has no gradient, and cuts the graph in silence.
    let value = s.value()?;
    let raised = value.broadcast_sub(&value.detach().max_keepdim(D::Minus1)?)?.exp()?;
    let p = raised.broadcast_div(&raised.sum_keepdim(D::Minus1)?)?;
    let tangents = match s.tangents()? {
        None => None,
        Some(ds) => {
            let p = Tensor::cat(&vec![&p; s.count()], 0)?;
            let mean = (&p * &ds)?.sum_keepdim(D::Minus1)?;
            Some((p * ds.broadcast_sub(&mean)?)?)
        }
    };
    Dual::stacked(&p, tangents.as_ref())
}

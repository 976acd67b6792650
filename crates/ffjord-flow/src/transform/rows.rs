//! Sums and softmax over rows, as candle does them fastest.

use crate::error::Result;
use candle_core::Tensor;

/// The sums of the rows of `[N, K]`, `[N, 1]`: a product with ones, which candle does faster than a sum.
pub(super) fn row_sums(x: &Tensor) -> Result<Tensor> {
    Ok(x.matmul(&Tensor::ones((x.dim(1)?, 1), x.dtype(), x.device())?)?)
}

/// Softmax over the columns of `[N, K]`.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let powers = x.broadcast_sub(&x.detach().max_keepdim(1)?)?.exp()?;
    Ok(powers.broadcast_div(&row_sums(&powers)?)?)
}

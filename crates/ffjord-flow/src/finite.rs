//! Which rows of a batch are numbers.

use crate::error::Result;
use candle_core::{DType, Tensor};

/// The rows of a batch `[B, …]` that hold a NaN or an infinity.
pub(crate) fn non_finite_rows(batch: &Tensor) -> Result<Vec<usize>> {
    if batch.elem_count() == 0 {
        return Ok(Vec::new());
    }
    // What is finite times 0 is 0; what is not makes its row's sum a NaN.
    let sums = (batch.detach().flatten_from(1)? * 0.0)?.sum(1)?;
    let sums: Vec<f64> = sums.to_dtype(DType::F64)?.to_vec1()?;
    Ok((0..sums.len()).filter(|&row| sums[row].is_nan()).collect())
}

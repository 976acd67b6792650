//! The condition c of densities p(x | c).

use crate::error::{FlowError, Result};
use candle_core::{DType, Tensor};

/// Fails unless `given` is `[rows, width]` of this number type, or nothing where the width is 0.
pub(crate) fn check(given: Option<&Tensor>, rows: usize, width: usize, dtype: DType) -> Result<()> {
    let Some(given) = given else {
        return match width {
            0 => Ok(()),
            _ => Err(FlowError::MissingCondition { width }),
        };
    };
    if width == 0 {
        return Err(FlowError::UnexpectedCondition);
    }
    if given.dims() != [rows, width] {
        return Err(FlowError::InputShape {
            what: "condition",
            given: given.shape().clone(),
            expected: format!("[{rows}, {width}], one row for each row of the batch,"),
        });
    }
    if given.dtype() != dtype {
        return Err(FlowError::InputType {
            what: "condition",
            given: given.dtype(),
            expected: dtype,
        });
    }
    Ok(())
}

/// The condition beside `input` `[B, D]`: `[B, D + width]`; without a width, `input` itself.
pub(crate) fn beside(input: &Tensor, condition: Option<&Tensor>, width: usize) -> Result<Tensor> {
    check(condition, input.dim(0)?, width, input.dtype())?;
    match condition {
        Some(condition) => Ok(Tensor::cat(&[input, condition], 1)?),
        None => Ok(input.clone()),
    }
}

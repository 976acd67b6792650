//! The condition c of densities p(x | c).

use crate::error::{FlowError, Result};
use candle_core::Tensor;

/// The condition beside `input` `[B, D]`: `[B, D + width]`; without a width, `input` itself.
pub(crate) fn beside(input: &Tensor, condition: Option<&Tensor>, width: usize) -> Result<Tensor> {
    if width == 0 {
        return Ok(input.clone());
    }
    let Some(condition) = condition else {
        return Err(FlowError::MissingCondition { width });
    };
    let rows = input.dim(0)?;
    if condition.dims() != [rows, width] {
        return Err(FlowError::InputShape {
            what: "condition",
            given: condition.shape().clone(),
            expected: format!("[{rows}, {width}], one row for each row of the batch,"),
        });
    }
    if condition.dtype() != input.dtype() {
        return Err(FlowError::InputType {
            what: "condition",
            given: condition.dtype(),
            expected: input.dtype(),
        });
    }
    Ok(Tensor::cat(&[input, condition], 1)?)
}

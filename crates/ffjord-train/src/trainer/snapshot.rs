//! Values of parameters, set aside and put back.

use crate::error::Result;
use candle_core::Tensor;
use ffjord_nn::Parameter;

/// Copies of the present values, which later changes in place do not reach.
pub(super) fn copies(parameters: &[Parameter]) -> Result<Vec<Tensor>> {
    parameters
        .iter()
        .map(|parameter| Ok(parameter.var.as_detached_tensor().copy()?))
        .collect()
}

/// Sets each parameter to its value.
pub(super) fn assign(parameters: &[Parameter], values: &[Tensor]) -> Result<()> {
    parameters
        .iter()
        .zip(values)
        .try_for_each(|(parameter, value)| Ok(parameter.var.set(value)?))
}

//! The same functions in candle's operations, for the number types and devices that have no kernel.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;
use ffjord_kernels::elementwise::Function;

/// φ(x).
pub(super) fn value(function: Function<f64>, x: &Tensor) -> Result<Tensor> {
    match function {
        Function::Identity => Ok(x.clone()),
        Function::Relu => x.relu(),
        Function::Square => x.sqr(),
        Function::Tanh => x.tanh(),
        Function::Sigmoid => sigmoid(x),
        // ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|) never overflows.
        Function::Softplus => x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?,
        Function::Elu => x.relu()? + (exp_of_nonpositive(x)? - 1.0)?,
        Function::Swish { beta } => x * sigmoid(&(x * beta)?)?,
    }
}

/// φ'(x).
pub(super) fn slope(function: Function<f64>, x: &Tensor) -> Result<Tensor> {
    match function {
        Function::Identity => x.ones_like(),
        Function::Relu => x.detach().gt(0.0)?.to_dtype(x.dtype()),
        Function::Square => x * 2.0,
        Function::Tanh => 1.0 - x.tanh()?.sqr()?,
        Function::Sigmoid => {
            let gate = sigmoid(x)?;
            &gate * (1.0 - &gate)?
        }
        Function::Softplus => sigmoid(x),
        Function::Elu => exp_of_nonpositive(x),
        Function::Swish { beta } => {
            let gate = sigmoid(&(x * beta)?)?;
            let value = (x * &gate)?;
            &gate + ((value * beta)? * (1.0 - &gate)?)?
        }
    }
}

/// e^min(x, 0).
fn exp_of_nonpositive(x: &Tensor) -> Result<Tensor> {
    x.neg()?.relu()?.neg()?.exp()
}

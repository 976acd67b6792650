//! Nonlinear functions on tensors by the SIMD kernels, for networks of any kind.
//!
//! candle's own element-wise functions are scalar on the CPU. These are the kernels of `ffjord-kernels` as custom
//! operations: tensors of any shape and layout, in `f32` and `f64`, are treated in pieces by all threads, with the same
//! bits for any number of them. Other number types and devices take candle's operations. Both are differentiable, and
//! so are the derivatives that [`slope`] returns: forward mode written with them has a correct reverse mode.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use ffjord_nn::ops;
//!
//! let x = Var::new(&[[0.5f32, -1.0], [2.0, 0.0]], &Device::Cpu)?;
//! let gradients = x.apply(&ops::tanh)?.sum_all()?.backward()?;
//! let slope = gradients.get(&x).map(|gradient| gradient.to_vec2::<f32>()).transpose()?;
//! assert_eq!(slope.map(|slope| slope[1][1]), Some(1.0));
//! # Ok::<(), candle_core::Error>(())
//! ```

mod bias;
mod by_candle;
mod by_kernel;
mod convolution;
mod gate;
mod group_norm;
mod linear;
mod slices;
mod softmax;
mod squeeze;
mod stacked;

use by_kernel::{ElementWise, Order};
use candle_core::{DType, Error, Result, Tensor};

pub use bias::add_bias;
pub use convolution::{conv_transpose2d, conv_transpose2d_channels_last, conv2d, conv2d_channels_last};
pub use ffjord_kernels::elementwise::Function;
pub use gate::gated;
pub use group_norm::group_norm;
pub use linear::linear;
pub use softmax::log_softmax_at;
pub use squeeze::{squeeze, unsqueeze};

/// tanh x.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use ffjord_nn::ops;
/// let x = Var::from_tensor(&Tensor::new(&[0.5f64], &Device::Cpu)?)?;
/// let y = ops::tanh(&x)?;
/// let slope = y.backward()?.get(&x).ok_or("x has a gradient")?.to_vec1::<f64>()?[0];
/// let tanh = 0.5f64.tanh();
/// assert!((y.to_vec1::<f64>()?[0] - tanh).abs() < 1e-15 && (slope - (1.0 - tanh * tanh)).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When memory or device fail, or the tensor's numbers are not `f32`, `f64`, `f16` or `bf16`.
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    value(Function::Tanh, x)
}

/// The logistic function, 1 / (1 + e⁻ˣ).
///
/// ```
/// let x = candle_core::Tensor::new(&[0f32, 3f32.ln(), -1e4], &candle_core::Device::Cpu)?;
/// let y = ffjord_nn::ops::sigmoid(&x)?.to_vec1::<f32>()?;
/// assert!((y[0] - 0.5).abs() < 1e-6 && (y[1] - 0.75).abs() < 1e-6 && y[2] == 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    value(Function::Sigmoid, x)
}

/// ln(1 + eˣ), which never overflows.
///
/// ```
/// let x = candle_core::Tensor::new(&[0f64, 1e4, -1e4], &candle_core::Device::Cpu)?;
/// let y = ffjord_nn::ops::softplus(&x)?.to_vec1::<f64>()?;
/// assert!((y[0] - 2f64.ln()).abs() < 1e-15 && y[1] == 1e4 && y[2] == 0.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn softplus(x: &Tensor) -> Result<Tensor> {
    value(Function::Softplus, x)
}

/// x for positive x, else eˣ − 1.
///
/// ```
/// let x = candle_core::Tensor::new(&[2f64, -1.0], &candle_core::Device::Cpu)?;
/// let y = ffjord_nn::ops::elu(&x)?.to_vec1::<f64>()?;
/// assert!(y[0] == 2.0 && (y[1] - (-1f64).exp_m1()).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn elu(x: &Tensor) -> Result<Tensor> {
    value(Function::Elu, x)
}

/// x σ(β x) with a constant β; β = 1 is also known as SiLU.
///
/// ```
/// let x = candle_core::Tensor::new(&[2f64], &candle_core::Device::Cpu)?;
/// let y = ffjord_nn::ops::swish(&x, 0.5)?.to_vec1::<f64>()?[0];
/// assert!((y - 2.0 / (1.0 + (-1f64).exp())).abs() < 1e-15);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn swish(x: &Tensor, beta: f64) -> Result<Tensor> {
    value(Function::Swish { beta }, x)
}

/// max(x, 0), with slope 0 at 0.
///
/// ```
/// let x = candle_core::Var::new(&[2f32, 0.0, -1.0], &candle_core::Device::Cpu)?;
/// let y = ffjord_nn::ops::relu(&x)?;
/// assert_eq!(y.to_vec1::<f32>()?, [2.0, 0.0, 0.0]);
/// let gradient = y.sum_all()?.backward()?;
/// assert_eq!(gradient.get(&x).ok_or("x has a gradient")?.to_vec1::<f32>()?, [1.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn relu(x: &Tensor) -> Result<Tensor> {
    value(Function::Relu, x)
}

/// φ(x), element by element, with φ'(x) as its derivative.
///
/// ```
/// use ffjord_nn::ops::{Function, value};
/// let x = candle_core::Tensor::new(&[3f32, -2.0], &candle_core::Device::Cpu)?;
/// assert_eq!(value(Function::Square, &x)?.to_vec1::<f32>()?, [9.0, 4.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn value(function: Function<f64>, x: &Tensor) -> Result<Tensor> {
    if has_kernel(x)? {
        x.apply_op1(ElementWise::new(function, Order::Value))
    } else {
        by_candle::value(function, x)
    }
}

/// φ'(x), element by element, with φ''(x) as its derivative.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops::{self, Function};
///
/// let x = Tensor::new(&[0.3f64, -2.0], &Device::Cpu)?;
/// let gap = (ops::slope(Function::Softplus, &x)? - ops::sigmoid(&x)?)?;
/// assert!(gap.abs()?.max_all()?.to_scalar::<f64>()? < 1e-15);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// As [`tanh`].
pub fn slope(function: Function<f64>, x: &Tensor) -> Result<Tensor> {
    if has_kernel(x)? {
        x.apply_op1(ElementWise::new(function, Order::Slope))
    } else {
        by_candle::slope(function, x)
    }
}

/// φ on the first `rows` rows of a stack `[(1 + K) rows, …]` and φ' of those times each of the K tangents behind them.
///
/// ```
/// use ffjord_nn::ops::{Function, with_tangents};
/// // x = 3 and two tangents: x², then 2 x times each.
/// let stack = candle_core::Tensor::new(&[[3f32], [1.0], [10.0]], &candle_core::Device::Cpu)?;
/// assert_eq!(with_tangents(Function::Square, &stack, 1)?.to_vec2::<f32>()?, [[9.0], [6.0], [60.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`tanh`], and unless the stack is a whole number of times `rows` long.
pub fn with_tangents(function: Function<f64>, stack: &Tensor, rows: usize) -> Result<Tensor> {
    let stacked = stack.dim(0)?;
    if !stacked.is_multiple_of(rows) {
        candle_core::bail!("{stacked} stacked rows are not {rows} values and whole tangents of them")
    }
    if function == Function::Identity {
        return Ok(stack.clone());
    }
    if stacked == rows {
        return value(function, stack);
    }
    if has_kernel(stack)? {
        let values = stack.elem_count() / stacked * rows;
        return stack.apply_op1(stacked::Forward { function, values });
    }
    let (x, count) = (stack.narrow(0, 0, rows)?, stacked / rows - 1);
    let slope = by_candle::slope(function, &x)?.unsqueeze(0)?;
    let mut shape = vec![count];
    shape.extend_from_slice(x.dims());
    let tangents = stack
        .narrow(0, rows, count * rows)?
        .reshape(shape)?
        .broadcast_mul(&slope)?;
    Tensor::cat(&[by_candle::value(function, &x)?, tangents.flatten(0, 1)?], 0)
}

/// Whether the kernels treat the tensor, or candle; an error for number types in which neither can compute.
fn has_kernel(x: &Tensor) -> Result<bool> {
    match x.dtype() {
        DType::F32 | DType::F64 => Ok(x.device().is_cpu()),
        DType::F16 | DType::BF16 => Ok(false),
        other => Err(Error::UnsupportedDTypeForOp(other, "nonlinearity").bt()),
    }
}

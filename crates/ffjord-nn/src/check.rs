//! Whether a field's products are those of its Jacobian.

use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::linearization::{OutputCotangents, Request};
use candle_core::{DType, Device, Tensor};

/// How far a field's derivatives are from what its values say, relative to their size.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_nn::{Dual, Parameter, Result, VectorField};
/// # #[derive(Debug)]
/// # struct Linear { parameters: [Parameter; 1] }
/// # impl VectorField for Linear {
/// #     fn parameters(&self) -> &[Parameter] { &self.parameters }
/// #     fn dtype(&self) -> DType { DType::F64 }
/// #     fn device(&self) -> &Device { &Device::Cpu }
/// #     fn state_shape(&self) -> &[usize] { &[2] }
/// #     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual> {
/// #         z.scale(self.parameters[0].var.as_tensor())
/// #     }
/// # }
/// # let theta = Parameter::constant("theta", 1, 3.0, DType::F64, &Device::Cpu)?;
/// # let field = Linear { parameters: [theta] };
/// use ffjord_nn::{FieldCheck, check_field};
/// // f(z) = θ z, whose differences are exact but for rounding.
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// let check: FieldCheck = check_field(&field, 0.3, &z, None)?;
/// assert!(check.products < 1e-8 && check.reverse < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FieldCheck {
    /// Products `J v` against central differences of values.
    pub products: f64,
    /// Reverse mode against products, `a·(J v) = (Jᵀa)·v`.
    pub reverse: f64,
}

/// Compares a field's products with differences of its values, and its reverse mode with its products, at one time and
/// one batch: a field that loses its tangents, or adds a constant to them, has a density that is wrong without a word.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, check_field};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2), &mut rng, DType::F64, &Device::Cpu)?;
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// assert!(check_field(&field, 0.3, &z, None)?.products < 1e-6);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// # Errors
/// [`NnError::WrongTangents`] says what is wrong; [`NnError::InputShape`] or [`NnError::InputType`] when an input does
/// not fit; errors of the field itself.
pub fn check_field(field: &dyn VectorField, t: f64, z: &Tensor, given: Option<&Tensor>) -> Result<FieldCheck> {
    let (step, tolerance) = match field.dtype() {
        DType::F64 => (1e-5, 1e-6),
        _ => (1e-2, 2e-2),
    };
    let tangents = Tensor::cat(&[direction(z, 1.0)?, direction(z, 2.0)?], 0)?;
    let (value, products) = field.jvp(t, z, given, &tangents)?;
    let plain = field.value(t, z, given)?;
    for (what, tensor, wanted) in [
        ("value", &value, z.dims().to_vec()),
        ("products", &products, tangents.dims().to_vec()),
    ] {
        if tensor.dims() != wanted {
            return Err(wrong(format!(
                "the {what} of states {:?} with tangents {:?} have the shape {:?}",
                z.shape(),
                tangents.shape(),
                tensor.shape()
            )));
        }
    }
    let size = largest(&value)?.max(largest(&products)?).max(1e-3);
    if largest(&(&value - &plain)?)? > tolerance * size {
        return Err(wrong(
            "the value with tangents differs from the value without them".to_string(),
        ));
    }
    let still = field.jvp(t, z, given, &tangents.zeros_like()?)?.1;
    if largest(&still)? > tolerance * size {
        return Err(wrong(
            "tangents of zeros do not stay zeros, so a constant (a bias?) is added to tangents: add it to values alone, \
             as `Dual::shift` and `Dual::linear` do"
                .to_string(),
        ));
    }
    let mut error: f64 = 0.0;
    for index in 0..2 {
        let v = tangents.get(index)?;
        let moved = |by: f64| field.value(t, &(z + (&v * by)?)?, given);
        let difference = ((moved(step)? - moved(-step)?)? / (2.0 * step))?;
        error = error.max(largest(&(difference - products.get(index)?)?)? / size);
    }
    if error > tolerance {
        return Err(wrong(format!(
            "products with the Jacobian differ from differences of values by {error:.1e} of their size (allowed: \
             {tolerance:.0e}): an operation was applied to values alone, or its derivative is not right"
        )));
    }
    let cotangent = direction(z, 3.0)?;
    let linearization = field.linearize(t, z, given, &Request::VALUE)?;
    let cotangents = OutputCotangents {
        value: &cotangent.squeeze(0)?,
        products: None,
        along: &[],
    };
    let pulled = linearization.pullback(field.parameters(), &cotangents)?.state;
    let (forward, backward) = (
        dot(&products.get(0)?, &cotangent.squeeze(0)?)?,
        dot(&pulled, &tangents.get(0)?)?,
    );
    let reverse = (forward - backward).abs() / (size * z.elem_count() as f64);
    if reverse > tolerance || reverse.is_nan() {
        return Err(wrong(format!(
            "reverse mode and products disagree by {reverse:.1e} (allowed: {tolerance:.0e}): an operation cuts the graph \
             or has a wrong derivative"
        )));
    }
    Ok(FieldCheck {
        products: error,
        reverse,
    })
}

fn wrong(fault: String) -> NnError {
    NnError::WrongTangents { fault }
}

/// A fixed direction of the shape `[1, B, …]` with no two entries alike.
fn direction(z: &Tensor, phase: f64) -> Result<Tensor> {
    let entries: Vec<f64> = (0..z.elem_count())
        .map(|i| (1.7 * i as f64 + phase).sin() + 0.3)
        .collect();
    let mut shape = vec![1];
    shape.extend_from_slice(z.dims());
    let tensor = Tensor::from_vec(entries, shape, &Device::Cpu)?;
    Ok(tensor.to_dtype(z.dtype())?.to_device(z.device())?)
}

fn largest(tensor: &Tensor) -> Result<f64> {
    let numbers = tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
    Ok(numbers.into_iter().fold(0.0, |largest, x| {
        if x.is_nan() {
            f64::INFINITY
        } else {
            x.abs().max(largest)
        }
    }))
}

fn dot(a: &Tensor, b: &Tensor) -> Result<f64> {
    Ok((a.detach() * b.detach())?
        .to_dtype(DType::F64)?
        .sum_all()?
        .to_scalar()?)
}

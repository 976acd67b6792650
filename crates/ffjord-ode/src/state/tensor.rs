//! `candle_core::Tensor` as a state: F32 or F64, any shape, any device.
//!
//! On the CPU every operation reads the tensors' storage and makes one fused pass, with the same arithmetic as `Vec`,
//! bit for bit; on other devices it goes through candle's own operations. Results never carry an autograd graph.

use candle_core::{CpuStorage, DType, Device, Storage, Tensor, WithDType};
use smallvec::SmallVec;

use super::{NonFinite, Scalar, State, slice};
use crate::{
    error::StateError,
    norm::{ScaledError, Tolerance},
};

impl From<candle_core::Error> for StateError {
    fn from(error: candle_core::Error) -> Self {
        Self::Candle(Box::new(error))
    }
}

/// Refuses tensors that do not go together.
fn check(expected: &Tensor, found: &Tensor) -> Result<(), StateError> {
    if expected.shape() != found.shape() {
        return Err(StateError::ShapeMismatch {
            expected: expected.dims().to_vec(),
            found: found.dims().to_vec(),
        });
    }
    if expected.dtype() != found.dtype() {
        return Err(StateError::DTypeMismatch {
            expected: expected.dtype().as_str().to_owned(),
            found: found.dtype().as_str().to_owned(),
        });
    }
    Ok(())
}

fn unsupported(dtype: DType) -> StateError {
    StateError::DTypeMismatch {
        expected: "F32 or F64".to_owned(),
        found: dtype.as_str().to_owned(),
    }
}

/// Calls `$function` with the element type of the tensor.
macro_rules! by_dtype {
    ($tensor:expr, $function:ident($($argument:expr),*)) => {
        match $tensor.dtype() {
            DType::F32 => $function::<f32>($($argument),*),
            DType::F64 => $function::<f64>($($argument),*),
            other => Err(unsupported(other)),
        }
    };
}

/// Calls `body` with the elements of CPU tensors, in row-major order.
fn with_slices<T: Scalar + WithDType, R>(
    tensors: &[&Tensor],
    body: impl FnOnce(&[&[T]]) -> Result<R, StateError>,
) -> Result<R, StateError> {
    let contiguous = tensors
        .iter()
        .map(|x| x.contiguous())
        .collect::<candle_core::Result<SmallVec<[Tensor; 16]>>>()?;
    let guards: SmallVec<[_; 16]> = contiguous.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: SmallVec<[&[T]; 16]> = SmallVec::new();
    for (tensor, (storage, layout)) in contiguous.iter().zip(&guards) {
        let start = layout.start_offset();
        slices.push(&cpu_elements::<T>(storage)?[start..start + tensor.elem_count()]);
    }
    body(&slices)
}

fn cpu_elements<T: WithDType>(storage: &Storage) -> Result<&[T], StateError> {
    match storage {
        Storage::Cpu(storage) => Ok(CpuStorage::as_slice::<T>(storage)?),
        // Only tensors whose device is the CPU come here.
        Storage::Cuda(_) | Storage::Metal(_) => {
            Err(candle_core::Error::Msg("the state moved to another device".to_owned()).into())
        }
    }
}

fn cpu_sum<T: Scalar + WithDType>(like: &Tensor, terms: &[(f64, &Tensor)]) -> Result<Tensor, StateError> {
    let tensors: SmallVec<[&Tensor; 16]> = terms.iter().map(|&(_, x)| x).collect();
    let mut total = vec![T::default(); like.elem_count()];
    with_slices::<T, ()>(&tensors, |slices| {
        slice::sum(&mut total, slices.len(), |j| {
            (<T as Scalar>::from_f64(terms[j].0), slices[j])
        })
    })?;
    Ok(Tensor::from_vec(total, like.shape(), &Device::Cpu)?)
}

fn device_sum(like: &Tensor, terms: &[(f64, &Tensor)]) -> Result<Tensor, StateError> {
    let mut total: Option<Tensor> = None;
    for &(c, x) in terms.iter().rev() {
        let term = x.detach().affine(c, 0.0)?;
        total = Some(match total {
            Some(total) => (term + total)?,
            None => term,
        });
    }
    match total {
        Some(total) => Ok(total.detach()),
        None => Ok(like.zeros_like()?),
    }
}

fn cpu_dot<T: Scalar + WithDType>(a: &Tensor, b: &Tensor) -> Result<f64, StateError> {
    with_slices::<T, f64>(&[a, b], |slices| slice::dot(slices[0], slices[1]))
}

fn cpu_scaled_error<T: Scalar + WithDType>(
    error: &Tensor,
    y0: &Tensor,
    y1: &Tensor,
    tolerance: &Tolerance,
) -> Result<ScaledError, StateError> {
    with_slices::<T, _>(&[error, y0, y1], |slices| {
        slice::scaled_error(slices[0], slices[1], slices[2], tolerance)
    })
}

fn cpu_scaled_dot<T: Scalar + WithDType>(
    a: &Tensor,
    b: &Tensor,
    y0: &Tensor,
    y1: &Tensor,
    tolerance: &Tolerance,
) -> Result<f64, StateError> {
    with_slices::<T, _>(&[a, b, y0, y1], |slices| {
        slice::scaled_dot((slices[0], slices[1]), slices[2], slices[3], tolerance)
    })
}

/// A scalar tensor's value in f64.
fn scalar(x: &Tensor) -> Result<f64, StateError> {
    Ok(x.to_dtype(DType::F64)?.to_scalar::<f64>()?)
}

fn device_scaled_error(
    error: &Tensor,
    y0: &Tensor,
    y1: &Tensor,
    tolerance: &Tolerance,
) -> Result<ScaledError, StateError> {
    let count = error.elem_count();
    if count == 0 {
        return Ok(ScaledError::default());
    }
    let (error, y0, y1) = (error.detach(), y0.detach(), y1.detach());
    let allowed = y0
        .abs()?
        .maximum(&y1.abs()?)?
        .affine(tolerance.rtol(), tolerance.atol())?;
    let ratio = error.eq(0.0)?.where_cond(&error.zeros_like()?, &error.div(&allowed)?)?;
    let ratio = (ratio + y1.affine(0.0, 0.0)?)?.to_dtype(DType::F64)?;
    Ok(ScaledError {
        sum_squares: scalar(&ratio.sqr()?.sum_all()?)?,
        max: scalar(&ratio.abs()?.max_all()?)?,
        count,
    })
}

fn device_scaled_dot(
    a: &Tensor,
    b: &Tensor,
    y0: &Tensor,
    y1: &Tensor,
    tolerance: &Tolerance,
) -> Result<f64, StateError> {
    let wide = |x: &Tensor| x.detach().to_dtype(DType::F64);
    let weight = wide(y0)?
        .abs()?
        .maximum(&wide(y1)?.abs()?)?
        .affine(tolerance.rtol(), tolerance.atol())?;
    let scaled = |x: &Tensor| {
        let x = wide(x)?;
        x.eq(0.0)?.where_cond(&x.zeros_like()?, &x.div(&weight)?)
    };
    scalar(&(scaled(a)? * scaled(b)?)?.sum_all()?)
}

fn rows_of<T: Scalar + WithDType>(tensor: &Tensor) -> Result<NonFinite, StateError> {
    // A scalar is one row of one element.
    let rows = tensor.dims().first().copied().unwrap_or(1);
    let width = tensor.elem_count() / rows.max(1);
    with_slices::<T, _>(&[tensor], |slices| Ok(slice::non_finite(slices[0], width, "row")))
}

impl State for Tensor {
    fn zeros_like(&self) -> Result<Self, StateError> {
        match self.dtype() {
            DType::F32 | DType::F64 => Ok(Self::zeros_like(self)?),
            other => Err(unsupported(other)),
        }
    }

    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        for (_, x) in terms {
            check(self, x)?;
        }
        *self = if self.device().is_cpu() {
            by_dtype!(self, cpu_sum(self, terms))?
        } else {
            device_sum(self, terms)?
        };
        Ok(())
    }

    fn epsilon(&self) -> f64 {
        match self.dtype() {
            DType::F32 => f64::from(f32::EPSILON),
            _ => f64::EPSILON,
        }
    }

    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        check(self, other)?;
        if self.device().is_cpu() {
            return by_dtype!(self, cpu_dot(self, other));
        }
        let (a, b) = (
            self.detach().to_dtype(DType::F64)?,
            other.detach().to_dtype(DType::F64)?,
        );
        scalar(&(a * b)?.sum_all()?)
    }

    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        check(self, y0)?;
        check(self, y1)?;
        if self.device().is_cpu() {
            by_dtype!(self, cpu_scaled_error(self, y0, y1, tolerance))
        } else {
            device_scaled_error(self, y0, y1, tolerance)
        }
    }

    fn scaled_dot(&self, other: &Self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<f64, StateError> {
        for x in [other, y0, y1] {
            check(self, x)?;
        }
        if self.device().is_cpu() {
            by_dtype!(self, cpu_scaled_dot(self, other, y0, y1, tolerance))
        } else {
            device_scaled_dot(self, other, y0, y1, tolerance)
        }
    }

    fn to_components(&self) -> Result<Vec<f64>, StateError> {
        Ok(self.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    }

    fn set_components(&mut self, components: &[f64]) -> Result<(), StateError> {
        if components.len() != self.elem_count() {
            return Err(StateError::LengthMismatch {
                expected: self.elem_count(),
                found: components.len(),
            });
        }
        *self = Tensor::from_slice(components, self.shape(), self.device())?.to_dtype(self.dtype())?;
        Ok(())
    }

    fn non_finite(&self) -> Result<NonFinite, StateError> {
        let on_cpu = self.detach().to_device(&Device::Cpu)?;
        by_dtype!(on_cpu, rows_of(&on_cpu))
    }
}

#[cfg(test)]
mod tests {
    //! The way over candle's operations runs on the CPU, too: here it meets the fused passes.

    use super::*;

    fn tensors(dtype: DType) -> [Tensor; 4] {
        [0.3, 1.1, 2.7, 4.2].map(|phase| {
            let x =
                Tensor::arange(0.0_f64, 60.0, &Device::Cpu).and_then(|x| x.affine(0.7, phase)?.sin()?.reshape((5, 12)));
            x.and_then(|x| x.to_dtype(dtype)).unwrap()
        })
    }

    #[test]
    fn device_operations_agree_with_the_fused_passes() {
        let tolerance = Tolerance::new(1e-2, 1e-3).unwrap();
        for (dtype, bound) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
            let [a, b, c, d] = &tensors(dtype);
            let terms = [(1.0, a), (0.25, b), (-1.5, c), (3.0, d)];
            let (device, cpu) = (
                device_sum(a, &terms).unwrap(),
                by_dtype!(a, cpu_sum(a, &terms)).unwrap(),
            );
            assert!(scalar(&(device - cpu).unwrap().abs().unwrap().max_all().unwrap()).unwrap() < bound);
            assert!(State::dot(&device_sum(a, &[]).unwrap(), a).unwrap() == 0.0);
            let device = device_scaled_error(a, b, c, &tolerance).unwrap();
            let cpu = by_dtype!(a, cpu_scaled_error(a, b, c, &tolerance)).unwrap();
            assert!(
                (device.sum_squares / cpu.sum_squares - 1.0).abs() < bound,
                "{device:?} {cpu:?}"
            );
            assert!(
                (device.max / cpu.max - 1.0).abs() < bound && device.count == cpu.count,
                "{device:?} {cpu:?}"
            );
            let device = device_scaled_dot(a, d, b, c, &tolerance).unwrap();
            let cpu = State::scaled_dot(a, d, b, c, &tolerance).unwrap();
            let size = a.scaled_error(b, c, &tolerance).unwrap().sum_squares;
            assert!((device - cpu).abs() < bound * size, "{device} {cpu}");
        }
    }

    #[test]
    fn device_operations_see_what_is_not_finite() {
        let tolerance = Tolerance::new(1e-2, 0.0).unwrap();
        let zero = Tensor::zeros((2, 2), DType::F64, &Device::Cpu).unwrap();
        assert_eq!(
            device_scaled_error(&zero, &zero, &zero, &tolerance)
                .unwrap()
                .sum_squares,
            0.0
        );
        for bad in [f64::NAN, f64::INFINITY] {
            let hurt = Tensor::new(&[[1.0, bad], [1.0, 1.0]], &Device::Cpu).unwrap();
            let fine = hurt.ones_like().unwrap();
            assert!(
                !device_scaled_error(&fine, &fine, &hurt, &tolerance)
                    .unwrap()
                    .sum_squares
                    .is_finite()
            );
            assert!(
                !device_scaled_error(&hurt, &fine, &fine, &tolerance)
                    .unwrap()
                    .sum_squares
                    .is_finite()
            );
        }
    }
}

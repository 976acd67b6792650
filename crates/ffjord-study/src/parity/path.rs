//! The two ways to evaluate a vector field that are compared with the reference.

use crate::error::{Result, StudyError};
use candle_core::{DType, Device, Tensor, WithDType};
use ffjord_flow::{Backend, CpuBackend, TensorBackend};
use ffjord_kernels::mlp::{Stack, StackMut};
use ffjord_kernels::{GradientMut, Real, SharedKernel};
use ffjord_nn::{Cotangents, FieldKernel, NnError, OutputCotangents, Request, VectorField};
use std::sync::Arc;

/// What evaluates a vector field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// candle's tensor operations.
    Generic,
    /// The fused kernels.
    Fused,
}

impl Path {
    /// The flow's name for it.
    pub fn backend(self) -> Arc<dyn Backend> {
        match self {
            Self::Generic => Arc::new(TensorBackend),
            Self::Fused => Arc::new(CpuBackend::default()),
        }
    }

    /// `f` `[B, …]` and the products with `tangents` `[K, B, …]`.
    ///
    /// # Errors
    /// When the field cannot be evaluated, or has no kernel on the fused path.
    pub fn jvp(self, field: &dyn VectorField, t: f64, y: &Tensor, tangents: &Tensor) -> Result<(Tensor, Tensor)> {
        if self == Self::Generic {
            return Ok(field.jvp(t, y, None, tangents)?);
        }
        match kernel_of(field)? {
            FieldKernel::F32(kernel) => jvp(&kernel, t, y, tangents),
            FieldKernel::F64(kernel) => jvp(&kernel, t, y, tangents),
            _ => Err(StudyError::NoKernel),
        }
    }

    /// Gradients of `Σ a·f + Σ b·(J e)` for cotangents `a` `[B, …]` and `b` `[K, B, …]`.
    ///
    /// # Errors
    /// As [`Path::jvp`].
    pub fn vjp(
        self,
        field: &dyn VectorField,
        t: f64,
        (y, tangents): (&Tensor, &Tensor),
        (a, b): (&Tensor, &Tensor),
    ) -> Result<Cotangents> {
        if self == Self::Generic {
            let linearization = field.linearize(t, y, None, &Request::products(tangents))?;
            let outputs = OutputCotangents {
                value: a,
                products: Some(b),
                along: &[],
            };
            return Ok(linearization.pullback(field.parameters(), &outputs)?);
        }
        let shapes: Vec<&[usize]> = field
            .parameters()
            .iter()
            .map(|parameter| parameter.var.dims())
            .collect();
        match kernel_of(field)? {
            FieldKernel::F32(kernel) => vjp(&kernel, t, (y, tangents), (a, b), &shapes),
            FieldKernel::F64(kernel) => vjp(&kernel, t, (y, tangents), (a, b), &shapes),
            _ => Err(StudyError::NoKernel),
        }
    }
}

fn kernel_of(field: &dyn VectorField) -> Result<FieldKernel> {
    field.kernel()?.ok_or(StudyError::NoKernel)
}

fn numbers<T: WithDType>(tensor: &Tensor) -> Result<Vec<T>> {
    Ok(tensor.to_dtype(T::DTYPE)?.flatten_all()?.to_vec1()?)
}

fn jvp<T: Real + WithDType>(
    kernel: &SharedKernel<T>,
    t: f64,
    y: &Tensor,
    tangents: &Tensor,
) -> Result<(Tensor, Tensor)> {
    let (z, e) = (numbers::<T>(y)?, numbers::<T>(tangents)?);
    let (mut f, mut u) = (vec![T::ZERO; z.len()], vec![T::ZERO; e.len()]);
    let mut workspace = kernel.workspace((z.len() + e.len()) / kernel.state_len());
    let input = Stack {
        value: &z,
        tangents: &e,
    };
    let output = StackMut {
        value: &mut f,
        tangents: &mut u,
    };
    kernel
        .forward(t, input, &[], output, &mut workspace)
        .map_err(NnError::Kernel)?;
    Ok((
        Tensor::from_vec(f, y.shape(), &Device::Cpu)?,
        Tensor::from_vec(u, tangents.shape(), &Device::Cpu)?,
    ))
}

fn vjp<T: Real + WithDType>(
    kernel: &SharedKernel<T>,
    t: f64,
    (y, tangents): (&Tensor, &Tensor),
    (a, b): (&Tensor, &Tensor),
    shapes: &[&[usize]],
) -> Result<Cotangents> {
    let (z, e, a, b) = (
        numbers::<T>(y)?,
        numbers::<T>(tangents)?,
        numbers::<T>(a)?,
        numbers::<T>(b)?,
    );
    let (mut f, mut u) = (vec![T::ZERO; z.len()], vec![T::ZERO; e.len()]);
    let stacked_rows = (z.len() + e.len()) / kernel.state_len();
    let (mut workspace, mut tape) = (kernel.workspace(stacked_rows), kernel.tape(stacked_rows));
    let input = Stack {
        value: &z,
        tangents: &e,
    };
    let output = StackMut {
        value: &mut f,
        tangents: &mut u,
    };
    kernel
        .record(t, input, &[], output, &mut tape, &mut workspace)
        .map_err(NnError::Kernel)?;
    let (mut state, mut gradient) = (vec![T::ZERO; z.len()], vec![T::ZERO; kernel.parameter_count()]);
    let cotangent = Stack {
        value: &a,
        tangents: &b,
    };
    let into = GradientMut {
        state: &mut state,
        parameters: &mut gradient,
        given: &mut [],
    };
    let time = kernel
        .reverse(&tape, &[], cotangent, into, &mut workspace)
        .map_err(NnError::Kernel)?;
    let mut rest = gradient.as_slice();
    let mut parameters = Vec::new();
    for &shape in shapes {
        let (own, behind) = rest.split_at(shape.iter().product());
        parameters.push(Tensor::from_slice(own, shape, &Device::Cpu)?);
        rest = behind;
    }
    Ok(Cotangents {
        state: Tensor::from_vec(state, y.shape(), &Device::Cpu)?,
        given: None,
        time,
        parameters,
    })
}

/// A path in a number type, and the largest errors accepted.
#[derive(Debug, Clone, Copy)]
pub struct Subject {
    /// What evaluates.
    pub path: Path,
    /// The number type of weights and states.
    pub dtype: DType,
}

impl Subject {
    /// What is compared along a path: double precision, and single precision as well where kernels are the subject.
    pub fn all(path: Path) -> Vec<Self> {
        let dtypes: &[DType] = match path {
            Path::Generic => &[DType::F64],
            Path::Fused => &[DType::F64, DType::F32],
        };
        dtypes.iter().map(|&dtype| Self { path, dtype }).collect()
    }

    /// The number that is right in this number type.
    pub fn in_precision(self, double: f64, single: f64) -> f64 {
        if self.dtype == DType::F64 { double } else { single }
    }
}

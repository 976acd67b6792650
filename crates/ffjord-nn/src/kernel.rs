//! Networks handed to the compiled CPU kernels.

use crate::error::Result;
use crate::parameter::Parameter;
use candle_core::{DType, WithDType};
use ffjord_kernels::{Kernel, KernelError, MinusState, Real, SharedKernel, Sum};
use std::sync::Arc;

/// A vector field with its present weights as a kernel of `ffjord-kernels`, in the field's number type.
///
/// The kernel's flat parameters and gradients have the order of [`VectorField::parameters`](crate::VectorField).
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_kernels::{Stack, StackMut};
/// use ffjord_nn::{FieldKernel, Mlp, MlpConfig, VectorField, zero_last_layer};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).hidden([8]), &mut rng, DType::F64, &Device::Cpu)?;
/// let Some(FieldKernel::F64(kernel)) = field.kernel()?.map(FieldKernel::minus_state) else {
///     return Err("a dense network of the processor has a kernel in its own precision".into());
/// };
/// let (z, mut f) = ([0.5, -1.0], [0.0; 2]);
/// let (input, output) = (Stack { value: &z, tangents: &[] }, StackMut { value: &mut f, tangents: &mut [] });
/// kernel.forward(0.3, input, &[], output, &mut kernel.workspace(1))?;
/// // The field's own value, minus the state.
/// let value = field.value(0.3, &candle_core::Tensor::new(&[z], &Device::Cpu)?, None)?.squeeze(0)?.to_vec1::<f64>()?;
/// assert!((0..2).all(|i| (f[i] - (value[i] - z[i])).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FieldKernel {
    /// In single precision.
    F32(SharedKernel<f32>),
    /// In double precision.
    F64(SharedKernel<f64>),
}

impl FieldKernel {
    /// What `single` or `double` makes of the parameters' numbers, one after the other; none where no kernel has their
    /// type.
    pub(crate) fn of<A: Kernel<f32>, B: Kernel<f64>>(
        parameters: &[Parameter],
        dtype: DType,
        single: impl FnOnce(&[f32]) -> Result<A, KernelError>,
        double: impl FnOnce(&[f64]) -> Result<B, KernelError>,
    ) -> Result<Option<Self>> {
        Ok(match dtype {
            DType::F32 => Some(Self::F32(Arc::new(single(&flat(parameters)?)?))),
            DType::F64 => Some(Self::F64(Arc::new(double(&flat(parameters)?)?))),
            _ => None,
        })
    }

    /// The kernel of the sum of fields, their parameters one after another; none unless all are of one number type.
    pub(crate) fn sum(kernels: Vec<Self>) -> Result<Option<Self>> {
        let (mut single, mut double) = (Vec::new(), Vec::new());
        for kernel in kernels {
            match kernel {
                Self::F32(kernel) => single.push(kernel),
                Self::F64(kernel) => double.push(kernel),
            }
        }
        Ok(match (single.is_empty(), double.is_empty()) {
            (false, true) => Some(Self::F32(Arc::new(Sum::new(single)?))),
            (true, false) => Some(Self::F64(Arc::new(Sum::new(double)?))),
            _ => None,
        })
    }

    /// The kernel of the field minus its state.
    #[must_use]
    pub fn minus_state(self) -> Self {
        match self {
            Self::F32(kernel) => Self::F32(Arc::new(MinusState::new(kernel))),
            Self::F64(kernel) => Self::F64(Arc::new(MinusState::new(kernel))),
        }
    }
}

impl From<SharedKernel<f32>> for FieldKernel {
    fn from(kernel: SharedKernel<f32>) -> Self {
        Self::F32(kernel)
    }
}

impl From<SharedKernel<f64>> for FieldKernel {
    fn from(kernel: SharedKernel<f64>) -> Self {
        Self::F64(kernel)
    }
}

fn flat<T: Real + WithDType>(parameters: &[Parameter]) -> Result<Vec<T>> {
    let mut values = Vec::new();
    for parameter in parameters {
        values.extend(parameter.var.as_detached_tensor().flatten_all()?.to_vec1::<T>()?);
    }
    Ok(values)
}

//! Networks handed to the compiled CPU kernels.

use crate::conv_net::ConvNetConfig;
use crate::error::Result;
use crate::mlp::MlpConfig;
use crate::parameter::Parameter;
use candle_core::{DType, WithDType};
use ffjord_kernels::convolution::{ConvArchitecture, ConvKernel};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{MinusState, Real, SharedKernel};
use std::sync::Arc;

/// A vector field with its present weights as a kernel of `ffjord-kernels`, in the field's number type.
///
/// The kernel's flat parameters and gradients have the order of [`VectorField::parameters`](crate::VectorField).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum FieldKernel {
    /// In single precision.
    F32(SharedKernel<f32>),
    /// In double precision.
    F64(SharedKernel<f64>),
}

impl FieldKernel {
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

/// Packs a fully connected network; none where no kernel has its number type.
pub(crate) fn pack_mlp(config: &MlpConfig, parameters: &[Parameter], dtype: DType) -> Result<Option<FieldKernel>> {
    let mut dimensions = vec![config.dimension + config.given];
    dimensions.extend_from_slice(&config.hidden);
    dimensions.push(config.dimension);
    let architecture = MlpArchitecture::new(&dimensions, config.layer, config.activation)?;
    let level = SimdLevel::detect();
    Ok(match dtype {
        DType::F32 => Some(FieldKernel::F32(Arc::new(MlpKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?))),
        DType::F64 => Some(FieldKernel::F64(Arc::new(MlpKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?))),
        _ => None,
    })
}

/// Packs a convolutional network; none where no kernel has its number type.
pub(crate) fn pack_conv_net(
    config: &ConvNetConfig,
    parameters: &[Parameter],
    dtype: DType,
) -> Result<Option<FieldKernel>> {
    let architecture = ConvArchitecture::new(
        config.channels,
        config.size,
        &config.hidden,
        &config.strides,
        config.layer,
        config.activation,
    )?;
    let level = SimdLevel::detect();
    Ok(match dtype {
        DType::F32 => Some(FieldKernel::F32(Arc::new(ConvKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?))),
        DType::F64 => Some(FieldKernel::F64(Arc::new(ConvKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?))),
        _ => None,
    })
}

fn flat<T: Real + WithDType>(parameters: &[Parameter]) -> Result<Vec<T>> {
    let mut values = Vec::new();
    for parameter in parameters {
        values.extend(parameter.var.as_detached_tensor().flatten_all()?.to_vec1::<T>()?);
    }
    Ok(values)
}

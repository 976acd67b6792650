//! Networks handed to the fused CPU kernels.

use crate::activation::ActivationKind;
use crate::error::Result;
use crate::layer::LayerKind;
use crate::mlp::MlpConfig;
use crate::parameter::Parameter;
use candle_core::{DType, WithDType};
use ffjord_kernels::Real;
use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;

/// A vector field with its present weights, packed for the fused kernels of `ffjord-kernels`.
///
/// The kernels' flat parameters and gradients have the order of [`VectorField::parameters`](crate::VectorField).
#[derive(Debug, Clone)]
pub enum FusedField {
    /// In single precision.
    F32(MlpKernel<f32>),
    /// In double precision.
    F64(MlpKernel<f64>),
}

/// Packs a fully connected network, minus its state if it is `residual`; none where no kernel has its number type.
pub(crate) fn pack(
    config: &MlpConfig,
    residual: bool,
    parameters: &[Parameter],
    dtype: DType,
) -> Result<Option<FusedField>> {
    let mut dimensions = vec![config.dimension];
    dimensions.extend_from_slice(&config.hidden);
    dimensions.push(config.dimension);
    let mut architecture =
        MlpArchitecture::new(&dimensions, conditioning(config.layer), activation(config.activation))?;
    if residual {
        architecture = architecture.residual()?;
    }
    let level = SimdLevel::detect();
    Ok(match dtype {
        DType::F32 => Some(FusedField::F32(MlpKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?)),
        DType::F64 => Some(FusedField::F64(MlpKernel::new(
            level,
            architecture,
            &flat(parameters)?,
        )?)),
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

fn conditioning(layer: LayerKind) -> Conditioning {
    match layer {
        LayerKind::Ignore => Conditioning::Ignore,
        // A dense layer has no pixels: the coordinates' type is concat, as in the original.
        LayerKind::Concat | LayerKind::ConcatCoord => Conditioning::Concat,
        LayerKind::ConcatV2 => Conditioning::ConcatV2,
        LayerKind::Squash => Conditioning::Squash,
        LayerKind::ConcatSquash => Conditioning::ConcatSquash,
        LayerKind::Blend => Conditioning::Blend,
        LayerKind::Hyper => Conditioning::Hyper,
    }
}

fn activation(kind: ActivationKind) -> Activation {
    match kind {
        ActivationKind::Tanh => Activation::Tanh,
        ActivationKind::Relu => Activation::Relu,
        ActivationKind::Softplus => Activation::Softplus,
        ActivationKind::Elu => Activation::Elu,
        ActivationKind::Swish => Activation::Swish,
        ActivationKind::Square => Activation::Square,
        ActivationKind::Identity => Activation::Identity,
    }
}

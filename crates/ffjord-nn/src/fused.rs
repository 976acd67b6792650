//! Networks handed to the fused CPU kernels.

use crate::activation::ActivationKind;
use crate::conv_net::ConvNetConfig;
use crate::error::Result;
use crate::layer::{LayerKind, Stride};
use crate::mlp::MlpConfig;
use crate::parameter::Parameter;
use candle_core::{DType, WithDType};
use ffjord_kernels::convolution::{ConvArchitecture, ConvConditioning, ConvKernel, ConvStride};
use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{NetworkKernel, Real};

/// A vector field with its present weights, packed for the fused kernels of `ffjord-kernels`.
///
/// The kernels' flat parameters and gradients have the order of [`VectorField::parameters`](crate::VectorField).
#[derive(Debug, Clone)]
pub enum FusedField {
    /// In single precision.
    F32(NetworkKernel<f32>),
    /// In double precision.
    F64(NetworkKernel<f64>),
}

/// What a kernel is packed from, beside its parameters.
#[derive(Debug, Clone)]
enum Architecture {
    Dense(MlpArchitecture),
    Convolutional(ConvArchitecture),
}

/// Packs a fully connected network, minus its state if it is `residual`; none where no kernel has its number type.
pub(crate) fn pack_mlp(
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
    pack(Architecture::Dense(architecture), parameters, dtype)
}

/// Packs a convolutional network, minus its state if it is `residual`; none where no kernel has its number type.
pub(crate) fn pack_conv_net(
    config: &ConvNetConfig,
    residual: bool,
    parameters: &[Parameter],
    dtype: DType,
) -> Result<Option<FusedField>> {
    let strides: Vec<ConvStride> = config.strides.iter().copied().map(stride).collect();
    let mut architecture = ConvArchitecture::new(
        config.channels,
        config.size,
        &config.hidden,
        &strides,
        convolution_conditioning(config.layer),
        activation(config.activation),
    )?;
    if residual {
        architecture = architecture.residual();
    }
    pack(Architecture::Convolutional(architecture), parameters, dtype)
}

fn pack(architecture: Architecture, parameters: &[Parameter], dtype: DType) -> Result<Option<FusedField>> {
    Ok(match dtype {
        DType::F32 => Some(FusedField::F32(kernel(architecture, parameters)?)),
        DType::F64 => Some(FusedField::F64(kernel(architecture, parameters)?)),
        _ => None,
    })
}

fn kernel<T: Real + WithDType>(architecture: Architecture, parameters: &[Parameter]) -> Result<NetworkKernel<T>> {
    let (level, parameters) = (SimdLevel::detect(), flat(parameters)?);
    Ok(match architecture {
        Architecture::Dense(architecture) => MlpKernel::new(level, architecture, &parameters)?.into(),
        Architecture::Convolutional(architecture) => ConvKernel::new(level, architecture, &parameters)?.into(),
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

fn convolution_conditioning(layer: LayerKind) -> ConvConditioning {
    match layer {
        LayerKind::Ignore => ConvConditioning::Ignore,
        LayerKind::Concat => ConvConditioning::Concat,
        LayerKind::ConcatV2 => ConvConditioning::ConcatV2,
        LayerKind::Squash => ConvConditioning::Squash,
        LayerKind::ConcatSquash => ConvConditioning::ConcatSquash,
        LayerKind::ConcatCoord => ConvConditioning::ConcatCoord,
        LayerKind::Blend => ConvConditioning::Blend,
        LayerKind::Hyper => ConvConditioning::Hyper,
    }
}

fn stride(stride: Stride) -> ConvStride {
    match stride {
        Stride::Keep => ConvStride::Keep,
        Stride::Halve => ConvStride::Halve,
        Stride::Double => ConvStride::Double,
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

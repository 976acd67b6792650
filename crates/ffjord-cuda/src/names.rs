//! What the kernels call layer types, nonlinearities and integrals: the names in `text/names.cuh`.

use ffjord_flow::PathIntegral;
use ffjord_kernels::{ActivationKind, LayerKind};

/// The name of a layer type.
pub(crate) fn kind_name(kind: LayerKind) -> &'static str {
    match kind {
        LayerKind::Ignore => "IGNORE",
        // A dense layer has no pixels.
        LayerKind::Concat | LayerKind::ConcatCoord => "CONCAT",
        LayerKind::ConcatV2 => "CONCAT_V2",
        LayerKind::Squash => "SQUASH",
        LayerKind::ConcatSquash => "CONCAT_SQUASH",
        LayerKind::Blend => "BLEND",
        LayerKind::Hyper | LayerKind::HyperOverlapping => "HYPER",
    }
}

/// The name of a nonlinearity; none for one that the kernels do not have.
pub(crate) fn activation_of(activation: ActivationKind) -> Option<&'static str> {
    Some(match activation {
        ActivationKind::Identity => "IDENTITY",
        ActivationKind::Tanh => "TANH",
        ActivationKind::Relu => "RELU",
        ActivationKind::Softplus => "SOFTPLUS",
        ActivationKind::Elu => "ELU",
        ActivationKind::Swish => "SWISH",
        ActivationKind::Square => "SQUARE",
        _ => return None,
    })
}

/// The name of a nonlinearity that was found among those of the kernels.
pub(crate) fn activation_name(activation: ActivationKind) -> &'static str {
    activation_of(activation).unwrap_or("IDENTITY")
}

/// The name of an integral; none for one that the kernels do not have.
pub(crate) fn integral_of(integral: PathIntegral) -> Option<&'static str> {
    Some(match integral {
        PathIntegral::Kinetic => "KINETIC",
        PathIntegral::Jacobian => "JACOBIAN",
        PathIntegral::L1 => "L1",
        PathIntegral::L2 => "L2",
        PathIntegral::Frobenius => "FROBENIUS",
        PathIntegral::Diagonal => "DIAGONAL",
        PathIntegral::OffDiagonal => "OFF_DIAGONAL",
        _ => return None,
    })
}

/// The name of an integral that was found among those of the kernels.
pub(crate) fn integral_name(integral: PathIntegral) -> &'static str {
    integral_of(integral).unwrap_or("KINETIC")
}

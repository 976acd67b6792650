//! The types of layers, by how they depend on time. Each has a rule for dense layers and one for convolutions.

mod blend;
mod gated;
mod hyper;
mod plain;

use crate::convolution::ConvRule;
use crate::error::parse_name;
use crate::mlp::DenseRule;
use crate::{KernelError, Real};
use std::fmt;
use std::str::FromStr;

/// How a layer depends on time t.
///
/// `W` and `b` are the layer's own weights and bias, `g`, `c` and `h` vectors with one entry an output, σ the logistic
/// function. Matches on it are meant to name every type: a new one is then missed nowhere.
///
/// ```
/// use ffjord_kernels::LayerKind;
/// assert_eq!("concatsquash".parse::<LayerKind>()?, LayerKind::ConcatSquash);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerKind {
    /// `W x + b`.
    Ignore,
    /// `W [t, x] + b`: time is the first input feature or channel (the paper's choice).
    Concat,
    /// `W x + b + h t`.
    ConcatV2,
    /// `(W x + b) ⊙ σ(g t + c)`.
    Squash,
    /// `(W x + b) ⊙ σ(g t + c) + h t` (the released code's default for tables).
    ConcatSquash,
    /// `(1 − t) (W₀ x + b₀) + t (W₁ x + b₁)`.
    Blend,
    /// Weights and bias are outputs of a small network of t.
    Hyper,
    /// As `Hyper`, but a convolution's bias is read from the numbers that its kernel begins with, as the released code has
    /// it: for its checkpoints. Dense layers are those of `Hyper`.
    HyperOverlapping,
    /// Convolutions only: `W [x, t, row, column] + b`; a dense layer of this type is [`LayerKind::Concat`].
    ConcatCoord,
}

impl LayerKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Ignore,
        Self::Concat,
        Self::ConcatV2,
        Self::Squash,
        Self::ConcatSquash,
        Self::Blend,
        Self::Hyper,
        Self::ConcatCoord,
        Self::HyperOverlapping,
    ];

    pub(crate) fn dense_rule<T: Real>(self) -> &'static dyn DenseRule<T> {
        match self {
            Self::Ignore => &plain::Ignore,
            // A dense layer has no pixels: the coordinates' type is concat, as in the original.
            Self::Concat | Self::ConcatCoord => &plain::Concat,
            Self::ConcatV2 => &plain::ConcatV2,
            Self::Squash => &gated::Gated { shift: false },
            Self::ConcatSquash => &gated::Gated { shift: true },
            Self::Blend => &blend::Blend,
            Self::Hyper | Self::HyperOverlapping => &hyper::Hyper { overlapping: false },
        }
    }

    pub(crate) fn convolution_rule<T: Real>(self) -> &'static dyn ConvRule<T> {
        match self {
            Self::Ignore => &plain::Ignore,
            Self::Concat => &plain::Concat,
            Self::ConcatV2 => &plain::ConcatV2,
            Self::Squash => &gated::Gated { shift: false },
            Self::ConcatSquash => &gated::Gated { shift: true },
            Self::Blend => &blend::Blend,
            Self::Hyper => &hyper::Hyper { overlapping: false },
            Self::HyperOverlapping => &hyper::Hyper { overlapping: true },
            Self::ConcatCoord => &plain::ConcatCoord,
        }
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ignore => "ignore",
            Self::Concat => "concat",
            Self::ConcatV2 => "concat_v2",
            Self::Squash => "squash",
            Self::ConcatSquash => "concatsquash",
            Self::Blend => "blend",
            Self::Hyper => "hyper",
            Self::HyperOverlapping => "hyper-overlapping",
            Self::ConcatCoord => "concatcoord",
        })
    }
}

impl FromStr for LayerKind {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        parse_name("layer type", name, &Self::ALL)
    }
}

//! The nonlinearities of networks, by name.

use super::Function;
use crate::error::parse_name;
use crate::{KernelError, Real};
use std::fmt;
use std::str::FromStr;

/// What stands between the layers of a network; there is none after the last layer.
///
/// ```
/// use ffjord_kernels::ActivationKind;
/// assert_eq!("softplus".parse::<ActivationKind>()?, ActivationKind::Softplus);
/// assert!("gelu".parse::<ActivationKind>().is_err());
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// The function that it stands for:
///
/// ```
/// use ffjord_kernels::ActivationKind;
/// use ffjord_kernels::elementwise::Function;
/// assert_eq!(ActivationKind::Swish.function(0.5f32), Function::Swish { beta: 0.5 });
/// let learned: Vec<_> = ActivationKind::ALL.into_iter().filter(|kind| kind.has_coefficient()).collect();
/// assert_eq!(learned, [ActivationKind::Swish]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ActivationKind {
    /// `tanh x`.
    Tanh,
    /// `max(x, 0)`.
    Relu,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x` for positive `x`, else `eˣ − 1`.
    Elu,
    /// `x σ(βx)` with one learned `β`, 1 at first, shared by all layers of a network; it is the last parameter.
    Swish,
    /// `x²`.
    Square,
    /// `x`.
    Identity,
}

impl ActivationKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Tanh,
        Self::Relu,
        Self::Softplus,
        Self::Elu,
        Self::Swish,
        Self::Square,
        Self::Identity,
    ];

    /// Whether it has a learned coefficient β.
    #[must_use]
    pub fn has_coefficient(self) -> bool {
        self == Self::Swish
    }

    /// The function, with coefficient β if it has one.
    #[must_use]
    pub fn function<T: Real>(self, beta: T) -> Function<T> {
        match self {
            Self::Tanh => Function::Tanh,
            Self::Relu => Function::Relu,
            Self::Softplus => Function::Softplus,
            Self::Elu => Function::Elu,
            Self::Swish => Function::Swish { beta },
            Self::Square => Function::Square,
            Self::Identity => Function::Identity,
        }
    }
}

impl fmt::Display for ActivationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tanh => "tanh",
            Self::Relu => "relu",
            Self::Softplus => "softplus",
            Self::Elu => "elu",
            Self::Swish => "swish",
            Self::Square => "square",
            Self::Identity => "identity",
        })
    }
}

impl FromStr for ActivationKind {
    type Err = KernelError;

    fn from_str(name: &str) -> Result<Self, KernelError> {
        parse_name("activation", name, &Self::ALL)
    }
}

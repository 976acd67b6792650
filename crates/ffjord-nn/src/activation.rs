//! Nonlinearities between the layers of a vector field.

use crate::dual::Dual;
use crate::error::{NnError, Result, parse_name};
use crate::ops::{self, Function};
use crate::parameter::ParameterBuilder;
use candle_core::Var;
use std::fmt;
use std::str::FromStr;

/// The kind of a nonlinearity.
///
/// ```
/// use ffjord_nn::ActivationKind;
/// assert_eq!("softplus".parse::<ActivationKind>()?, ActivationKind::Softplus);
/// assert!("gelu".parse::<ActivationKind>().is_err());
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ActivationKind {
    /// `tanh x`.
    Tanh,
    /// `max(x, 0)`.
    Relu,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x` for positive `x`, else `eˣ − 1`.
    Elu,
    /// `x σ(βx)` with one learned `β`, 1 at first, shared by all layers of a network.
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
    type Err = NnError;

    fn from_str(name: &str) -> Result<Self> {
        parse_name("activation", name, &Self::ALL)
    }
}

/// A nonlinearity with its learned coefficient, if it has one.
#[derive(Debug, Clone)]
pub(crate) enum Activation {
    /// A function without parameters.
    Fixed(Function<f64>),
    /// Swish with a learned β.
    Swish { beta: Var },
}

impl Activation {
    /// Creates the nonlinearity; swish creates its β as `activation_fns.0.beta`.
    pub(crate) fn new(kind: ActivationKind, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        Ok(Self::Fixed(match kind {
            ActivationKind::Tanh => Function::Tanh,
            ActivationKind::Relu => Function::Relu,
            ActivationKind::Softplus => Function::Softplus,
            ActivationKind::Elu => Function::Elu,
            ActivationKind::Swish => {
                let beta = builder.scoped("activation_fns.0", |builder| builder.constant("beta", (), 1.0))?;
                return Ok(Self::Swish { beta });
            }
            ActivationKind::Square => Function::Square,
            ActivationKind::Identity => Function::Identity,
        }))
    }

    /// φ on the values, φ' times the tangents.
    pub(crate) fn apply(&self, input: &Dual) -> Result<Dual> {
        match self {
            Self::Fixed(function) => input.map(*function),
            Self::Swish { beta } => {
                let (x, beta) = (input.value()?, beta.as_tensor());
                let gate = ops::sigmoid(&x.broadcast_mul(beta)?)?;
                let h = (&x * &gate)?;
                input.chain(&h, || Ok((&gate + (h.broadcast_mul(beta)? * (1.0 - &gate)?)?)?))
            }
        }
    }
}

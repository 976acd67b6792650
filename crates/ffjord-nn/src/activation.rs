//! Nonlinearities between the layers of a vector field.

use crate::dual::Dual;
use crate::error::{NnError, Result, parse_name};
use crate::parameter::ParameterBuilder;
use candle_core::{Tensor, Var};
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
    Tanh,
    Relu,
    Softplus,
    Elu,
    Swish { beta: Var },
    Square,
    Identity,
}

impl Activation {
    /// Creates the nonlinearity; swish creates its β as `activation_fns.0.beta`.
    pub(crate) fn new(kind: ActivationKind, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        Ok(match kind {
            ActivationKind::Tanh => Self::Tanh,
            ActivationKind::Relu => Self::Relu,
            ActivationKind::Softplus => Self::Softplus,
            ActivationKind::Elu => Self::Elu,
            ActivationKind::Swish => Self::Swish {
                beta: builder.scoped("activation_fns.0", |builder| builder.constant("beta", (), 1.0))?,
            },
            ActivationKind::Square => Self::Square,
            ActivationKind::Identity => Self::Identity,
        })
    }

    /// φ on the values, φ' times the tangents.
    pub(crate) fn apply(&self, input: &Dual) -> Result<Dual> {
        let x = input.value();
        match self {
            Self::Tanh => {
                let h = x.tanh()?;
                input.chain(h.clone(), || Ok((1.0 - h.sqr()?)?))
            }
            Self::Relu => input.chain(x.relu()?, || Ok(x.detach().gt(0.0)?.to_dtype(x.dtype())?)),
            Self::Softplus => {
                // ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|) never overflows.
                let h = (x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?)?;
                input.chain(h, || sigmoid(x))
            }
            Self::Elu => {
                let below = x.neg()?.relu()?.neg()?.exp()?;
                input.chain((x.relu()? + (&below - 1.0)?)?, || Ok(below))
            }
            Self::Swish { beta } => {
                let beta = beta.as_tensor();
                let gate = sigmoid(&x.broadcast_mul(beta)?)?;
                let h = (x * &gate)?;
                input.chain(h.clone(), || Ok((&gate + (h.broadcast_mul(beta)? * (1.0 - &gate)?)?)?))
            }
            Self::Square => input.chain(x.sqr()?, || Ok((x * 2.0)?)),
            Self::Identity => Ok(input.clone()),
        }
    }
}

/// The logistic function.
pub(crate) fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Ok(candle_nn::ops::sigmoid(x)?)
}

//! Nonlinearities between the layers of a vector field.

use crate::dual::Dual;
use crate::error::Result;
use crate::ops::{self, Function};
use crate::parameter::ParameterBuilder;
use candle_core::Var;
pub use ffjord_kernels::ActivationKind;

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
        if kind.has_coefficient() {
            let beta = builder.scoped("activation_fns.0", |builder| builder.constant("beta", (), 1.0))?;
            return Ok(Self::Swish { beta });
        }
        Ok(Self::Fixed(kind.function(1.0)))
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

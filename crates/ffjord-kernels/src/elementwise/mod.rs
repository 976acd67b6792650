//! Nonlinear functions on slices, with their derivatives.

mod exponential;
mod function;
mod gate;
mod kind;
pub(crate) mod nonlinearity;
mod softmax;
mod stack;

pub use function::Function;
pub use gate::{gate, gate_gradient};
pub use kind::ActivationKind;
pub use nonlinearity::Saved;
pub use softmax::{log_softmax_at, log_softmax_at_gradient};
pub use stack::SavedStack;

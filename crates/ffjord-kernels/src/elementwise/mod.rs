//! Nonlinear functions on slices, with their derivatives.

mod exponential;
mod function;
mod kind;
pub(crate) mod nonlinearity;
mod stack;

pub use function::Function;
pub use kind::ActivationKind;
pub use nonlinearity::Saved;
pub use stack::SavedStack;

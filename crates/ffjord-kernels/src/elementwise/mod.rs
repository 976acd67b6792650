//! Nonlinear functions on slices, with their derivatives.

mod exponential;
mod function;
pub(crate) mod nonlinearity;
mod stack;

pub use function::Function;
pub use nonlinearity::Saved;
pub use stack::SavedStack;

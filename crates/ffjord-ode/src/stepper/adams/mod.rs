//! Adams methods: a step integrates the polynomial through past slopes.
//!
//! The polynomials are those of the steps as they were, of whatever sizes, so that a change of the step needs no restart:
//! the weights are integrals of Lagrange polynomials, formed anew for every step (Hairer, Nørsett, Wanner I, III.5). What
//! is behind is forgotten at the start of a solve only.

mod basis;
mod fixed;
mod step;
mod variable;

pub use fixed::{AdamsKind, AdamsMethod, FixedAdams};
pub use variable::VariableAdams;

//! Gradients of every adjoint against finite differences, on a run's own model and rows.

mod direction;
mod measurement;
mod report;
mod subject;

pub use measurement::{AdjointCheck, Check, GradientError, check};
pub use report::table;

//! The variance of trace estimators on a trained model's Jacobians.

mod estimators;
mod jacobians;

pub use estimators::{Measured, measure};
pub use jacobians::{Matrices, bottleneck, jacobians};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod estimator;
mod exact;
mod hutchinson;
mod operator;
mod probe;
mod scalar;

pub use error::TraceError;
pub use estimator::{QuadraticForms, TraceEstimate, TraceEstimator};
pub use exact::Exact;
pub use hutchinson::{Hutchinson, single_probe_variance};
pub use operator::{DenseOperator, FunctionOperator, LinearOperator};
pub use probe::{ProbeDistribution, Probes};
pub use scalar::Scalar;

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod adaptive;
mod columns;
mod error;
mod estimator;
mod exact;
mod function_of;
mod hutch_plus_plus;
mod hutchinson;
mod lanczos;
mod lanczos_quadrature;
mod leave_out;
mod operator;
mod probe;
mod scalar;
mod tridiagonal;
mod xnystrace;
mod xtrace;

/// The version of `rand` whose generators the functions of this crate take.
pub use rand;

pub use adaptive::AdaptiveHutchinson;
pub use error::TraceError;
pub use estimator::{QuadraticForms, TraceEstimate, TraceEstimator};
pub use exact::Exact;
pub use function_of::{FunctionOf, FunctionProducts};
pub use hutch_plus_plus::HutchPlusPlus;
pub use hutchinson::{Hutchinson, single_probe_variance};
pub use lanczos_quadrature::{LanczosQuadrature, LogDeterminant};
pub use operator::{DenseOperator, FunctionOperator, LinearOperator};
pub use probe::{ProbeDistribution, Probes};
pub use scalar::Scalar;
pub use xnystrace::XNysTrace;
pub use xtrace::XTrace;

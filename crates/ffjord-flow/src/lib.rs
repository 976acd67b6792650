#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod base;
mod batch_norm;
mod bijection;
mod chain;
mod cnf;
mod density;
mod error;
mod integral;
mod pass;

pub use base::StandardNormalBase;
pub use batch_norm::MovingBatchNorm;
pub use bijection::{Bijection, Transformed};
pub use chain::Chain;
pub use cnf::{Backend, Cnf, CnfSettings, SolveSettings, TraceMode};
pub use density::{Density, Flow, FlowLogProb};
pub use error::{FlowError, Result};
pub use integral::{PathIntegral, PathIntegrals};
pub use pass::{CostSnapshot, Pass, Purpose, SolveCost};

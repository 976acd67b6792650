#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod act_norm;
mod architecture;
mod autoregressive;
mod base;
mod batch_norm;
mod bijection;
mod chain;
mod cnf;
mod condition;
mod coupling;
mod density;
mod error;
mod integral;
mod linear;
mod pass;
mod permutation;
mod transform;

pub use act_norm::ActNorm;
pub use architecture::{Architecture, DiscreteFlowConfig};
pub use autoregressive::{Autoregressive, AutoregressiveFlowConfig};
pub use base::StandardNormalBase;
pub use batch_norm::MovingBatchNorm;
pub use bijection::{Bijection, Transformed};
pub use chain::Chain;
pub use cnf::{Backend, Cnf, CnfSettings, SolveSettings, TraceMode};
pub use coupling::{Coupling, CouplingConfig};
pub use density::{Density, Flow, FlowLogProb};
pub use error::{FlowError, Result};
pub use integral::{PathIntegral, PathIntegrals};
pub use linear::LuLinear;
pub use pass::{CostSnapshot, Pass, Purpose, SolveCost};
pub use permutation::Permutation;
pub use transform::{Affine, ColumnTransform, RationalQuadraticSpline};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod act_norm;
mod architecture;
mod autoregressive;
mod backend;
mod batch_norm;
mod bijection;
mod chain;
mod cnf;
mod condition;
pub mod config;
mod coupling;
mod density;
mod error;
mod finite;
mod flow;
mod integral;
mod linear;
mod pass;
mod permutation;
mod solve;
mod squeeze;
mod standard_normal;
mod transform;

pub use act_norm::ActNorm;
pub use architecture::{Architecture, DiscreteFlowConfig};
pub use autoregressive::{Autoregressive, AutoregressiveFlowConfig};
pub use backend::{Backend, CpuBackend, Evaluation, Gradients, Problem, Pullback, Solved, Statistics, TensorBackend};
pub use batch_norm::MovingBatchNorm;
pub use bijection::{Bijection, Transformed, Velocity};
pub use chain::Chain;
pub use cnf::{Cnf, CnfBuilder};
pub use coupling::{Coupling, CouplingConfig};
pub use density::Density;
pub use error::{FlowError, Result};
pub use flow::{Flow, FlowLogProb};
pub use integral::{PathIntegral, PathIntegrals};
pub use linear::LuLinear;
pub use pass::{CostSnapshot, Pass, Purpose, SolveCost};
pub use permutation::Permutation;
pub use solve::{CnfSettings, SolveSettings, TraceForm, TraceMode, TraceOf, TraceVectors};
pub use squeeze::Squeeze;
pub use standard_normal::StandardNormal;
pub use transform::{Affine, ColumnTransform, RationalQuadraticSpline};

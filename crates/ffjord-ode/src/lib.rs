#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_debug_implementations)]

pub mod adjoint;
mod control;
mod dense;
mod error;
mod event;
mod integrate;
mod interpolant;
mod methods;
mod norm;
mod open;
mod save;
mod solution;
mod solver;
mod sparsity;
mod state;
mod step;
mod stepper;
mod system;
mod tableau;

pub use control::{
    Adaptive, Attempt, ConstantStep, Controller, ControllerSource, NextStep, OwnControl, Pid, PidController,
    StepControl, StepGrid, Verdict,
};
pub use dense::Matrix;
pub use error::{SetupError, SolveError, StateError};
pub use event::{Crossing, Event, EventPoint};
pub use integrate::{Limits, integrate, integrate_with_events};
pub use interpolant::{DenseOutput, Interpolant};
pub use methods::Method;
pub use norm::{ErrorMeasure, ErrorNorm, ScaledError, Tolerance};
pub use open::OpenSolve;
pub use solution::{OnBudget, Outcome, SaveAt, Saved, Solution, Stats, StopReason};
pub use solver::{Solver, StepsNotChosen};
pub use sparsity::Sparsity;
pub use state::{NonFinite, Scalar, State};
pub use step::Step;
pub use stepper::{
    AdamsKind, AdamsMethod, Esdirk, ExplicitRungeKutta, FixedAdams, Radau5, ReversibleHeun, Stepper, VariableAdams,
};
pub use system::{Evaluator, RhsOutcome, System};
pub use tableau::{Embedded, ExtraStage, ImplicitTableau, Interpolation, Tableau, TableauFault};

//! Error against evaluations: every method over a range of tolerances, on classical problems and on a trained flow, and
//! beside SciPy's solvers.

mod classical;
mod detest;
mod flow;
mod ladder;
mod picture;
mod scipy;
mod table;

pub use classical::classical_curves;
pub use flow::TrainedFlow;
pub use ladder::{Curve, Point};
pub use picture::draw;
pub use scipy::{Comparison, Equation, ScipyCurve, ScipyProblem, ScipyTable, Versions, WorkPoint, scipy_markdown};
pub use table::markdown;

use detest::problems;
use ladder::{curve, reference_solver};

//! Error against evaluations: every method over a range of tolerances, on classical problems and on a trained flow.

mod classical;
mod detest;
mod flow;
mod ladder;
mod picture;
mod table;

pub use classical::classical_curves;
pub use flow::TrainedFlow;
pub use ladder::{Curve, Point};
pub use picture::draw;
pub use table::markdown;

use detest::problems;
use ladder::{curve, reference_solver};

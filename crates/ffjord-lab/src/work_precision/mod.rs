//! Error against evaluations: every method over a range of tolerances, on classical problems and on a trained flow.

mod detest;
mod flow;
mod ladder;
mod picture;
mod table;

pub use detest::problems;
pub use flow::TrainedFlow;
pub use ladder::{Curve, curve, reference_solver};
pub use picture::draw;
pub use table::markdown;

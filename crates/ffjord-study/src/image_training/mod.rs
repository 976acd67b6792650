//! What training of image flows looks like, run beside run: bits per dimension with and without the trace at the bottleneck
//! (figure 4 of the paper), and evaluations against bits per dimension of one scale and several (figure 6).

mod report;
mod run;

pub use report::{Axes, write};
pub use run::ImageRun;

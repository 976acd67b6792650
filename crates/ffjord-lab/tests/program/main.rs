//! The program as its users meet it: commands, files, exit codes and messages.

mod autoencoders;
mod cards;
mod checks;
mod conditional;
mod datasets;
mod estimators;
mod evaluating;
mod gradients;
mod harness;
mod images;
mod kinds;
mod looking;
mod outputs;
mod own_runs;
mod own_tables;
mod parity;
mod processes;
mod refusals;
mod robustness;
mod running;
mod samples;
mod start;
/// The generators that the data crate's own tests have.
#[path = "../../../ffjord-data/tests/benchmarks/texts.rs"]
mod texts;
mod weights;

//! The program as its users meet it: commands, files, exit codes and messages.

mod datasets;
mod estimators;
mod evaluating;
mod gradients;
mod harness;
mod kinds;
mod parity;
mod refusals;
mod running;
mod weights;

//! The program as its users meet it: commands, files, exit codes and messages.

mod estimators;
mod evaluating;
mod harness;
mod parity;
mod refusals;
mod running;

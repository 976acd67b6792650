//! The program as its users meet it: commands, files, exit codes and messages.

mod evaluating;
mod harness;
mod kinds;
mod parity;
mod refusals;
mod running;

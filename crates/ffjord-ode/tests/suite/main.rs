//! The crate's tests, a module a subject; every method runs on every problem, and every problem has a closed form.

mod adjoints;
mod at_times;
mod binomial;
mod control;
mod convergence;
mod events;
mod failures;
mod interpolation;
mod jumps;
mod kept_tapes;
mod memory;
mod multistep;
mod networks;
mod open;
mod own;
mod problems;
mod radau;
mod reversible;
mod settings;
mod states;
mod statistics;
mod step_sharing;
mod stiff;
mod stiff_problems;
mod tableaux;
#[cfg(feature = "candle")]
mod tensors;
mod unsolved;

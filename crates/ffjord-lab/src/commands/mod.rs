//! One file a command.

pub mod bench;
pub mod eval;
pub mod experiment;
pub mod parity;
pub mod plot;
pub mod sample;
pub mod work_precision;

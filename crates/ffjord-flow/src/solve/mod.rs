//! What a solve is told: method, steps, trace, row blocks.

mod settings;
mod trace;

pub use settings::{CnfSettings, DEFAULT_TAPE_MB, SolveSettings};
pub use trace::{TraceForm, TraceMode, TraceOf, TraceVectors};

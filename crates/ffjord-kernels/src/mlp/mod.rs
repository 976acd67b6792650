//! Multilayer perceptrons with time-conditioned layers: value and tangents in one pass, and the reverse of it.

mod architecture;
pub(crate) mod buffers;
pub(crate) mod conditioning;
pub(crate) mod forward;
mod kernel;
mod reverse;
mod trace;
mod weights;

pub use architecture::{Activation, MlpArchitecture, ParameterSpec};
pub use buffers::{MlpTape, MlpWorkspace};
pub use conditioning::Conditioning;
pub use kernel::{MlpKernel, Stack, StackMut};
pub use trace::contract;

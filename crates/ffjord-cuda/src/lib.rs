#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]
#![deny(
    clippy::undocumented_unsafe_blocks,
    reason = "calls of the driver and of the compiler, which are foreign code"
)]

mod arguments;
mod backend;
mod device;
mod error;
mod gpu;
mod layout;
pub mod nvrtc;
mod program;
mod solve;

pub use arguments::Arguments;
pub use backend::CudaBackend;
pub use device::{Device, Launch, Memory};
pub use error::CudaError;
pub use gpu::{Gpu, GpuMemory, GpuModule, has_driver};
pub use program::{MAX_STATE, MAX_WIDTH, Precision, Program};

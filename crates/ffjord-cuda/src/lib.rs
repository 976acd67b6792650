#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]
#![deny(
    clippy::undocumented_unsafe_blocks,
    reason = "calls of the driver and of the compiler, which are foreign code"
)]

mod agreement;
mod arguments;
mod backend;
mod device;
mod doctor;
mod error;
mod gpu;
mod layout;
mod name;
mod names;
pub mod nvrtc;
mod program;
mod pullback;
mod solve;
mod support;

pub use agreement::{AgreementCase, AgreementOutcome, Difference};
pub use arguments::Arguments;
pub use backend::CudaBackend;
pub use device::{Device, Launch, Memory};
pub use doctor::{Diagnosis, Finding};
pub use error::CudaError;
pub use gpu::{Gpu, GpuMemory, GpuModule, has_driver};
pub use name::DeviceName;
pub use program::{MAX_STATE, MAX_WIDTH, Precision, Program};
pub use support::check_support;

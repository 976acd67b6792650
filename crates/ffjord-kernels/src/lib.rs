#![doc = include_str!("../README.md")]
#![deny(
    unsafe_code,
    reason = "confined to the dispatch in `simd` and the call into the `gemm` crate"
)]

pub mod convolution;
pub mod elementwise;
mod error;
mod kernel;
mod layered;
pub mod linalg;
mod minus_state;
pub mod mlp;
mod real;
pub mod simd;

pub use error::KernelError;
pub use kernel::{DynKernel, GradientMut, Kernel, Opaque, SharedKernel, Stack, StackMut, TraceMut};
pub use layered::{Layered, ParameterSpec, Tape, Workspace};
pub use minus_state::MinusState;
pub use real::Real;

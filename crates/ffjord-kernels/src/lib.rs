#![doc = include_str!("../README.md")]
#![deny(
    unsafe_code,
    reason = "confined to the dispatch in `simd` and the call into the `gemm` crate"
)]

pub mod convolution;
pub mod elementwise;
mod error;
mod kernel;
pub mod linalg;
pub mod mlp;
mod network;
pub mod ode;
mod real;
pub mod simd;

pub use error::KernelError;
pub use kernel::{DynKernel, GradientMut, Kernel, Opaque, SharedKernel, TraceMut};
pub use network::{NetworkKernel, NetworkTape, NetworkWorkspace};
pub use real::Real;

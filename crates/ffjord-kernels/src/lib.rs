#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]
#![deny(
    unsafe_code,
    reason = "confined to the dispatch in `simd`, the call into the `gemm` crate and the settings of the allocator in `memory`"
)]

pub mod convolution;
pub mod elementwise;
mod erased;
mod error;
mod kernel;
mod layer_kind;
mod layered;
pub mod linalg;
mod memory;
mod minus_state;
pub mod mlp;
pub mod normalisation;
mod real;
pub mod simd;
mod sum;

pub use convolution::Stride;
pub use elementwise::ActivationKind;
pub use erased::{DynKernel, Opaque, SharedKernel};
pub use error::KernelError;
pub use kernel::{GradientMut, Kernel, Stack, StackMut, TraceMut};
pub use layer_kind::LayerKind;
pub use layered::{Bottleneck, BottleneckTape, BottleneckWorkspace, Layered, ParameterSpec, Tape, Workspace};
pub use memory::keep_freed_memory;
pub use minus_state::MinusState;
pub use real::Real;
pub use sum::{Sum, SumWorkspace};

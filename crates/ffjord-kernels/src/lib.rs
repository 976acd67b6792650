//! SIMD element-wise functions and fused value-and-tangent layers for neural vector fields.

pub mod elementwise;
mod error;
pub mod linalg;
pub mod mlp;
mod real;
pub mod simd;

pub use error::KernelError;
pub use real::Real;

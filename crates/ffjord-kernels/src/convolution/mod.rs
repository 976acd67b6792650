//! Convolutional networks with time-conditioned layers: value and tangents in one pass, and the reverse of it.
//!
//! States come and go as `[R, C, H, W]`. Inside, the channels of a pixel lie side by side (`[R, H, W, C]`), so that a
//! convolution is a product of rows: of 3×3 or 4×4 patches with the kernel, or of pixels with the kernel, whose patches
//! are then summed. Patches are made a few image lines at a time and stay in the cache.

mod architecture;
mod buffers;
mod conditioning;
mod forward;
mod kernel;
mod layer;
mod layout;
mod operator;
mod patches;
mod reverse;
mod weight_gradient;

pub use architecture::{ConvArchitecture, ConvStride};
pub use buffers::{ConvTape, ConvWorkspace};
pub use conditioning::ConvConditioning;
pub use kernel::ConvKernel;

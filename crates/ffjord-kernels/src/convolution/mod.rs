//! Convolutional networks with time-conditioned layers: value and tangents in one pass, and the reverse of it.
//!
//! States come and go as `[R, C, H, W]`. Inside, the channels of a pixel lie side by side (`[R, H, W, C]`), so that a
//! convolution is a product of rows: of 3×3 or 4×4 patches with the kernel, or of pixels with the kernel, whose patches
//! are then summed. Patches are made a few image lines at a time and stay in the cache. 3×3 and 5×5 convolutions of
//! stride 1 between 16 channels or more are done in Winograd's terms of tiles of 2 × 2 pixels, with 4 multiplications instead of
//! 9, and with 9 instead of 25.

mod architecture;
mod image_map;
mod layer;
mod operator;
mod patches;
mod planes;
mod rule;
mod stride;
mod tiles;
mod transform;
mod weight_gradient;
mod weights;
mod windows;
mod winograd;

pub use architecture::ConvArchitecture;
pub(crate) use architecture::ConvShape;
pub use image_map::{ImageConvolution, ImageShape, add_kernel_gradient, add_kernel_gradient_channels_last};
pub(crate) use planes::Planes;
pub(crate) use rule::{ConvGradient, ConvRule, WeightView};
pub use stride::Stride;

use crate::layered::Layered;

/// A time-conditioned convolutional network f(z, t; θ), evaluated together with its tangents.
///
/// ```
/// use ffjord_kernels::convolution::{ConvArchitecture, ConvKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, GradientMut, Kernel, LayerKind, Stack, StackMut, Stride};
///
/// let strides = [Stride::Keep; 2];
/// let net = ConvArchitecture::new(1, (4, 4), &[8], &strides, LayerKind::Concat, ActivationKind::Softplus)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = ConvKernel::new(SimdLevel::detect(), net, &parameters)?;
/// let (mut workspace, mut tape) = (kernel.workspace(3 * 2), kernel.tape(3 * 2));
///
/// // f and u = (∂f/∂z) ε for three images.
/// let (z, probe) = ([0.5; 3 * 16], [1.0; 3 * 16]);
/// let (mut f, mut u) = ([0.0; 3 * 16], [0.0; 3 * 16]);
/// let input = Stack { value: &z, tangents: &probe };
/// let output = StackMut { value: &mut f, tangents: &mut u };
/// kernel.record(0.3, input, &[], output, &mut tape, &mut workspace)?;
///
/// // The gradient of Σ f + Σ εᵀu.
/// let (mut of_z, mut of_parameters) = ([0.0; 3 * 16], vec![0.0; parameters.len()]);
/// let cotangent = Stack { value: &[1.0; 3 * 16], tangents: &probe };
/// let gradient = GradientMut { state: &mut of_z, parameters: &mut of_parameters, given: &mut [] };
/// let of_t = kernel.reverse(&tape, &[], cotangent, gradient, &mut workspace)?;
/// assert!(of_t.is_finite() && of_parameters.iter().all(|g| *g != 0.0));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
pub type ConvKernel<T> = Layered<ConvArchitecture, T>;

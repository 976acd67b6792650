//! Multilayer perceptrons with time-conditioned layers: value and tangents in one pass, and the reverse of it.

mod architecture;
mod dense;
mod layer;
mod rule;
mod trace;
mod weights;

pub use crate::kernel::{Stack, StackMut};
pub use crate::layered::ParameterSpec;
pub(crate) use architecture::LayerShape;
pub use architecture::MlpArchitecture;
pub use dense::DenseNetwork;
pub(crate) use rule::{Coefficients, DenseGradient, DenseRule, WeightForm};
pub use trace::contract;

use crate::layered::Layered;

/// A time-conditioned multilayer perceptron f(z, t; c, θ), evaluated together with its tangents.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, GradientMut, Kernel, LayerKind, Stack, StackMut};
///
/// // States of two numbers; every row is given one more.
/// let net = MlpArchitecture::new(&[2 + 1, 16, 2], LayerKind::ConcatSquash, ActivationKind::Tanh)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = MlpKernel::new(SimdLevel::detect(), net, &parameters)?;
/// let (mut workspace, mut tape) = (kernel.workspace(3 * 2), kernel.tape(3 * 2));
///
/// // f and u = (∂f/∂z) ε for three rows.
/// let (z, probe) = ([0.5, -0.5, 1.0, 0.0, 0.2, 0.3], [1.0, -1.0, 1.0, 1.0, -1.0, 1.0]);
/// let (given, mut f, mut u) = ([0.1, 0.2, 0.3], [0.0; 6], [0.0; 6]);
/// let input = Stack { value: &z, tangents: &probe };
/// let output = StackMut { value: &mut f, tangents: &mut u };
/// kernel.record(0.3, input, &given, output, &mut tape, &mut workspace)?;
///
/// // The gradient of Σ f + Σ εᵀu.
/// let (mut of_z, mut of_parameters, mut of_given) = ([0.0; 6], vec![0.0; parameters.len()], [0.0; 3]);
/// let cotangent = Stack { value: &[1.0; 6], tangents: &probe };
/// let gradient = GradientMut { state: &mut of_z, parameters: &mut of_parameters, given: &mut of_given };
/// let of_t = kernel.reverse(&tape, &given, cotangent, gradient, &mut workspace)?;
/// assert!(of_t.is_finite() && of_given.iter().all(|g| *g != 0.0));
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
pub type MlpKernel<T> = Layered<MlpArchitecture, T>;

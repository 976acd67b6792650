//! A dense network as numbers, for processors that are programmed in another way.

use super::MlpArchitecture;

/// The shape of a dense network with its present parameters, and whether the state is subtracted from its output.
///
/// What a backend for another processor asks a kernel for: [`Kernel::dense`](crate::Kernel::dense).
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Kernel, LayerKind, MinusState};
/// use std::sync::Arc;
///
/// let net = MlpArchitecture::new(&[2, 16, 2], LayerKind::ConcatSquash, ActivationKind::Tanh)?;
/// let parameters = vec![0.1f32; net.parameter_count()];
/// let kernel = MlpKernel::new(SimdLevel::detect(), net.clone(), &parameters)?;
/// let residual = MinusState::new(Arc::new(kernel));
/// let network = residual.dense().ok_or("no dense network")?;
/// assert_eq!((network.architecture(), network.parameters()), (&net, &parameters[..]));
/// assert_eq!(network.states_subtracted(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DenseNetwork<'a, T> {
    architecture: &'a MlpArchitecture,
    parameters: &'a [T],
    states_subtracted: usize,
}

impl<'a, T> DenseNetwork<'a, T> {
    pub(crate) fn new(architecture: &'a MlpArchitecture, parameters: &'a [T]) -> Self {
        Self {
            architecture,
            parameters,
            states_subtracted: 0,
        }
    }

    /// The same network minus its state.
    pub(crate) fn minus_one_more_state(mut self) -> Self {
        self.states_subtracted += 1;
        self
    }

    /// The shape.
    #[must_use]
    pub fn architecture(&self) -> &'a MlpArchitecture {
        self.architecture
    }

    /// The flat parameters, laid out as the architecture's `parameters` says.
    #[must_use]
    pub fn parameters(&self) -> &'a [T] {
        self.parameters
    }

    /// How often the state is subtracted from the network's output: 0, or 1 for a residual field.
    #[must_use]
    pub fn states_subtracted(&self) -> usize {
        self.states_subtracted
    }
}

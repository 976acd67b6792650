//! A network cut at a hidden state, with the products that the trace at this bottleneck takes.

mod memory;
mod passes;

pub use memory::{BottleneckTape, BottleneckWorkspace};

use super::memory::Extent;
use super::rows::RowForm;
use super::{Architecture, Layered, Linear};
use crate::error::{check_length, whole_rows};
use crate::kernel::{GradientMut, Kernel, Stack, StackMut};
use crate::{KernelError, Real};

/// A network f = g∘h cut at a hidden state, evaluated together with (∂h/∂z)(∂g/∂h) ε for tangents ε of that state.
///
/// The trace of this H × H matrix is that of the Jacobian (FFJORD, eq. 9), so that Hutchinson's estimate takes probes
/// of H numbers instead of D, and H products make it exact. The hidden state is that behind a nonlinearity. Tangents and
/// products are `[K, R, H]`; those of images have the order `[C, H, W]` of the state.
///
/// ```
/// use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel, contract};
/// use ffjord_kernels::simd::SimdLevel;
/// use ffjord_kernels::{ActivationKind, Bottleneck, Kernel, LayerKind, Stack, StackMut};
///
/// let net = MlpArchitecture::new(&[4, 8, 1, 8, 4], LayerKind::Concat, ActivationKind::Tanh)?;
/// let parameters: Vec<f64> = (0..net.parameter_count()).map(|i| (i as f64).sin()).collect();
/// let network = MlpKernel::new(SimdLevel::detect(), net, &parameters)?;
/// let z = [0.5, -0.5, 1.0, 0.0];
/// let units: [f64; 16] = std::array::from_fn(|i| if i % 5 == 0 { 1.0 } else { 0.0 });
///
/// // Four products at the state, or one where the network is one number wide, behind its second layer.
/// let (mut f, mut columns, mut workspace) = ([0.0; 4], [0.0; 16], network.workspace(5));
/// let (input, output) = (Stack { value: &z, tangents: &units }, StackMut { value: &mut f, tangents: &mut columns });
/// network.forward(0.3, input, &[], output, &mut workspace)?;
/// let mut trace = [0.0];
/// contract(4, &units, &columns, &mut trace)?;
///
/// let narrow = Bottleneck::new(network, 2)?;
/// let (mut product, mut workspace) = ([0.0], narrow.workspace(2));
/// let (input, output) = (Stack { value: &z, tangents: &[1.0] }, StackMut { value: &mut f, tangents: &mut product });
/// narrow.forward(0.3, input, &[], output, &mut workspace)?;
/// assert!((product[0] - trace[0]).abs() < 1e-12);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bottleneck<A: Architecture, T: Real> {
    network: Layered<A, T>,
    /// The layers of h.
    encoder: usize,
}

impl<A: Architecture, T: Real> Bottleneck<A, T> {
    /// The network cut behind its first `encoder` layers, each with its nonlinearity.
    ///
    /// # Errors
    /// [`KernelError::Cut`] unless there are layers before and behind the cut, and where rows have parts of the layers for
    /// themselves.
    pub fn new(network: Layered<A, T>, encoder: usize) -> Result<Self, KernelError> {
        let (layers, own) = (network.layers.len(), network.architecture.own_len());
        if own == 0 && (1..layers).contains(&encoder) {
            Ok(Self { network, encoder })
        } else {
            Err(KernelError::Cut {
                given: encoder,
                layers,
                own,
            })
        }
    }

    /// How a row of the hidden state lies for the caller.
    fn form(&self) -> RowForm {
        self.network.architecture.hidden_form(self.encoder - 1)
    }

    /// Numbers of a row of the hidden state in the network, padding included.
    fn width(&self) -> usize {
        self.network.layers[self.encoder - 1].output_len()
    }

    fn extent(&self, input: Stack<'_, T>, given: &[T], output: &StackMut<'_, T>) -> Result<Extent, KernelError> {
        let (state, width) = (self.state_len(), self.tangent_len());
        let rows = whole_rows("the state", input.value.len(), state)?;
        let tangents = match rows {
            0 => 0,
            _ => whole_rows("the tangents", input.tangents.len(), rows * width)?,
        };
        check_length("what the rows are given", given.len(), rows * self.given_len())?;
        check_length("the output", output.value.len(), rows * state)?;
        check_length("the tangent output", output.tangents.len(), tangents * rows * width)?;
        Ok(Extent { rows, tangents })
    }
}

impl<A: Architecture, T: Real> Kernel<T> for Bottleneck<A, T> {
    type Workspace = BottleneckWorkspace<A, T>;
    type Tape = BottleneckTape<A, T>;

    fn state_len(&self) -> usize {
        Kernel::state_len(&self.network)
    }

    fn given_len(&self) -> usize {
        Kernel::given_len(&self.network)
    }

    fn tangent_len(&self) -> usize {
        self.form().state_len()
    }

    fn parameter_count(&self) -> usize {
        Kernel::parameter_count(&self.network)
    }

    fn workspace(&self, stacked_rows: usize) -> BottleneckWorkspace<A, T> {
        BottleneckWorkspace::new(self, stacked_rows)
    }

    fn tape(&self, stacked_rows: usize) -> BottleneckTape<A, T> {
        BottleneckTape::new(self, stacked_rows)
    }

    fn tape_bytes(&self, tape: &BottleneckTape<A, T>) -> usize {
        tape.bytes()
    }

    fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        workspace: &mut BottleneckWorkspace<A, T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, given, &output)?;
        self.check_workspace(extent, workspace)?;
        let BottleneckWorkspace { common, tape, .. } = workspace;
        self.evaluate((t, extent), (input, given), output, tape, common);
        Ok(())
    }

    fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        given: &[T],
        output: StackMut<'_, T>,
        tape: &mut BottleneckTape<A, T>,
        workspace: &mut BottleneckWorkspace<A, T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, given, &output)?;
        self.check_workspace(extent, workspace)?;
        self.check_tape(extent, tape)?;
        self.evaluate((t, extent), (input, given), output, tape, &mut workspace.common);
        Ok(())
    }

    fn reverse(
        &self,
        tape: &BottleneckTape<A, T>,
        given: &[T],
        cotangent: Stack<'_, T>,
        gradient: GradientMut<'_, T>,
        workspace: &mut BottleneckWorkspace<A, T>,
    ) -> Result<f64, KernelError> {
        let extent = tape.extent();
        self.check_tape(extent, tape)?;
        if extent.rows == 0 {
            return Err(KernelError::EmptyTape);
        }
        self.check_workspace(extent, workspace)?;
        let (values, products) = (extent.rows * self.state_len(), extent.rows * self.tangent_len());
        let numbers = extent.rows * self.given_len();
        check_length("the cotangent", cotangent.value.len(), values)?;
        let tangents = extent.tangents * products;
        check_length("the tangents' cotangent", cotangent.tangents.len(), tangents)?;
        check_length("the state's gradient", gradient.state.len(), values)?;
        let parameters = self.parameter_count();
        check_length("the parameters' gradient", gradient.parameters.len(), parameters)?;
        check_length("what the rows are given", given.len(), numbers)?;
        check_length("the gradient of what the rows are given", gradient.given.len(), numbers)?;
        Ok(self
            .pull_back(tape, cotangent, gradient, &mut workspace.common)
            .to_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlp::{MlpArchitecture, MlpKernel};
    use crate::simd::SimdLevel;
    use crate::{ActivationKind, LayerKind};

    fn network(own_rank: Option<usize>) -> Result<MlpKernel<f64>, KernelError> {
        let mut net = MlpArchitecture::new(&[3, 4, 4, 3], LayerKind::Concat, ActivationKind::Tanh)?;
        if let Some(rank) = own_rank {
            net = net.with_own_parts(rank)?;
        }
        let parameters = vec![0.1; net.parameter_count()];
        MlpKernel::new(SimdLevel::detect(), net, &parameters)
    }

    #[test]
    fn a_cut_is_between_layers_that_rows_share() -> Result<(), KernelError> {
        for (own_rank, encoder, fits) in [
            (None, 0, false),
            (None, 1, true),
            (None, 2, true),
            (None, 3, false),
            (Some(0), 1, false),
        ] {
            let cut = Bottleneck::new(network(own_rank)?, encoder);
            assert_eq!(cut.is_ok(), fits, "{encoder} layers, {own_rank:?}");
        }
        Ok(())
    }

    #[test]
    fn memory_of_another_cut_is_refused() -> Result<(), KernelError> {
        // Both hidden states have the same width, so that no length tells them apart.
        let (one, other) = (Bottleneck::new(network(None)?, 1)?, Bottleneck::new(network(None)?, 2)?);
        let (z, probe) = ([0.1, 0.2, 0.3], [1.0, -1.0, 1.0, 1.0]);
        let record = |tape: &mut _, workspace: &mut _| {
            let (mut f, mut products) = ([0.0; 3], [0.0; 4]);
            let input = Stack {
                value: &z,
                tangents: &probe,
            };
            let output = StackMut {
                value: &mut f,
                tangents: &mut products,
            };
            one.record(0.5, input, &[], output, tape, workspace)
        };
        assert_eq!(record(&mut one.tape(2), &mut one.workspace(2)), Ok(()));
        let foreign = |what| Err(KernelError::Foreign(what));
        assert_eq!(record(&mut other.tape(2), &mut one.workspace(2)), foreign("tape"));
        assert_eq!(record(&mut one.tape(2), &mut other.workspace(2)), foreign("workspace"));
        Ok(())
    }
}

//! The forward pass: every layer one convolution of the stacked images and one pass of the nonlinearity.

use super::buffers::{ConvTape, ConvWorkspace};
use super::kernel::ConvKernel;
use super::layout::{to_pixels, to_planes};
use crate::elementwise::Saved;
use crate::error::{check_length, whole_rows};
use crate::mlp::buffers::HiddenLayer;
use crate::mlp::conditioning::add_scaled;
use crate::mlp::forward::{Extent, check_capacity, neighbours, subtract};
use crate::mlp::{Stack, StackMut};
use crate::{KernelError, Real};

impl<T: Real> ConvKernel<T> {
    /// f(t, z) and, for every tangent, (∂f/∂z) e.
    ///
    /// `input` is (z `[R, C, H, W]`, e `[K, R, C, H, W]`), `output` (f, u) has the same shapes; K may be zero.
    ///
    /// # Errors
    /// [`KernelError`] if lengths do not fit together, or the workspace is too small or another network's.
    pub fn forward(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        workspace: &mut ConvWorkspace<T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, &output, workspace)?;
        let (mut hidden, mut state) = (
            std::mem::take(&mut workspace.hidden),
            std::mem::take(&mut workspace.input),
        );
        self.load(input, &mut state);
        self.run(t, extent, &state, (&mut hidden, false), workspace);
        (workspace.hidden, workspace.input) = (hidden, state);
        self.store(input, output, workspace);
        Ok(())
    }

    /// As [`ConvKernel::forward`], keeping on the `tape` what [`ConvKernel::reverse`] needs.
    ///
    /// # Errors
    /// As `forward`, and if the tape is too small or another network's.
    pub fn record(
        &self,
        t: f64,
        input: Stack<'_, T>,
        output: StackMut<'_, T>,
        tape: &mut ConvTape<T>,
        workspace: &mut ConvWorkspace<T>,
    ) -> Result<(), KernelError> {
        let extent = self.extent(input, &output, workspace)?;
        if tape.architecture != self.architecture {
            return Err(KernelError::Foreign("tape"));
        }
        check_capacity(extent, tape.capacity)?;
        (tape.time, tape.rows, tape.tangents) = (t, extent.rows, extent.tangents);
        self.load(input, &mut tape.input);
        self.run(t, extent, &tape.input, (&mut tape.hidden, true), workspace);
        self.store(input, output, workspace);
        Ok(())
    }

    fn extent(
        &self,
        input: Stack<'_, T>,
        output: &StackMut<'_, T>,
        workspace: &ConvWorkspace<T>,
    ) -> Result<Extent, KernelError> {
        let size = self.architecture.state_len();
        let rows = whole_rows("the state", input.value.len(), size)?;
        let tangents = if rows == 0 {
            0
        } else {
            whole_rows("the tangents", input.tangents.len(), rows * size)?
        };
        check_length("the output", output.value.len(), rows * size)?;
        check_length("the tangent output", output.tangents.len(), tangents * rows * size)?;
        let extent = Extent { rows, tangents };
        self.check_workspace(extent, workspace)?;
        Ok(extent)
    }

    pub(super) fn check_workspace(&self, extent: Extent, workspace: &ConvWorkspace<T>) -> Result<(), KernelError> {
        if workspace.architecture != self.architecture {
            return Err(KernelError::Foreign("workspace"));
        }
        check_capacity(extent, workspace.capacity)
    }

    /// Copies the stacked images into `state`, pixel by pixel.
    pub(super) fn load(&self, from: Stack<'_, T>, state: &mut [T]) {
        let (channels, size) = (self.architecture.state_shape()[0], self.architecture.state_len());
        let (value, tangents) = state[..from.value.len() + from.tangents.len()].split_at_mut(from.value.len());
        to_pixels(channels, size, from.value, value);
        to_pixels(channels, size, from.tangents, tangents);
    }

    /// Copies the workspace's output to the caller's.
    fn store(&self, input: Stack<'_, T>, output: StackMut<'_, T>, workspace: &ConvWorkspace<T>) {
        let (channels, size) = (self.architecture.state_shape()[0], self.architecture.state_len());
        let StackMut { value: f, tangents: u } = output;
        let (value, tangents) = workspace.output[..f.len() + u.len()].split_at(f.len());
        to_planes(channels, size, value, f);
        to_planes(channels, size, tangents, u);
        if self.architecture.is_residual() {
            subtract(f, input.value);
            subtract(u, input.tangents);
        }
    }

    /// The pass itself, from `state` to the workspace's output. There is a buffer in `hidden` for each hidden layer, or
    /// some to use in turn if the pass is not recorded.
    fn run(
        &self,
        t: f64,
        extent: Extent,
        state: &[T],
        (hidden, record): (&mut [HiddenLayer<T>], bool),
        workspace: &mut ConvWorkspace<T>,
    ) {
        if extent.rows == 0 {
            return;
        }
        let time = T::from_f64(t);
        let function = self.architecture.activation().function(self.beta());
        let rule = self.architecture.conditioning().rule::<T>();
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            let parameters = &self.parameters[self.architecture.span(index)];
            let (scratch, effective) = (&mut workspace.scratch, &mut workspace.effective[index]);
            let buffers = (&mut *scratch.bias, &mut *scratch.planes);
            effective.prepare_map(layer.shape, rule, parameters, time, buffers);

            let (done, next) = neighbours(hidden, index, last);
            let from = done.map_or(state, |done| &done.stack);
            let from = &from[..extent.stacked() * layer.shape.input_len()];
            let size = layer.shape.output_len();
            let (to, kept) = match next {
                Some(HiddenLayer { stack, slope, input }) => (stack, Some((slope, input))),
                None => (&mut workspace.output, None),
            };
            let to = &mut to[..extent.stacked() * size];
            let operator = effective.forward(layer, (rule, parameters, time), &mut scratch.weight);
            operator.apply(self.level, from, to, &mut scratch.patches);
            for image in to[..extent.rows * size].chunks_exact_mut(size) {
                add_scaled(image, T::ONE, &effective.map);
            }

            let Some((slope, input)) = kept else { break };
            if record && function.saved() == Saved::Input {
                input[..to.len()].copy_from_slice(to);
            }
            let keep = if record && function.saved() == Saved::OutputAndSlope {
                extent.rows * size
            } else {
                0
            };
            function.forward_stack(self.level, extent.rows * size, to, &mut slope[..keep]);
        }
    }
}

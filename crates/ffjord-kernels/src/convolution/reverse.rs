//! The reverse pass: gradients of any function of (f, u) with respect to state, parameters and time.

use super::buffers::{ConvTape, ConvWorkspace, Scratch};
use super::conditioning::EffectiveGradient;
use super::kernel::ConvKernel;
use super::layout::to_planes;
use super::weight_gradient::WeightGradient;
use crate::elementwise::Saved;
use crate::elementwise::SavedStack;
use crate::error::check_length;
use crate::linalg::{Rows, add_column_sums};
use crate::mlp::conditioning::add_scaled;
use crate::mlp::forward::{Extent, subtract};
use crate::mlp::{Activation, Stack};
use crate::{KernelError, Real};

impl<T: Real> ConvKernel<T> {
    /// Takes the cotangents of (f, u) of a recorded evaluation back to z, θ and t.
    ///
    /// With L a function of f and u, `cotangent` is (∂L/∂f `[R, C, H, W]`, ∂L/∂u `[K, R, C, H, W]`). `grad_z`
    /// `[R, C, H, W]` is set to ∂L/∂z, ∂L/∂θ is added to the flat `gradient`, and ∂L/∂t is returned. The tangents e are
    /// constants. The rules are those of [`MlpKernel::reverse`](crate::mlp::MlpKernel::reverse), with convolutions for
    /// products and one bias for each pixel.
    ///
    /// # Errors
    /// [`KernelError`] if nothing was recorded, lengths do not fit the recorded images and tangents or the parameters,
    /// or tape or workspace belong to another network.
    pub fn reverse(
        &self,
        tape: &ConvTape<T>,
        cotangent: Stack<'_, T>,
        grad_z: &mut [T],
        gradient: &mut [T],
        workspace: &mut ConvWorkspace<T>,
    ) -> Result<f64, KernelError> {
        let extent = Extent {
            rows: tape.rows,
            tangents: tape.tangents,
        };
        if tape.architecture != self.architecture {
            return Err(KernelError::Foreign("tape"));
        }
        if extent.rows == 0 {
            return Err(KernelError::EmptyTape);
        }
        self.check_workspace(extent, workspace)?;
        let values = extent.rows * self.architecture.state_len();
        check_length("the cotangent", cotangent.value.len(), values)?;
        check_length(
            "the tangents' cotangent",
            cotangent.tangents.len(),
            extent.tangents * values,
        )?;
        check_length("the state's gradient", grad_z.len(), values)?;
        check_length("the parameters' gradient", gradient.len(), self.parameters.len())?;

        self.load(cotangent, &mut workspace.output);
        let time = self.layers_in_reverse(tape, extent, gradient, workspace);
        let channels = self.architecture.state_shape()[0];
        let size = self.architecture.state_len();
        to_planes(channels, size, &workspace.input[..values], grad_z);
        if self.architecture.is_residual() {
            subtract(grad_z, cotangent.value);
        }
        Ok(time.to_f64())
    }

    /// From the cotangents in the workspace's output to the state's gradient in its input; returns that of time.
    fn layers_in_reverse(
        &self,
        tape: &ConvTape<T>,
        extent: Extent,
        gradient: &mut [T],
        workspace: &mut ConvWorkspace<T>,
    ) -> T {
        let function = self.architecture.activation().function(self.beta());
        let rule = self.architecture.conditioning().rule::<T>();
        let (last, t, mut of_time) = (self.layers.len() - 1, T::from_f64(tape.time), T::ZERO);
        for (index, layer) in self.layers.iter().enumerate().rev() {
            let (span, scratch) = (self.architecture.span(index), &mut workspace.scratch);
            let [current, next] = &mut workspace.cotangents;
            let cotangents = if index == last { &workspace.output } else { &*current };
            let cotangents = &cotangents[..extent.stacked() * layer.shape.output_len()];

            // The state's tangents are constants: only its values need a cotangent.
            let size = layer.shape.input_len();
            let (from, to) = if index == 0 {
                let values = &cotangents[..extent.rows * layer.shape.output_len()];
                (values, &mut workspace.input[..extent.rows * size])
            } else {
                (cotangents, &mut next[..extent.stacked() * size])
            };
            let coefficients = (rule, &self.parameters[span.clone()], t);
            let adjoint = workspace.effective[index].backward(layer, coefficients, &mut scratch.weight);
            adjoint.apply(self.level, from, to, &mut scratch.patches);
            of_time += self.layer_gradient(index, tape, cotangents, &mut gradient[span], scratch);

            if let Some(before) = index.checked_sub(1) {
                let kept = &tape.hidden[before];
                let stack = if function.saved() == Saved::Input {
                    &kept.input
                } else {
                    &kept.stack
                };
                let (values, stack) = (extent.rows * size, &stack[..to.len()]);
                if let (Activation::Swish, Some(beta)) = (self.architecture.activation(), gradient.last_mut()) {
                    *beta += function.parameter_gradient(self.level, values, stack, to);
                }
                let saved = SavedStack {
                    stack,
                    slope: &kept.slope,
                };
                function.reverse_stack(self.level, values, saved, to);
                workspace.cotangents.swap(0, 1);
            }
        }
        of_time
    }

    /// Adds the gradient of one layer's parameters, given its outputs' cotangents, and returns its part of time's.
    fn layer_gradient(
        &self,
        index: usize,
        tape: &ConvTape<T>,
        cotangents: &[T],
        gradient: &mut [T],
        scratch: &mut Scratch<T>,
    ) -> T {
        let shape = self.layers[index].shape;
        let input = index
            .checked_sub(1)
            .map_or(&tape.input, |before| &tape.hidden[before].stack);
        let images = cotangents.len() / shape.output_len();
        let (sum, weight) = (
            &mut scratch.sum[..shape.weights()],
            &mut scratch.weight[..shape.weights()],
        );
        sum.fill(T::ZERO);
        let weight_gradient = WeightGradient::new(shape);
        let input = &input[..images * shape.input_len()];
        weight_gradient.accumulate(self.level, input, cotangents, &mut scratch.patches, sum);
        weight_gradient.unpack(sum, weight);

        let map = &mut scratch.map[..shape.output_len()];
        map.fill(T::ZERO);
        for image in cotangents.chunks_exact(shape.output_len()).take(tape.rows) {
            add_scaled(map, T::ONE, image);
        }
        let bias = &mut scratch.bias[..shape.outputs];
        bias.fill(T::ZERO);
        let pixels = Rows {
            data: &*map,
            stride: shape.outputs,
        };
        add_column_sums(self.level, pixels, bias);

        let rule = self.architecture.conditioning().rule::<T>();
        let (parameters, t) = (&self.parameters[self.architecture.span(index)], T::from_f64(tape.time));
        let of_planes = rule.planes(shape).map_or(T::ZERO, |planes| {
            planes.pull_back(parameters, t, map, &mut scratch.planes, gradient)
        });
        of_planes + rule.pull_back(shape, parameters, t, EffectiveGradient { weight, bias }, gradient)
    }
}

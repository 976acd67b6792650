//! The reverse pass: gradients of any function of (f, u) with respect to state, parameters and time.

use super::buffers::{MlpTape, MlpWorkspace};
use super::conditioning::EffectiveGradient;
use super::forward::{Extent, subtract};
use super::kernel::{MlpKernel, Stack};
use crate::elementwise::{Saved, SavedStack};
use crate::error::check_length;
use crate::linalg::{Rows, RowsMut, accumulate_outer, add_column_sums, multiply};
use crate::{KernelError, Real};

/// Where a weight has fewer columns than this, its gradient is summed transposed, in longer rows.
const FEW_COLUMNS: usize = 16;

impl<T: Real> MlpKernel<T> {
    /// Takes the cotangents of (f, u) of a recorded evaluation back to z, θ and t.
    ///
    /// With L a function of f and u, `cotangent` is (∂L/∂f `[R, D']`, ∂L/∂u `[K, R, D']`). `grad_z` `[R, D]` is set
    /// to ∂L/∂z, ∂L/∂θ is added to the flat `gradient`, and ∂L/∂t is returned. The tangents e are constants.
    ///
    /// With h = W x + b and y = φ(h) the rules of a layer are h̄ = φ'(h) ȳ + Σₖ φ''(h) dhₖ dȳₖ and dh̄ₖ = φ'(h) dȳₖ,
    /// then W̄ = h̄ᵀ x + Σₖ dh̄ₖᵀ dxₖ, b̄ = Σ h̄, x̄ = h̄ W and dx̄ₖ = dh̄ₖ W.
    ///
    /// # Errors
    /// [`KernelError`] if nothing was recorded, lengths do not fit the recorded rows and tangents or the parameters,
    /// or tape or workspace belong to another network.
    pub fn reverse(
        &self,
        tape: &MlpTape<T>,
        cotangent: Stack<'_, T>,
        grad_z: &mut [T],
        gradient: &mut [T],
        workspace: &mut MlpWorkspace<T>,
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
        let outputs = extent.rows * self.architecture.outputs();
        check_length("the cotangent", cotangent.value.len(), outputs)?;
        check_length(
            "the tangents' cotangent",
            cotangent.tangents.len(),
            extent.tangents * outputs,
        )?;
        check_length(
            "the state's gradient",
            grad_z.len(),
            extent.rows * self.architecture.inputs(),
        )?;
        check_length("the parameters' gradient", gradient.len(), self.parameters.len())?;

        let time = self.layers_in_reverse(tape, extent, cotangent, grad_z, gradient, workspace);
        if self.architecture.is_residual() {
            subtract(grad_z, cotangent.value);
        }
        Ok(time.to_f64())
    }

    fn layers_in_reverse(
        &self,
        tape: &MlpTape<T>,
        extent: Extent,
        cotangent: Stack<'_, T>,
        grad_z: &mut [T],
        gradient: &mut [T],
        workspace: &mut MlpWorkspace<T>,
    ) -> T {
        let function = self.architecture.activation().function(self.beta());
        let (last, mut of_time) = (self.layers.len() - 1, T::ZERO);
        for layer in (0..=last).rev() {
            self.prepare_backward(layer, T::from_f64(tape.time), workspace);

            // The cotangents of this layer's outputs are the caller's, or lie in the first buffer.
            let stride = if layer == last {
                self.architecture.outputs()
            } else {
                self.layers[layer].stride
            };
            let [current, next] = &mut workspace.cotangents;
            let (value, tangents) = if layer == last {
                (cotangent.value, cotangent.tangents)
            } else {
                current[..extent.stacked() * stride].split_at(extent.rows * stride)
            };
            let (value, tangents) = (Rows { data: value, stride }, Rows { data: tangents, stride });
            let weight = workspace.effective[layer].backward(&self.layers[layer]);
            if layer == 0 {
                multiply(
                    self.level,
                    value,
                    weight,
                    &[],
                    RowsMut {
                        data: grad_z,
                        stride: self.architecture.inputs(),
                    },
                );
            } else {
                let stride = self.layers[layer - 1].stride;
                let stack = &mut next[..extent.stacked() * stride];
                let (to_value, to_tangents) = stack.split_at_mut(extent.rows * stride);
                multiply(self.level, value, weight, &[], RowsMut { data: to_value, stride });
                multiply(
                    self.level,
                    tangents,
                    weight,
                    &[],
                    RowsMut {
                        data: to_tangents,
                        stride,
                    },
                );
            }
            let scratch = GradientScratch {
                gate: &workspace.effective[layer].gate,
                weight: &mut workspace.weight,
                transposed: &mut workspace.transposed,
                bias: &mut workspace.bias,
            };
            of_time += self.layer_gradient(layer, tape, extent, (value, tangents), gradient, scratch);

            if layer > 0 {
                let stride = self.layers[layer - 1].stride;
                let (values, stacked) = (extent.rows * stride, extent.stacked() * stride);
                let kept = &tape.hidden[layer - 1];
                let stack = if function.saved() == Saved::Input {
                    &kept.input
                } else {
                    &kept.stack
                };
                let (stack, cotangents) = (&stack[..stacked], &mut next[..stacked]);
                if let (true, Some(beta)) = (self.has_beta(), gradient.last_mut()) {
                    *beta += function.parameter_gradient(self.level, values, stack, cotangents);
                }
                function.reverse_stack(
                    self.level,
                    values,
                    SavedStack {
                        stack,
                        slope: &kept.slope,
                    },
                    cotangents,
                );
                workspace.cotangents.swap(0, 1);
            }
        }
        of_time
    }

    /// Adds the gradient of one layer's parameters and returns its part of that of time.
    fn layer_gradient(
        &self,
        layer: usize,
        tape: &MlpTape<T>,
        extent: Extent,
        (value, tangents): (Rows<'_, T>, Rows<'_, T>),
        gradient: &mut [T],
        scratch: GradientScratch<'_, T>,
    ) -> T {
        let GradientScratch {
            gate,
            weight: effective_weight,
            transposed,
            bias,
        } = scratch;
        let (weights, span) = (&self.layers[layer], self.architecture.span(layer));
        let (parameters, gradient) = (&self.parameters[span.clone()], &mut gradient[span]);
        let shape = weights.shape;
        let (stack, stride) = match layer.checked_sub(1) {
            None => (&tape.input, shape.inputs),
            Some(before) => (&tape.hidden[before].stack, self.layers[before].stride),
        };
        let (x, dx) = stack[..extent.stacked() * stride].split_at(extent.rows * stride);
        let pairs = [(value, Rows { data: x, stride }), (tangents, Rows { data: dx, stride })];

        let bias = &mut bias[..value.stride];
        bias.fill(T::ZERO);
        add_column_sums(self.level, value, bias);
        let in_place = weights.constant();
        let (target, target_stride) = match in_place {
            Some((offset, stride)) => (&mut gradient[offset..], stride),
            None => {
                let weight = &mut effective_weight[..shape.weights()];
                weight.fill(T::ZERO);
                (weight, shape.inputs)
            }
        };
        if shape.inputs < FEW_COLUMNS && shape.outputs > shape.inputs {
            let transposed = &mut transposed[..shape.weights()];
            transposed.fill(T::ZERO);
            for (g, x) in pairs {
                let c = RowsMut {
                    data: &mut *transposed,
                    stride: shape.outputs,
                };
                accumulate_outer(self.level, (shape.inputs, shape.outputs), x, g, c);
            }
            for (row, outputs) in target.chunks_mut(target_stride).zip(0..shape.outputs) {
                for (to, from) in row[..shape.inputs]
                    .iter_mut()
                    .zip(transposed[outputs..].iter().step_by(shape.outputs))
                {
                    *to += *from;
                }
            }
        } else {
            for (g, x) in pairs {
                let c = RowsMut {
                    data: &mut *target,
                    stride: target_stride,
                };
                accumulate_outer(self.level, (shape.outputs, shape.inputs), g, x, c);
            }
        }
        let weight = if in_place.is_some() {
            &[]
        } else {
            &effective_weight[..shape.weights()]
        };
        let effective = EffectiveGradient {
            weight,
            bias: &bias[..shape.outputs],
            gate,
        };
        let rule = self.architecture.conditionings()[layer].rule::<T>();
        rule.pull_back(
            self.level,
            shape,
            parameters,
            T::from_f64(tape.time),
            effective,
            gradient,
        )
    }

    fn prepare_backward(&self, layer: usize, t: T, workspace: &mut MlpWorkspace<T>) {
        let rule = self.architecture.conditionings()[layer].rule::<T>();
        let parameters = &self.parameters[self.architecture.span(layer)];
        let effective = &mut workspace.effective[layer];
        effective.prepare_backward(&self.layers[layer], rule, parameters, t, &mut workspace.weight);
    }

    fn has_beta(&self) -> bool {
        self.architecture.activation() == super::Activation::Swish
    }
}

/// What the gradient of one layer needs of a workspace: its gate, and the buffers that it is built in.
struct GradientScratch<'a, T> {
    gate: &'a [T],
    weight: &'a mut [T],
    transposed: &'a mut [T],
    bias: &'a mut [T],
}

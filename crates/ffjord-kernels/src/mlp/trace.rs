//! The trace of a network with one hidden layer, in closed form.

use super::forward::{Extent, subtract};
use super::kernel::MlpKernel;
use crate::error::{check_length, whole_rows};
use crate::linalg::{Rows, RowsMut, multiply};
use crate::mlp::MlpWorkspace;
use crate::{KernelError, Real};

impl<T: Real> MlpKernel<T> {
    /// Fills `tangents` `[D, R, D]` with the D unit vectors, for the exact trace.
    ///
    /// With these, [`MlpKernel::forward`] returns the columns of the Jacobian, and [`contract`] sums its diagonal.
    ///
    /// # Errors
    /// [`KernelError::Length`] if `tangents` has not D · R · D numbers.
    pub fn unit_tangents(&self, rows: usize, tangents: &mut [T]) -> Result<(), KernelError> {
        let inputs = self.architecture.inputs();
        check_length("the unit tangents", tangents.len(), inputs * rows * inputs)?;
        tangents.fill(T::ZERO);
        for (k, tangent) in tangents.chunks_exact_mut((rows * inputs).max(1)).enumerate() {
            for row in tangent.chunks_exact_mut(inputs) {
                row[k] = T::ONE;
            }
        }
        Ok(())
    }

    /// Whether [`MlpKernel::closed_form_trace`] applies: one hidden layer, and as many outputs as inputs.
    #[must_use]
    pub fn has_closed_form_trace(&self) -> bool {
        self.architecture.layers() == 2 && self.architecture.inputs() == self.architecture.outputs()
    }

    /// f(t, z) `[R, D]` and tr ∂f/∂z `[R]` of a network with one hidden layer: one product per layer for the values
    /// and none for tangents.
    ///
    /// With f = W₂ φ(W₁ z + b₁) + b₂ the trace is Σⱼ φ'(hⱼ) mⱼ with mⱼ = Σᵢ W₂[i, j] W₁[j, i]; a residual network
    /// has D less.
    ///
    /// # Errors
    /// [`KernelError::ClosedFormTrace`] if the network has another shape; otherwise as [`MlpKernel::forward`].
    pub fn closed_form_trace(
        &self,
        t: f64,
        z: &[T],
        f: &mut [T],
        trace: &mut [T],
        workspace: &mut MlpWorkspace<T>,
    ) -> Result<(), KernelError> {
        if !self.has_closed_form_trace() {
            return Err(KernelError::ClosedFormTrace(self.architecture.dimensions().to_vec()));
        }
        let inputs = self.architecture.inputs();
        let rows = whole_rows("the state", z.len(), inputs)?;
        check_length("the output", f.len(), z.len())?;
        check_length("the trace", trace.len(), rows)?;
        self.check_workspace(Extent { rows, tangents: 0 }, workspace)?;
        if rows == 0 {
            return Ok(());
        }
        let time = T::from_f64(t);
        self.prepare_forward(0, time, workspace);
        self.prepare_forward(1, time, workspace);
        let [first, second] = [0, 1].map(|layer| workspace.effective[layer].forward(&self.layers[layer]));
        let (stride, units) = (self.layers[0].stride, self.layers[0].shape.outputs);
        let diagonal = &mut workspace.bias[..stride];
        diagonal.fill(T::ZERO);
        for (j, m) in diagonal[..units].iter_mut().enumerate() {
            *m = (0..inputs).fold(T::ZERO, |sum, i| sum + first.entry(i, j) * second.entry(j, i));
        }

        let [hidden, slope] = &mut workspace.cotangents;
        let (hidden, slope) = (&mut hidden[..rows * stride], &mut slope[..rows * stride]);
        let (a, c) = (
            Rows {
                data: z,
                stride: inputs,
            },
            RowsMut {
                data: &mut *hidden,
                stride,
            },
        );
        multiply(self.level, a, first, &workspace.effective[0].bias, c);
        self.architecture
            .activation()
            .function(self.beta())
            .apply_with_slope(self.level, hidden, slope);
        let (a, c) = (
            Rows { data: &*hidden, stride },
            RowsMut {
                data: &mut *f,
                stride: inputs,
            },
        );
        multiply(self.level, a, second, &workspace.effective[1].bias, c);
        for (trace, slope) in trace.iter_mut().zip(slope.chunks_exact(stride)) {
            *trace = slope
                .iter()
                .zip(diagonal.iter())
                .fold(T::ZERO, |sum, (&s, &m)| sum + s * m);
        }
        if self.architecture.is_residual() {
            subtract(f, z);
            let dimension = T::from_f64(inputs as f64);
            trace.iter_mut().for_each(|trace| *trace -= dimension);
        }
        Ok(())
    }
}

/// Σₖ eₖ · uₖ for every row: the trace if the eₖ are the unit vectors, K times Hutchinson's estimate for K probes.
///
/// `tangents` and `products` are e and u = (∂f/∂z) e, both `[K, R, D]` with D = `dimension`; `trace` is `[R]`.
///
/// ```
/// use ffjord_kernels::mlp::contract;
///
/// let mut trace = [0.0; 2];
/// contract(2, &[1.0, -1.0, 1.0, 1.0], &[2.0, 0.5, 3.0, 4.0], &mut trace)?;
/// assert_eq!(trace, [1.5, 7.0]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// # Errors
/// [`KernelError`] if `tangents` is no whole number of `[R, D]` blocks, or `products` differs in length.
pub fn contract<T: Real>(dimension: usize, tangents: &[T], products: &[T], trace: &mut [T]) -> Result<(), KernelError> {
    check_length("the products", products.len(), tangents.len())?;
    trace.fill(T::ZERO);
    let block = trace.len() * dimension;
    if block == 0 {
        return check_length("the tangents", tangents.len(), 0);
    }
    whole_rows("the tangents", tangents.len(), block)?;
    for (e, u) in tangents.chunks_exact(block).zip(products.chunks_exact(block)) {
        let rows = e.chunks_exact(dimension).zip(u.chunks_exact(dimension));
        for (trace, (e, u)) in trace.iter_mut().zip(rows) {
            *trace = e.iter().zip(u).fold(*trace, |sum, (&e, &u)| sum + e * u);
        }
    }
    Ok(())
}

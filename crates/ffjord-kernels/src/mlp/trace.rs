//! The trace of a network with one hidden layer, in closed form.

use super::MlpArchitecture;
use crate::error::{check_length, whole_rows};
use crate::kernel::{Stack, TraceMut};
use crate::layered::{Architecture, Extent, Layered, Workspace};
use crate::linalg::{Rows, RowsMut, multiply};
use crate::{KernelError, Real};

/// f(z, t) `[R, D]` and tr ∂f/∂z `[R]` of a network with one hidden layer: one product per layer for the values and
/// none for tangents.
///
/// With f = W₂ φ(W₁ z + b₁) + b₂ the trace is Σⱼ φ'(hⱼ) mⱼ with mⱼ = Σᵢ W₂[i, j] W₁[j, i], i counting the state's
/// columns alone.
pub(super) fn exact_trace<T: Real>(
    network: &Layered<MlpArchitecture, T>,
    t: f64,
    (z, given): (&[T], &[T]),
    output: TraceMut<'_, T>,
    workspace: &mut Workspace<MlpArchitecture, T>,
) -> Result<(), KernelError> {
    let TraceMut { value: f, trace } = output;
    let [first_layer, second_layer] = network.layers.as_slice() else {
        return Err(KernelError::NoExactTrace);
    };
    let form = network.architecture.input_form();
    let state = form.state_len();
    let rows = whole_rows("the state", z.len(), state)?;
    check_length("what the rows are given", given.len(), rows * form.given_len())?;
    check_length("the output", f.len(), z.len())?;
    check_length("the trace", trace.len(), rows)?;
    let extent = Extent { rows, tangents: 0 };
    network.check_workspace(extent, workspace)?;
    if rows == 0 {
        return Ok(());
    }
    let time = T::from_f64(t);
    let (effective, scratch) = (
        &mut workspace.coefficients.effective,
        &mut workspace.coefficients.scratch,
    );
    for (index, (effective, layer)) in effective.iter_mut().zip(&network.layers).enumerate() {
        effective.prepare_forward(layer, network.moment(index, time), &mut scratch.weight);
    }
    let (first, second) = (effective[0].forward(first_layer), effective[1].forward(second_layer));
    let (stride, units) = (first_layer.output_stride, first_layer.shape.outputs);
    let diagonal = &mut scratch.bias[..stride];
    diagonal.fill(T::ZERO);
    for (j, m) in diagonal[..units].iter_mut().enumerate() {
        *m = (0..state).fold(T::ZERO, |sum, i| sum + first.entry(i, j) * second.entry(j, i));
    }

    let input = if form.is_callers() {
        z
    } else {
        let values = Stack {
            value: z,
            tangents: &[],
        };
        form.load(extent, values, given, &mut workspace.input).value
    };
    let [hidden, slope] = &mut workspace.cotangents;
    let (hidden, slope) = (&mut hidden[..rows * stride], &mut slope[..rows * stride]);
    let a = Rows {
        data: input,
        stride: first_layer.input_stride,
    };
    let c = RowsMut {
        data: &mut *hidden,
        stride,
    };
    multiply(network.level, a, first, &effective[0].bias, c);
    network.function().apply_with_slope(network.level, hidden, slope);
    let (a, c) = (Rows { data: &*hidden, stride }, RowsMut { data: f, stride: state });
    multiply(network.level, a, second, &effective[1].bias, c);
    for (trace, slope) in trace.iter_mut().zip(slope.chunks_exact(stride)) {
        *trace = slope
            .iter()
            .zip(diagonal.iter())
            .fold(T::ZERO, |sum, (&s, &m)| sum + s * m);
    }
    Ok(())
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

//! Rows times a matrix, by the SIMD kernels: what dense layers do to values and tangents together.

use super::slices::{on_slices, rows_and_columns};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::Real;
use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, accumulate_outer, multiply};
use ffjord_kernels::simd::SimdLevel;
use rayon::prelude::*;

/// Rows that one thread takes at a time, whatever the number of threads.
const CHUNK: usize = 1024;

/// `x Wᵀ`, and `+ b` on the first `biased` rows: `[N, o]` for x `[N, i]`, W `[o, i]` and b `[o]`.
///
/// The rows without a bias are tangents: a bias is a constant and moves with none of them. candle's own product asks the
/// operating system for the number of processors each time, which costs small products more than they take themselves.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// // A value and a tangent of it, which has no bias.
/// let x = Tensor::new(&[[1f32, 2.0], [1.0, 0.0]], &Device::Cpu)?;
/// let (weight, bias) = (Tensor::new(&[[3f32, 4.0]], &Device::Cpu)?, Tensor::new(&[10f32], &Device::Cpu)?);
/// assert_eq!(ops::linear(&x, &weight, &bias, 1)?.to_vec2::<f32>()?, [[21.0], [3.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When shapes or number types do not fit together, or memory or device fail.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor, biased: usize) -> Result<Tensor> {
    let (rows, inputs) = x.dims2()?;
    let (outputs, columns) = weight.dims2()?;
    if inputs != columns || bias.dims() != [outputs] || biased > rows {
        candle_core::bail!(
            "rows {:?} do not fit weights {:?} with biases {:?} on {biased} rows",
            x.shape(),
            weight.shape(),
            bias.shape()
        )
    }
    if has_kernel(x) {
        return x.apply_op3(weight, bias, Linear { biased, turned: false });
    }
    let product = x.matmul(&weight.t()?)?;
    if biased == rows {
        return product.broadcast_add(bias);
    }
    let value = product.narrow(0, 0, biased)?.broadcast_add(bias)?;
    Tensor::cat(&[value, product.narrow(0, biased, rows - biased)?], 0)
}

fn has_kernel(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}

/// The sums `[n]` over the rows `[N, n]`, in an order that no number of threads changes; no part of a gradient.
pub(super) fn column_sums(rows: &Tensor) -> Result<Tensor> {
    let ones = Tensor::ones((rows.dim(0)?, 1), rows.dtype(), rows.device())?;
    ones.apply_op2_no_bwd(rows, &Outer)?.flatten_all()
}

/// The product of every row with a matrix, and a bias for the first rows.
#[derive(Clone, Copy, Debug)]
struct Linear {
    biased: usize,
    /// Whether the matrix is `[i, o]`, as the gradient of x needs it: a copy of its transpose would take longer than products
    /// of few rows with it.
    turned: bool,
}

/// `aᵀ b` `[m, n]` of rows a `[N, m]` and b `[N, n]`.
#[derive(Clone, Copy, Debug)]
struct Outer;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, inputs) = rows_and_columns(x_layout)?;
        let (first, second) = rows_and_columns(weight_layout)?;
        let outputs = if self.turned { second } else { first };
        let sizes = (rows, inputs, outputs);
        let storage: Result<CpuStorage> = on_slices!(
            "linear",
            [(x, x_layout), (weight, weight_layout), (bias, bias_layout)],
            |x, w, b| { Ok(product(sizes, *self, x, w, b)) }
        );
        Ok((storage?, (rows, outputs).into()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        cotangent: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let cotangent = cotangent.detach();
        let zeros = Tensor::zeros(weight.dim(1)?, x.dtype(), x.device())?;
        let turned = Linear {
            biased: 0,
            turned: true,
        };
        let of_x = cotangent.apply_op3_no_bwd(&weight.detach(), &zeros, &turned)?;
        let of_weight = cotangent.apply_op2_no_bwd(&x.detach(), &Outer)?;
        let of_bias = if self.biased == 0 {
            bias.zeros_like()?
        } else {
            column_sums(&cotangent.narrow(0, 0, self.biased)?)?
        };
        Ok((Some(of_x), Some(of_weight), Some(of_bias)))
    }
}

impl CustomOp2 for Outer {
    fn name(&self) -> &'static str {
        "outer product"
    }

    fn cpu_fwd(
        &self,
        a: &CpuStorage,
        a_layout: &Layout,
        b: &CpuStorage,
        b_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((_, m), (_, n)) = (rows_and_columns(a_layout)?, rows_and_columns(b_layout)?);
        let storage: Result<CpuStorage> = on_slices!("outer product", [(a, a_layout), (b, b_layout)], |a, b| Ok(
            outer(m, n, a, b)
        ));
        Ok((storage?, (m, n).into()))
    }
}

/// Runs `work` on each piece of `output`, in parallel where there are several.
fn in_chunks<T: Send>(output: &mut [T], length: usize, work: impl Fn(usize, &mut [T]) + Sync) {
    if output.len() <= length {
        if !output.is_empty() {
            work(0, output);
        }
    } else {
        output
            .par_chunks_mut(length)
            .enumerate()
            .for_each(|(index, piece)| work(index, piece));
    }
}

fn product<T: Real>(
    (rows, inputs, outputs): (usize, usize, usize),
    Linear { biased, turned }: Linear,
    x: &[T],
    weight: &[T],
    bias: &[T],
) -> Vec<T> {
    let mut y = vec![T::ZERO; rows * outputs];
    if inputs == 0 || outputs == 0 {
        return y;
    }
    let level = SimdLevel::detect();
    let mut packed = PackedMatrix::zeros(level, inputs, outputs);
    match turned {
        true => packed.fill_with(|i, o| weight[i * outputs + o]),
        false => packed.fill_with(|i, o| weight[o * inputs + i]),
    }
    let mut padded = vec![T::ZERO; packed.layout().padded()];
    padded[..outputs].copy_from_slice(bias);
    let (values, tangents) = y.split_at_mut(biased * outputs);
    let (of_values, of_tangents) = x.split_at(biased * inputs);
    for (to, from, bias) in [(values, of_values, padded.as_slice()), (tangents, of_tangents, &[])] {
        in_chunks(to, CHUNK * outputs, |index, data| {
            let first = index * CHUNK * inputs;
            let rows = Rows {
                data: &from[first..first + data.len() / outputs * inputs],
                stride: inputs,
            };
            multiply(level, rows, &packed, bias, RowsMut { data, stride: outputs });
        });
    }
    y
}

fn outer<T: Real>(m: usize, n: usize, a: &[T], b: &[T]) -> Vec<T> {
    if m == 0 || n == 0 {
        return Vec::new();
    }
    // Narrow results are summed transposed, in longer rows.
    if n < m && n < 16 {
        let transposed = outer(n, m, b, a);
        return (0..m * n).map(|index| transposed[index % n * m + index / n]).collect();
    }
    let level = SimdLevel::detect();
    let of_chunk = |(a, b): (&[T], &[T])| {
        let mut sum = vec![T::ZERO; m * n];
        let (a, b) = (Rows { data: a, stride: m }, Rows { data: b, stride: n });
        accumulate_outer(
            level,
            (m, n),
            a,
            b,
            RowsMut {
                data: &mut sum,
                stride: n,
            },
        );
        sum
    };
    if a.len() <= CHUNK * m {
        return of_chunk((a, b));
    }
    let chunks = a.par_chunks(CHUNK * m).zip(b.par_chunks(CHUNK * n));
    let parts: Vec<Vec<T>> = chunks.map(of_chunk).collect();
    // In the order of the chunks, whichever thread came to its end first.
    let mut sum = vec![T::ZERO; m * n];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sum
}

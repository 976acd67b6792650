//! Rows times a matrix, by the SIMD kernels: what dense layers do to values and tangents together.

use super::slices::{on_slices, rows_and_columns};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::Real;
use ffjord_kernels::linalg::{PackedMatrix, Rows, RowsMut, accumulate_outer, multiply};
use ffjord_kernels::simd::SimdLevel;
use rayon::prelude::*;
use std::ops::Range;

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

/// Weights that one thread packs and multiplies with at a time where a matrix has many times as many.
const PIECE: usize = 1 << 18;

/// As [`small_product`]; the columns or the lines of a large matrix are dealt to threads in pieces.
fn product<T: Real>(
    (rows, inputs, outputs): (usize, usize, usize),
    map: Linear,
    x: &[T],
    weight: &[T],
    bias: &[T],
) -> Vec<T> {
    if inputs * outputs < 8 * PIECE {
        return small_product((rows, inputs, outputs), map, x, weight, bias);
    }
    if map.turned {
        // A piece of the inputs has its rows of the matrix side by side.
        let piece = (PIECE / outputs).max(1);
        let starts: Vec<usize> = (0..inputs).step_by(piece).collect();
        let parts = starts.into_par_iter().map(|first| {
            let count = piece.min(inputs - first);
            let x = columns(x, inputs, first..first + count);
            let weight = &weight[first * outputs..(first + count) * outputs];
            let none = vec![T::ZERO; outputs];
            small_product(
                (rows, count, outputs),
                map,
                &x,
                weight,
                if first == 0 { bias } else { &none },
            )
        });
        return in_order(parts.collect(), rows * outputs);
    }
    let piece = (PIECE / inputs).max(1);
    let starts: Vec<usize> = (0..outputs).step_by(piece).collect();
    let parts = starts.into_par_iter().map(|first| {
        let count = piece.min(outputs - first);
        let weight = &weight[first * inputs..(first + count) * inputs];
        small_product((rows, inputs, count), map, x, weight, &bias[first..first + count])
    });
    let parts: Vec<Vec<T>> = parts.collect();
    let mut y = vec![T::ZERO; rows * outputs];
    y.par_chunks_mut(outputs).enumerate().for_each(|(row, y)| {
        for (y, part) in y.chunks_mut(piece).zip(&parts) {
            y.copy_from_slice(&part[row * y.len()..(row + 1) * y.len()]);
        }
    });
    y
}

/// Some columns of a matrix with so many.
fn columns<T: Real>(matrix: &[T], stride: usize, columns: Range<usize>) -> Vec<T> {
    let rows = matrix.chunks_exact(stride);
    rows.flat_map(|row| &row[columns.clone()]).copied().collect()
}

/// The sum of parts with so many numbers, in their order, whichever thread came to its end first.
fn in_order<T: Real>(parts: Vec<Vec<T>>, numbers: usize) -> Vec<T> {
    let mut sum = vec![T::ZERO; numbers];
    for part in parts {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    sum
}

/// `x Wᵀ`, and `+ b` on the first rows, with threads for rows alone.
fn small_product<T: Real>(
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
    if m * n >= 8 * PIECE && a.len() <= CHUNK * m {
        // Few rows and many sums: lines of the result are dealt to threads.
        let mut sum = vec![T::ZERO; m * n];
        let piece = (PIECE / n).max(1);
        sum.par_chunks_mut(piece * n).enumerate().for_each(|(index, data)| {
            let (first, lines) = (index * piece, data.len() / n);
            let a = columns(a, m, first..first + lines);
            let (a, b) = (
                Rows {
                    data: &a,
                    stride: lines,
                },
                Rows { data: b, stride: n },
            );
            accumulate_outer(level, (lines, n), a, b, RowsMut { data, stride: n });
        });
        return sum;
    }
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
    in_order(chunks.map(of_chunk).collect(), m * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn tensor(shape: &[usize], seed: f64) -> Result<Var> {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|i| (seed + 1.7 * (i * i % 1009) as f64).sin()).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    /// Large matrices are dealt to threads in pieces, the last of which is smaller than the others.
    #[test]
    fn values_and_gradients_are_those_of_candle() -> Result<()> {
        for (rows, inputs, outputs) in [(7, 5, 11), (1500, 20, 8), (5, 70, 31_001), (5, 31_001, 70)] {
            let (x, weight, bias) = (
                tensor(&[rows, inputs], 0.1)?,
                tensor(&[outputs, inputs], 0.7)?,
                tensor(&[outputs], 1.3)?,
            );
            let ours = linear(&x, &weight, &bias, rows)?;
            let theirs = x.matmul(&weight.t()?)?.broadcast_add(&bias)?;
            let gap = |a: &Tensor, b: &Tensor| -> Result<f64> {
                let size = b.abs()?.max_all()?.to_scalar::<f64>()?;
                Ok((a - b)?.abs()?.max_all()?.to_scalar::<f64>()? / size)
            };
            assert!(gap(&ours, &theirs)? < 1e-13);
            let factors = theirs.affine(0.3, 0.1)?.sin()?.detach();
            let gradients = |y: &Tensor| (y * &factors)?.sum_all()?.backward();
            let (ours, theirs) = (gradients(&ours)?, gradients(&theirs)?);
            for var in [&x, &weight, &bias] {
                let (Some(ours), Some(theirs)) = (ours.get(var), theirs.get(var)) else {
                    candle_core::bail!("no gradient")
                };
                let gap = gap(ours, theirs)?;
                assert!(gap < 1e-12, "{gap:e} with {inputs} inputs and {outputs} outputs");
            }
        }
        Ok(())
    }
}

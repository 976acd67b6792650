//! Gated units as one operation of candle.

use super::linear::column_sums;
use super::slices::on_slices;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, D, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::elementwise::{gate, gate_gradient};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{KernelError, Real};
use rayon::prelude::*;

/// Numbers that one thread takes at a time, whatever the number of threads.
const CHUNK: usize = 65_536;

/// `(x + a) ⊙ σ(y + b)`, `[…, C]`, of a tensor `[…, 2C]` that holds x and then y along its last axis, and biases `[2C]` that
/// hold a and then b: the layer of gated convolutions, whose channels lie side by side. Differentiable in both.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let (both, bias) = (Tensor::new(&[[3.0f32, 0.0]], &Device::Cpu)?, Tensor::new(&[1.0f32, 0.0], &Device::Cpu)?);
/// assert_eq!(ops::gated(&both, &bias)?.to_vec2::<f32>()?, [[2.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, or memory or device fail.
pub fn gated(both: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let last = both.dim(D::Minus1)?;
    if !last.is_multiple_of(2) || bias.dims() != [last] {
        candle_core::bail!(
            "{:?} numbers with biases {:?} are no gated ones: give an even last size, and as many biases",
            both.shape(),
            bias.shape()
        )
    }
    if both.device().is_cpu() && matches!(both.dtype(), DType::F32 | DType::F64) {
        return both.apply_op2(bias, Gate);
    }
    let biased = both.broadcast_add(bias)?;
    let (x, y) = (
        biased.narrow(D::Minus1, 0, last / 2)?,
        biased.narrow(D::Minus1, last / 2, last / 2)?,
    );
    x * super::sigmoid(&y)?
}

#[derive(Clone, Copy, Debug)]
struct Gate;

/// The cotangent of the tensor before [`Gate`], from it, the biases and the cotangent of the result.
#[derive(Clone, Copy, Debug)]
struct Reverse;

/// The last size, halved, and the numbers of a chunk of whole rows.
fn sizes(layout: &Layout) -> (usize, usize) {
    let channels = layout.dims().last().map_or(0, |last| last / 2);
    (channels, (CHUNK / (2 * channels).max(1)).max(1) * channels)
}

fn forward<T: Real>((channels, chunk): (usize, usize), both: &[T], bias: &[T]) -> Result<Vec<T>> {
    let mut to = vec![T::ZERO; both.len() / 2];
    let level = SimdLevel::detect();
    let pieces = both.par_chunks((2 * chunk).max(1)).zip(to.par_chunks_mut(chunk.max(1)));
    let done: std::result::Result<(), KernelError> =
        pieces.map(|(both, to)| gate(level, channels, both, bias, to)).collect();
    done.map_err(candle_core::Error::wrap)?;
    Ok(to)
}

fn reverse<T: Real>((channels, chunk): (usize, usize), both: &[T], bias: &[T], cotangents: &[T]) -> Result<Vec<T>> {
    let mut gradient = vec![T::ZERO; both.len()];
    let level = SimdLevel::detect();
    let pieces = both
        .par_chunks((2 * chunk).max(1))
        .zip(gradient.par_chunks_mut((2 * chunk).max(1)));
    let pieces = pieces.zip(cotangents.par_chunks(chunk.max(1)));
    let done: std::result::Result<(), KernelError> = pieces
        .map(|((both, gradient), cotangents)| gate_gradient(level, channels, both, bias, cotangents, gradient))
        .collect();
    done.map_err(candle_core::Error::wrap)?;
    Ok(gradient)
}

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gated units"
    }

    fn cpu_fwd(&self, both: &CpuStorage, lb: &Layout, bias: &CpuStorage, la: &Layout) -> Result<(CpuStorage, Shape)> {
        let (channels, chunk) = sizes(lb);
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(both, lb), (bias, la)], |both, bias| forward(
            (channels, chunk),
            both,
            bias
        ));
        let mut shape = lb.dims().to_vec();
        if let Some(last) = shape.last_mut() {
            *last = channels;
        }
        Ok((storage?, shape.into()))
    }

    fn bwd(&self, both: &Tensor, bias: &Tensor, _y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_both = both.detach().apply_op3_no_bwd(&bias.detach(), &g.detach(), &Reverse)?;
        let of_bias = column_sums(&of_both.reshape(((), bias.elem_count()))?)?;
        Ok((Some(of_both), Some(of_bias)))
    }
}

impl CustomOp3 for Reverse {
    fn name(&self) -> &'static str {
        "reverse of gated units"
    }

    fn cpu_fwd(
        &self,
        both: &CpuStorage,
        both_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
        cotangent: &CpuStorage,
        cotangent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = sizes(both_layout);
        let storage: Result<CpuStorage> = on_slices!(
            self.name(),
            [(both, both_layout), (bias, bias_layout), (cotangent, cotangent_layout)],
            |both, bias, cotangent| reverse(sizes, both, bias, cotangent)
        );
        Ok((storage?, both_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn tensor(shape: &[usize], seed: f64) -> Result<Var> {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count)
            .map(|i| 2.0 * (seed + 1.7 * (i * i % 101) as f64).sin())
            .collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    #[test]
    fn values_and_gradients_are_those_of_candle() -> Result<()> {
        // The second has several chunks.
        for shape in [&[2, 3, 6][..], &[9000, 10]] {
            let last = shape[shape.len() - 1];
            let (both, bias) = (tensor(shape, 0.3)?, tensor(&[last], 1.2)?);
            let plain = both.broadcast_add(&bias)?;
            let y = plain.narrow(D::Minus1, last / 2, last / 2)?;
            let theirs = (plain.narrow(D::Minus1, 0, last / 2)? / (y.neg()?.exp()? + 1.0)?)?;
            let ours = gated(&both, &bias)?;
            let gap = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f64>();
            assert!(gap(&ours, &theirs)? < 1e-14);
            let weights = theirs.affine(0.3, 0.1)?.sin()?.detach();
            let gradients = |y: &Tensor| (y * &weights)?.sum_all()?.backward();
            let (ours, theirs) = (gradients(&ours)?, gradients(&theirs)?);
            for var in [&both, &bias] {
                let (Some(ours), Some(theirs)) = (ours.get(var), theirs.get(var)) else {
                    candle_core::bail!("no gradient")
                };
                let size = theirs.abs()?.max_all()?.to_scalar::<f64>()?;
                let gap = gap(ours, theirs)?;
                assert!(gap < 1e-13 * size.max(10.0), "{gap:e} of {size}");
            }
        }
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let plain = |shape: &[usize]| Tensor::zeros(shape, DType::F64, &Device::Cpu);
        let error = gated(&plain(&[2, 3])?, &plain(&[3])?).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("even last size"), "{error}");
        assert!(gated(&plain(&[2, 4])?, &plain(&[2])?).is_err());
        assert_eq!(gated(&plain(&[0, 4])?, &plain(&[4])?)?.dims(), &[0, 2]);
        Ok(())
    }
}

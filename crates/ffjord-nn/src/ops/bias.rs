//! A number for each channel, added to all pixels.

use super::linear::column_sums;
use super::slices::on_slices;
use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::Real;
use rayon::prelude::*;

/// Numbers that one thread takes at a time.
const CHUNK: usize = 65_536;

/// `x + b` of a tensor `[…, C]` and b `[C]`, as a broadcast sum, whose gradient in b candle sums number by number.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let (x, bias) = (Tensor::new(&[[1f32, 2.0], [3.0, 4.0]], &Device::Cpu)?, Tensor::new(&[10f32, 20.0], &Device::Cpu)?);
/// assert_eq!(ops::add_bias(&x, &bias)?.to_vec2::<f32>()?, [[11.0, 22.0], [13.0, 24.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, or memory or device fail.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if bias.dims() != [x.dim(D::Minus1)?] {
        candle_core::bail!("biases {:?} do not fit the last size of {:?}", bias.shape(), x.shape())
    }
    if x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64) {
        return x.apply_op2(bias, AddBias);
    }
    x.broadcast_add(bias)
}

#[derive(Clone, Copy, Debug)]
struct AddBias;

fn sum<T: Real>(x: &[T], bias: &[T]) -> Vec<T> {
    let mut to = x.to_vec();
    let channels = bias.len().max(1);
    let rows = (CHUNK / channels).max(1) * channels;
    to.par_chunks_mut(rows).for_each(|chunk| {
        for row in chunk.chunks_exact_mut(channels) {
            row.iter_mut().zip(bias).for_each(|(to, &bias)| *to += bias);
        }
    });
    to
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "sum with biases"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, bias: &CpuStorage, lb: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(x, lx), (bias, lb)], |x, bias| Ok(sum(x, bias)));
        Ok((storage?, lx.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, bias: &Tensor, _y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of_bias = column_sums(&g.detach().reshape(((), bias.elem_count()))?)?;
        Ok((Some(g.clone()), Some(of_bias)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn values_and_gradients_are_those_of_a_broadcast_sum() -> Result<()> {
        let values: Vec<f64> = (0..90_000_usize)
            .map(|i| (0.2 + 1.7 * (i * i % 101) as f64).sin())
            .collect();
        let x = Var::from_tensor(&Tensor::from_vec(values, (90, 100, 10), &Device::Cpu)?)?;
        let bias = Var::from_tensor(&Tensor::arange(0f64, 10.0, &Device::Cpu)?)?;
        let (ours, theirs) = (add_bias(&x, &bias)?, x.broadcast_add(&bias)?);
        let gap = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f64>();
        assert_eq!(gap(&ours, &theirs)?, 0.0);
        let gradients = |y: &Tensor| y.sin()?.sum_all()?.backward();
        let (ours, theirs) = (gradients(&ours)?, gradients(&theirs)?);
        for var in [&x, &bias] {
            let (Some(ours), Some(theirs)) = (ours.get(var), theirs.get(var)) else {
                candle_core::bail!("no gradient")
            };
            let size = theirs.abs()?.max_all()?.to_scalar::<f64>()?;
            let gap = gap(ours, theirs)?;
            assert!(gap < 1e-13 * size.max(10.0), "{gap:e} of {size}");
        }
        assert!(add_bias(&x, &Tensor::zeros(9, DType::F64, &Device::Cpu)?).is_err());
        Ok(())
    }
}

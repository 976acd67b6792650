//! The logarithm of a softmax at one class a row, as one operation of candle.

use super::slices::{in_order, rows_and_columns, unsupported};
use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::elementwise::{log_softmax_at as value, log_softmax_at_gradient as gradient};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{KernelError, Real};
use rayon::prelude::*;

/// Numbers that one thread takes at a time, whatever the number of threads.
const CHUNK: usize = 65_536;

/// `x_k − ln Σ exp x` `[N]` of rows x `[N, K]`, with the class k that was chosen for each, `[N]` of type `u32`: what is left of
/// a softmax over many classes where only one of them is asked for. Differentiable in the rows.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let (logits, chosen) = (Tensor::new(&[[0.0f64, 0.0]], &Device::Cpu)?, Tensor::new(&[1u32], &Device::Cpu)?);
/// let log_prob = ops::log_softmax_at(&logits, &chosen)?.to_vec1::<f64>()?[0];
/// assert!((log_prob + 2f64.ln()).abs() < 1e-15);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, a class is not one of K, or memory or device fail.
pub fn log_softmax_at(logits: &Tensor, chosen: &Tensor) -> Result<Tensor> {
    let (rows, _) = logits.dims2()?;
    if chosen.dims() != [rows] || chosen.dtype() != DType::U32 {
        candle_core::bail!(
            "logits {:?} need one class for each row, [{rows}] of type u32, and not {:?} of type {:?}",
            logits.shape(),
            chosen.shape(),
            chosen.dtype()
        )
    }
    if logits.device().is_cpu() && matches!(logits.dtype(), DType::F32 | DType::F64) {
        return logits.apply_op2(chosen, At);
    }
    let all = candle_nn::ops::log_softmax(logits, 1)?;
    all.gather(&chosen.unsqueeze(1)?, 1)?.squeeze(1)
}

#[derive(Clone, Copy, Debug)]
struct At;

/// The cotangent of the logits, from them, the classes and the cotangent of the result.
#[derive(Clone, Copy, Debug)]
struct Reverse;

fn classes_of<'a>(chosen: &'a CpuStorage, layout: &Layout, name: &'static str) -> Result<std::borrow::Cow<'a, [u32]>> {
    match chosen {
        CpuStorage::U32(chosen) => Ok(in_order(chosen, layout)),
        other => Err(unsupported(other, name)),
    }
}

fn chunk(classes: usize) -> usize {
    (CHUNK / classes.max(1)).max(1)
}

fn forward<T: Real>(classes: usize, logits: &[T], chosen: &[u32]) -> Result<Vec<T>> {
    let (mut to, rows, level) = (vec![T::ZERO; chosen.len()], chunk(classes), SimdLevel::detect());
    let pieces = logits.par_chunks((rows * classes).max(1)).zip(chosen.par_chunks(rows));
    let done: std::result::Result<(), KernelError> = pieces
        .zip(to.par_chunks_mut(rows))
        .map(|((logits, chosen), to)| value(level, classes, logits, chosen, to))
        .collect();
    done.map_err(candle_core::Error::wrap)?;
    Ok(to)
}

fn reverse<T: Real>(classes: usize, logits: &[T], chosen: &[u32], cotangents: &[T]) -> Result<Vec<T>> {
    let (mut to, rows, level) = (vec![T::ZERO; logits.len()], chunk(classes), SimdLevel::detect());
    let numbers = (rows * classes).max(1);
    let pieces = logits.par_chunks(numbers).zip(to.par_chunks_mut(numbers));
    let done: std::result::Result<(), KernelError> = pieces
        .zip(chosen.par_chunks(rows).zip(cotangents.par_chunks(rows)))
        .map(|((logits, to), (chosen, cotangents))| gradient(level, classes, logits, chosen, cotangents, to))
        .collect();
    done.map_err(candle_core::Error::wrap)?;
    Ok(to)
}

impl CustomOp2 for At {
    fn name(&self) -> &'static str {
        "logarithm of a softmax"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        ll: &Layout,
        chosen: &CpuStorage,
        lc: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, classes) = rows_and_columns(ll)?;
        let chosen = classes_of(chosen, lc, self.name())?;
        let storage = match logits {
            CpuStorage::F32(logits) => CpuStorage::F32(forward(classes, &in_order(logits, ll), &chosen)?),
            CpuStorage::F64(logits) => CpuStorage::F64(forward(classes, &in_order(logits, ll), &chosen)?),
            other => return Err(unsupported(other, self.name())),
        };
        Ok((storage, rows.into()))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        chosen: &Tensor,
        _y: &Tensor,
        g: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((
            Some(logits.detach().apply_op3_no_bwd(chosen, &g.detach(), &Reverse)?),
            None,
        ))
    }
}

impl CustomOp3 for Reverse {
    fn name(&self) -> &'static str {
        "reverse of the logarithm of a softmax"
    }

    fn cpu_fwd(
        &self,
        logits: &CpuStorage,
        logits_layout: &Layout,
        chosen: &CpuStorage,
        chosen_layout: &Layout,
        cotangent: &CpuStorage,
        cotangent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, classes) = rows_and_columns(logits_layout)?;
        let chosen = classes_of(chosen, chosen_layout, self.name())?;
        let storage = match (logits, cotangent) {
            (CpuStorage::F32(logits), CpuStorage::F32(cotangent)) => {
                let (logits, cotangent) = (in_order(logits, logits_layout), in_order(cotangent, cotangent_layout));
                CpuStorage::F32(reverse(classes, &logits, &chosen, &cotangent)?)
            }
            (CpuStorage::F64(logits), CpuStorage::F64(cotangent)) => {
                let (logits, cotangent) = (in_order(logits, logits_layout), in_order(cotangent, cotangent_layout));
                CpuStorage::F64(reverse(classes, &logits, &chosen, &cotangent)?)
            }
            (other, _) => return Err(unsupported(other, self.name())),
        };
        Ok((storage, logits_layout.shape().clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn values_and_gradients_are_those_of_candle() -> Result<()> {
        // Fewer classes than lanes, a remainder, and several chunks of rows.
        for (rows, classes) in [(5, 3), (4, 37), (700, 256)] {
            let values = (0..rows * classes).map(|i| 9.0 * (0.2 + 1.7 * (i * i % 997) as f64).sin());
            let logits = Var::from_tensor(&Tensor::from_vec(
                values.collect::<Vec<_>>(),
                (rows, classes),
                &Device::Cpu,
            )?)?;
            let chosen: Vec<u32> = (0..rows).map(|row| (row * row % classes) as u32).collect();
            let chosen = Tensor::from_vec(chosen, rows, &Device::Cpu)?;
            let theirs = candle_nn::ops::log_softmax(logits.as_tensor(), 1)?;
            let theirs = theirs.gather(&chosen.unsqueeze(1)?, 1)?.squeeze(1)?;
            let ours = log_softmax_at(&logits, &chosen)?;
            let gap = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f64>();
            assert!(gap(&ours, &theirs)? < 1e-13);
            let weights = theirs.affine(0.3, 0.1)?.sin()?.detach();
            let gradients = |y: &Tensor| (y * &weights)?.sum_all()?.backward();
            let (ours, theirs) = (gradients(&ours)?, gradients(&theirs)?);
            let pair = ours.get(&logits).zip(theirs.get(&logits));
            assert!(pair.map(|(a, b)| gap(a, b)).transpose()?.is_some_and(|gap| gap < 1e-13));
        }
        Ok(())
    }

    #[test]
    fn infinite_logits_and_wrong_classes() -> Result<()> {
        let logits = Tensor::new(&[[0.0f32, f32::NEG_INFINITY], [f32::NAN, 0.0]], &Device::Cpu)?;
        let of = |classes: [u32; 2]| log_softmax_at(&logits, &Tensor::new(&classes, &Device::Cpu)?);
        let log_prob = of([0, 1])?.to_vec1::<f32>()?;
        assert!(log_prob[0] == 0.0 && log_prob[1].is_nan(), "{log_prob:?}");
        assert_eq!(of([1, 1])?.to_vec1::<f32>()?[0], f32::NEG_INFINITY);
        let error = of([2, 0]).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("class 2 was chosen of 2"), "{error}");
        assert!(log_softmax_at(&logits, &Tensor::new(&[0u32], &Device::Cpu)?).is_err());
        Ok(())
    }
}

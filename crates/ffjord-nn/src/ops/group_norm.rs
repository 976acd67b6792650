//! Group normalisation of images with tangents, by the SIMD kernels.

use super::slices::on_slices;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::Real;
use ffjord_kernels::normalisation::{GroupNorm, GroupNormGradient};
use ffjord_kernels::simd::SimdLevel;

/// The variance that is added to that of a group, as in PyTorch.
pub(super) const EPSILON: f64 = 1e-5;

/// `γ h + β` on the first `rows` images of a stack `[(1 + K) rows, H, W, C]`, where h has mean 0 and variance 1 over the
/// pixels and channels of each of `groups` groups of channels (Wu and He 2018), and its derivative along each of the K
/// tangents behind them; γ and β are `[C]`, or `[rows, C]` with numbers for each image.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let x = Tensor::new(&[1.0f64, 5.0, 3.0, 5.0], &Device::Cpu)?.reshape((1, 1, 2, 2))?;
/// let (scale, shift) = (Tensor::new(&[1.0, 2.0], &Device::Cpu)?, Tensor::new(&[0.0, 0.5], &Device::Cpu)?);
/// let y = ops::group_norm(&x, 1, 2, &scale, &shift)?.flatten_all()?.to_vec1::<f64>()?;
/// assert!((y[0] + 1.0).abs() < 1e-5 && (y[2] - 1.0).abs() < 1e-5 && y[1] == 0.5);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, the channels cannot be put into so many groups, or memory or device fail.
pub fn group_norm(stack: &Tensor, rows: usize, groups: usize, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let (stacked, _, _, channels) = stack.dims4()?;
    let fits = scale.dims() == [channels] || scale.dims() == [rows, channels];
    if !fits || scale.dims() != shift.dims() || rows == 0 || !stacked.is_multiple_of(rows) {
        candle_core::bail!(
            "a stack {:?} of {rows} images with tangents does not fit scales {:?} and shifts {:?}: both must be [{channels}] or \
             [{rows}, {channels}]",
            stack.shape(),
            scale.shape(),
            shift.shape()
        )
    }
    if groups == 0 || !channels.is_multiple_of(groups) {
        candle_core::bail!("{channels} channels cannot be put into {groups} groups: give a number that divides them")
    }
    if stack.device().is_cpu() && matches!(stack.dtype(), DType::F32 | DType::F64) {
        return stack.apply_op3(scale, shift, Normalise { rows, groups });
    }
    let first = stack.permute((0, 3, 1, 2))?.contiguous()?;
    by_candle(&first, rows, groups, scale, shift)?
        .permute((0, 2, 3, 1))?
        .contiguous()
}

/// The same of images `[(1 + K) rows, C, H, W]` in candle's operations.
fn by_candle(stack: &Tensor, rows: usize, groups: usize, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let (stacked, channels, _, _) = stack.dims4()?;
    let count = stacked / rows - 1;
    let along = |factors: &Tensor| factors.reshape((factors.elem_count() / channels, channels, 1, 1));
    let grouped = |images: &Tensor| images.reshape((images.dim(0)?, groups, ()));
    let x = grouped(&stack.narrow(0, 0, rows)?)?;
    let centred = x.broadcast_sub(&x.mean_keepdim(2)?)?;
    let inverse = (centred.sqr()?.mean_keepdim(2)? + EPSILON)?.sqrt()?.recip()?;
    let h = centred.broadcast_mul(&inverse)?;
    let shape = stack.narrow(0, 0, rows)?.shape().clone();
    let value = h
        .reshape(&shape)?
        .broadcast_mul(&along(scale)?)?
        .broadcast_add(&along(shift)?)?;
    let mut parts = vec![value];
    for tangent in 1..=count {
        let v = grouped(&stack.narrow(0, tangent * rows, rows)?)?;
        let v = v.broadcast_sub(&v.mean_keepdim(2)?)?;
        let u = (&v - h.broadcast_mul(&(&h * &v)?.mean_keepdim(2)?)?)?.broadcast_mul(&inverse)?;
        parts.push(u.reshape(&shape)?.broadcast_mul(&along(scale)?)?);
    }
    Tensor::cat(&parts, 0)
}

#[derive(Clone, Copy, Debug)]
struct Normalise {
    rows: usize,
    groups: usize,
}

/// The cotangents of the stack, the scales and the shifts, one after another as one vector.
#[derive(Clone, Copy, Debug)]
struct Reverse(Normalise);

impl Normalise {
    fn sizes(self, stack: &Layout) -> Result<GroupNorm> {
        let (_, height, width, channels) = stack.shape().dims4()?;
        Ok(GroupNorm {
            rows: self.rows,
            channels,
            pixels: height * width,
            groups: self.groups,
            epsilon: EPSILON,
        })
    }
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "group normalisation"
    }

    fn cpu_fwd(
        &self,
        stack: &CpuStorage,
        stack_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        shift: &CpuStorage,
        shift_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = self.sizes(stack_layout)?;
        let storage: Result<CpuStorage> = on_slices!(
            self.name(),
            [(stack, stack_layout), (scale, scale_layout), (shift, shift_layout)],
            |stack, scale, shift| forward(sizes, stack, scale, shift)
        );
        Ok((storage?, stack_layout.shape().clone()))
    }

    fn bwd(
        &self,
        stack: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        _result: &Tensor,
        cotangent: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (images, factors) = (stack.elem_count(), scale.elem_count());
        let all = stack
            .detach()
            .apply_op3_no_bwd(&scale.detach(), &cotangent.detach(), &Reverse(*self))?;
        Ok((
            Some(all.narrow(0, 0, images)?.reshape(stack.shape())?),
            Some(all.narrow(0, images, factors)?.reshape(scale.shape())?),
            Some(all.narrow(0, images + factors, factors)?.reshape(shift.shape())?),
        ))
    }
}

impl CustomOp3 for Reverse {
    fn name(&self) -> &'static str {
        "reverse of a group normalisation"
    }

    fn cpu_fwd(
        &self,
        stack: &CpuStorage,
        stack_layout: &Layout,
        scale: &CpuStorage,
        scale_layout: &Layout,
        cotangent: &CpuStorage,
        cotangent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let sizes = self.0.sizes(stack_layout)?;
        let count = stack_layout.shape().elem_count() + 2 * scale_layout.shape().elem_count();
        let storage: Result<CpuStorage> = on_slices!(
            self.name(),
            [
                (stack, stack_layout),
                (scale, scale_layout),
                (cotangent, cotangent_layout)
            ],
            |stack, scale, cotangent| reverse(sizes, stack, scale, cotangent)
        );
        Ok((storage?, count.into()))
    }
}

fn forward<T: Real>(sizes: GroupNorm, stack: &[T], scale: &[T], shift: &[T]) -> Result<Vec<T>> {
    let mut to = vec![T::ZERO; stack.len()];
    let done = sizes.forward(SimdLevel::detect(), stack, scale, shift, &mut to);
    done.map_err(candle_core::Error::wrap)?;
    Ok(to)
}

fn reverse<T: Real>(sizes: GroupNorm, stack: &[T], scale: &[T], cotangents: &[T]) -> Result<Vec<T>> {
    let mut all = vec![T::ZERO; stack.len() + 2 * scale.len()];
    let (of_stack, of_factors) = all.split_at_mut(stack.len());
    let (of_scale, of_shift) = of_factors.split_at_mut(scale.len());
    let gradient = GroupNormGradient {
        stack: of_stack,
        scale: of_scale,
        shift: of_shift,
    };
    let done = sizes.reverse(SimdLevel::detect(), stack, scale, cotangents, gradient);
    done.map_err(candle_core::Error::wrap)?;
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn tensor(shape: &[usize], seed: f64) -> Result<Var> {
        let count: usize = shape.iter().product();
        let values: Vec<f64> = (0..count).map(|i| (seed + 1.7 * (i * i % 101) as f64).sin()).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu)?)
    }

    #[test]
    fn kernels_and_candle_agree_in_values_tangents_and_gradients() -> Result<()> {
        for (tangents, per_row) in [(0, false), (1, true), (2, false), (2, true)] {
            let stack = tensor(&[3 * (1 + tangents), 5, 3, 4], 0.2)?;
            let factors: &[usize] = if per_row { &[3, 4] } else { &[4] };
            let (scale, shift) = (tensor(factors, 0.5)?, tensor(factors, 1.1)?);
            let ours = group_norm(&stack, 3, 2, &scale, &shift)?;
            let first = stack.permute((0, 3, 1, 2))?.contiguous()?;
            let theirs = by_candle(&first, 3, 2, &scale, &shift)?
                .permute((0, 2, 3, 1))?
                .contiguous()?;
            let gap = |a: &Tensor, b: &Tensor| (a - b)?.abs()?.max_all()?.to_scalar::<f64>();
            assert!(gap(&ours, &theirs)? < 1e-12);
            let weights = tensor(stack.dims(), 2.9)?;
            let gradients = |y: &Tensor| (y * weights.as_detached_tensor())?.sum_all()?.backward();
            let (ours, theirs) = (gradients(&ours)?, gradients(&theirs)?);
            for var in [&stack, &scale, &shift] {
                let pair = ours.get(var).zip(theirs.get(var));
                assert!(pair.map(|(a, b)| gap(a, b)).transpose()?.is_some_and(|gap| gap < 1e-11));
            }
        }
        Ok(())
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() -> Result<()> {
        let (stack, good, bad) = (tensor(&[4, 2, 2, 4], 0.1)?, tensor(&[4], 0.2)?, tensor(&[3], 0.3)?);
        assert!(group_norm(&stack, 2, 2, &good, &good).is_ok());
        let error = group_norm(&stack, 2, 2, &bad, &bad).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("[4] or [2, 4]"), "{error}");
        assert!(group_norm(&stack, 3, 2, &good, &good).is_err());
        let error = group_norm(&stack, 2, 3, &good, &good).map_or_else(|error| error.to_string(), |_| String::new());
        assert!(error.contains("3 groups"), "{error}");
        Ok(())
    }
}

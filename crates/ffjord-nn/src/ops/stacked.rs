//! A nonlinearity on values and their tangents in one pass, by the SIMD kernels.

use super::slices::on_slices;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor};
use ffjord_kernels::Real;
use ffjord_kernels::elementwise::{Function, Saved, SavedStack};
use ffjord_kernels::simd::SimdLevel;

/// (x, dx₁, …) ↦ (φ(x), φ'(x) dx₁, …) for a stack whose first `values` numbers are x.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forward {
    pub(super) function: Function<f64>,
    pub(super) values: usize,
}

/// The cotangents of (x, dx₁, …) from the stacks before and after [`Forward`] and the cotangents of its result.
#[derive(Clone, Copy, Debug)]
struct Reverse(Forward);

impl CustomOp1 for Forward {
    fn name(&self) -> &'static str {
        "nonlinearity with tangents"
    }

    fn cpu_fwd(&self, stack: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(stack, layout)], |stack| Ok(self.apply(stack)));
        Ok((storage?, layout.shape().clone()))
    }

    fn bwd(&self, stack: &Tensor, result: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        let (stack, result) = (stack.detach(), result.detach());
        Ok(Some(stack.apply_op3_no_bwd(
            &result,
            &cotangent.detach(),
            &Reverse(*self),
        )?))
    }
}

impl Forward {
    fn apply<T: Real>(self, stack: &[T]) -> Vec<T> {
        let mut stack = stack.to_vec();
        if self.values > 0 {
            self.function
                .cast::<T>()
                .forward_stack(SimdLevel::detect(), self.values, &mut stack, &mut []);
        }
        stack
    }
}

impl CustomOp3 for Reverse {
    fn name(&self) -> &'static str {
        "reverse of a nonlinearity with tangents"
    }

    fn cpu_fwd(
        &self,
        before: &CpuStorage,
        before_layout: &Layout,
        after: &CpuStorage,
        after_layout: &Layout,
        cotangent: &CpuStorage,
        cotangent_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let slices = on_slices!(
            self.name(),
            [
                (before, before_layout),
                (after, after_layout),
                (cotangent, cotangent_layout)
            ],
            |before, after, cotangent| Ok(self.apply(before, after, cotangent))
        );
        let storage: Result<CpuStorage> = slices;
        Ok((storage?, cotangent_layout.shape().clone()))
    }
}

impl Reverse {
    fn apply<T: Real>(self, before: &[T], after: &[T], cotangent: &[T]) -> Vec<T> {
        let (level, values, function) = (SimdLevel::detect(), self.0.values, self.0.function.cast::<T>());
        let mut cotangents = cotangent.to_vec();
        if values == 0 {
            return cotangents;
        }
        let mut slope = Vec::new();
        if function.saved() == Saved::OutputAndSlope {
            let mut value = before[..values].to_vec();
            slope = vec![T::ZERO; values];
            function.apply_with_slope(level, &mut value, &mut slope);
        }
        let stack = if function.saved() == Saved::Input {
            before
        } else {
            after
        };
        function.reverse_stack(level, values, SavedStack { stack, slope: &slope }, &mut cotangents);
        cotangents
    }
}

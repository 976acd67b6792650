//! The kernels of `ffjord-kernels` as one custom operation of candle.

use candle_core::backend::BackendStorage;
use candle_core::cpu_backend::unary_map;
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor, WithDType};
use ffjord_kernels::Real;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::simd::SimdLevel;
use rayon::prelude::*;

/// Elements that one thread takes: enough to be worth a task.
const CHUNK: usize = 32_768;
/// Elements treated at a time where a derivative needs room for what comes before it.
const BLOCK: usize = 1024;

/// How often the function is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Value,
    Slope,
    Curvature,
}

/// φ, φ' or φ'' on every element.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElementWise {
    function: Function<f64>,
    order: Order,
}

impl ElementWise {
    pub(super) fn new(function: Function<f64>, order: Order) -> Self {
        Self { function, order }
    }

    /// The results for the elements of `layout` in `values`, in row-major order.
    fn map<T: Real + WithDType>(self, values: &[T], layout: &Layout) -> Vec<T> {
        let gathered;
        let x = if let Some((start, end)) = layout.contiguous_offsets() {
            &values[start..end]
        } else {
            gathered = unary_map(values, layout, |x| x);
            &gathered
        };
        let mut y = vec![T::ZERO; x.len()];
        if x.len() <= CHUNK {
            self.fill(x, &mut y);
        } else {
            let chunks = x.par_chunks(CHUNK).zip(y.par_chunks_mut(CHUNK));
            chunks.for_each(|(x, y)| self.fill(x, y));
        }
        y
    }

    fn fill<T: Real>(self, x: &[T], y: &mut [T]) {
        let (level, function) = (SimdLevel::detect(), self.function.cast::<T>());
        let mut room = [T::ZERO; BLOCK];
        for (x, y) in x.chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
            let room = &mut room[..x.len()];
            match self.order {
                Order::Value => {
                    y.copy_from_slice(x);
                    function.apply(level, y);
                }
                Order::Slope => {
                    room.copy_from_slice(x);
                    function.apply_with_slope(level, room, y);
                }
                Order::Curvature => function.derivatives(level, x, room, y),
            }
        }
    }
}

impl CustomOp1 for ElementWise {
    fn name(&self) -> &'static str {
        match self.order {
            Order::Value => "nonlinearity",
            Order::Slope => "slope of a nonlinearity",
            Order::Curvature => "curvature of a nonlinearity",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let result = match storage {
            CpuStorage::F32(values) => CpuStorage::F32(self.map(values, layout)),
            CpuStorage::F64(values) => CpuStorage::F64(self.map(values, layout)),
            // `has_kernel` lets no other type come here.
            _ => return Err(Error::UnsupportedDTypeForOp(storage.dtype(), self.name()).bt()),
        };
        Ok((result, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        let next = match self.order {
            Order::Value => Order::Slope,
            Order::Slope => Order::Curvature,
            Order::Curvature => return Err(Error::BackwardNotSupported { op: self.name() }.bt()),
        };
        let slope = x.apply_op1(Self { order: next, ..*self })?;
        Ok(Some((cotangent * slope)?))
    }
}

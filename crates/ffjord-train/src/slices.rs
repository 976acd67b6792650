//! Tensors on the CPU as slices: one pass over memory where tensor operations take several and allocate each time.

use crate::error::Result;
use candle_core::{CpuStorage, DType, Device, InplaceOp2, Layout, Storage, Tensor, WithDType, bail};
use std::cell::RefCell;

/// A floating-point type that is updated as slices.
pub(crate) trait Real: WithDType {
    fn sqrt(self) -> Self;
    fn abs(self) -> Self;
    fn is_finite(self) -> bool;
    fn storage_mut(storage: &mut CpuStorage) -> Option<&mut [Self]>;
}

impl Real for f32 {
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    fn abs(self) -> Self {
        f32::abs(self)
    }

    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }

    fn storage_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        match storage {
            CpuStorage::F32(values) => Some(values),
            _ => None,
        }
    }
}

impl Real for f64 {
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn abs(self) -> Self {
        f64::abs(self)
    }

    fn is_finite(self) -> bool {
        f64::is_finite(self)
    }

    fn storage_mut(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        match storage {
            CpuStorage::F64(values) => Some(values),
            _ => None,
        }
    }
}

/// How a tensor's values can be worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// As slices of `f32`.
    F32,
    /// As slices of `f64`.
    F64,
    /// By tensor operations only: another device or type.
    Operations,
}

impl Access {
    pub(crate) fn of(tensor: &Tensor) -> Self {
        match (tensor.device(), tensor.dtype()) {
            (Device::Cpu, DType::F32) => Self::F32,
            (Device::Cpu, DType::F64) => Self::F64,
            _ => Self::Operations,
        }
    }
}

/// Calls `read` with the values of a CPU tensor of type `T`, in row-major order.
pub(crate) fn read<T: Real, R>(tensor: &Tensor, read: impl FnOnce(&[T]) -> R) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(storage), Some((start, end))) => Ok(read(&T::cpu_storage_as_slice(storage)?[start..end])),
        _ => Ok(read(&tensor.flatten_all()?.to_vec1()?)),
    }
}

/// Calls `update` with the values of `target`, to be changed in place, and of `source`: CPU tensors of type `T`.
pub(crate) fn update<T: Real>(target: &Tensor, source: &Tensor, update: &mut Update<'_, T>) -> Result<()> {
    Ok(target.inplace_op2(&source.contiguous()?, &InPlace(RefCell::new(update)))?)
}

/// What is done to a target's values with a source's.
type Update<'a, T> = dyn FnMut(&mut [T], &[T]) + 'a;

struct InPlace<'a, T>(RefCell<&'a mut Update<'a, T>>);

impl<T: Real> InplaceOp2 for InPlace<'_, T> {
    fn name(&self) -> &'static str {
        "update in place"
    }

    fn cpu_fwd(
        &self,
        target: &mut CpuStorage,
        target_layout: &Layout,
        source: &CpuStorage,
        source_layout: &Layout,
    ) -> candle_core::Result<()> {
        let source = T::cpu_storage_as_slice(source)?;
        let offsets = (target_layout.contiguous_offsets(), source_layout.contiguous_offsets());
        match (T::storage_mut(target), offsets) {
            (Some(target), (Some((start, end)), Some((source_start, source_end)))) => {
                (self.0.borrow_mut())(&mut target[start..end], &source[source_start..source_end]);
                Ok(())
            }
            _ => bail!("only contiguous {:?} tensors are updated in place", T::DTYPE),
        }
    }
}

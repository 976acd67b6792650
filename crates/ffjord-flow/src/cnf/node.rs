//! A solve, or an evaluation of the field, as one node of candle's autograd graph.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Result, Shape, Storage, Tensor};
use std::sync::{Mutex, PoisonError};

/// Gradients with respect to the state, the flat parameters and, if there is one, the end time.
pub(super) type NodeGradient = (Tensor, Tensor, Option<Tensor>);

type Pullback = Box<dyn FnOnce(&Tensor) -> Result<NodeGradient> + Send>;

/// An operation of three arguments (state, flat parameters, end time) whose value is already known and whose reverse
/// mode is a closure.
///
/// candle's custom operations see only storages on the way forward; the solve needs tensors, so it is done before the
/// node is made, and the node hands out a copy of its result.
pub(super) struct SolveNode {
    value: Tensor,
    pullback: Mutex<Option<Pullback>>,
}

impl SolveNode {
    /// A node with this value and reverse mode.
    pub(super) fn new(value: Tensor, pullback: impl FnOnce(&Tensor) -> Result<NodeGradient> + Send + 'static) -> Self {
        Self {
            value,
            pullback: Mutex::new(Some(Box::new(pullback))),
        }
    }

    fn missing<T>(&self, device: &str) -> Result<T> {
        candle_core::bail!("the solve's result is not a contiguous tensor on {device}")
    }
}

impl CustomOp3 for SolveNode {
    fn name(&self) -> &'static str {
        "continuous-flow"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let value = self.value.contiguous()?;
        let (storage, layout) = value.storage_and_layout();
        match (&*storage, layout.contiguous_offsets()) {
            (Storage::Cpu(CpuStorage::F32(data)), Some((start, end))) => {
                Ok((CpuStorage::F32(data[start..end].to_vec()), value.shape().clone()))
            }
            (Storage::Cpu(CpuStorage::F64(data)), Some((start, end))) => {
                Ok((CpuStorage::F64(data[start..end].to_vec()), value.shape().clone()))
            }
            _ => self.missing("the CPU"),
        }
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let value = self.value.copy()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Cuda(storage) => Ok((storage.try_clone(layout)?, value.shape().clone())),
            _ => self.missing("CUDA"),
        }
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        let value = self.value.copy()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Metal(storage) => Ok((storage.try_clone(layout)?, value.shape().clone())),
            _ => self.missing("Metal"),
        }
    }

    fn bwd(
        &self,
        _state: &Tensor,
        _parameters: &Tensor,
        _end_time: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let pullback = self.pullback.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(pullback) = pullback else {
            candle_core::bail!("the gradient of a solve can be taken once: run the pass again for another")
        };
        let (state, parameters, end_time) = pullback(gradient)?;
        Ok((Some(state), Some(parameters), end_time))
    }
}

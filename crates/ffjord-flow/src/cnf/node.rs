//! A solve, or an evaluation of the field, as one node of candle's autograd graph.

use crate::backend::{Gradients, Pullback};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp3, Layout, MetalStorage, Result, Shape, Storage, Tensor};
use std::sync::{Mutex, PoisonError};

/// Gradients with respect to the state, to the flat parameters and conditions, and to the end time if there is one.
type NodeGradient = (Tensor, Tensor, Option<Tensor>);

type Reverse = Box<dyn FnOnce(&Tensor) -> Result<NodeGradient> + Send>;

/// An operation of three arguments (state; parameters and conditions, flat; end time) whose value is already known and
/// whose reverse mode is that of a backend.
///
/// candle's custom operations see only storages on the way forward; the solve needs tensors, so it is done before the
/// node is made, and the node hands out a copy of its result.
pub(super) struct SolveNode {
    value: Tensor,
    reverse: Mutex<Option<Reverse>>,
}

impl SolveNode {
    /// A node with this value, made of a state of `shape`; `end_time` finds the gradient of the end time.
    pub(super) fn new(
        value: Tensor,
        shape: Vec<usize>,
        pullback: Box<dyn Pullback>,
        end_time: impl FnOnce(&Gradients) -> Option<f64> + Send + 'static,
    ) -> Self {
        let reverse = move |cotangent: &Tensor| {
            let gradients = pullback.pull_back(cotangent).map_err(candle_core::Error::wrap)?;
            let of_time = match end_time(&gradients) {
                Some(number) => Some(Tensor::new(number, cotangent.device())?.to_dtype(cotangent.dtype())?),
                None => None,
            };
            let flat = match &gradients.given {
                Some(given) => Tensor::cat(&[&gradients.parameters, &given.flatten_all()?], 0)?,
                None => gradients.parameters.clone(),
            };
            let elements: usize = shape.iter().skip(1).product();
            let state = gradients.state.flatten_from(1)?.narrow(1, 0, elements)?;
            Ok((state.contiguous()?.reshape(shape)?, flat, of_time))
        };
        Self {
            value,
            reverse: Mutex::new(Some(Box::new(reverse))),
        }
    }

    /// A node whose gradient is refused: candle would leave out what an evaluation depends on without a word.
    pub(super) fn without_gradient(value: Tensor) -> Self {
        let refuse = |_: &Tensor| {
            candle_core::bail!(
                "an evaluation or sampling pass has no gradient: use `Pass::training`, or `detach` its result where no \
                 gradient is wanted"
            )
        };
        Self {
            value,
            reverse: Mutex::new(Some(Box::new(refuse))),
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
        let reverse = self.reverse.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(reverse) = reverse else {
            candle_core::bail!("the gradient of a solve can be taken once: run the pass again for another")
        };
        let (state, parameters, end_time) = reverse(gradient)?;
        Ok((Some(state), Some(parameters), end_time))
    }
}

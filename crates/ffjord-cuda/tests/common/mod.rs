//! A field whose layers differ.

use candle_core::{DType, Device, Tensor};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{ActivationKind, LayerKind};
use ffjord_nn::{Dual, FieldKernel, NnError, Parameter, VectorField};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A dense network with a layer type of its own for every layer, which has a kernel alone.
#[derive(Debug)]
pub struct Mixed {
    architecture: MlpArchitecture,
    numbers: Vec<f64>,
    dtype: DType,
    shape: [usize; 1],
    pub minus_state: bool,
}

impl Mixed {
    pub fn new(dimensions: &[usize], kinds: &[LayerKind], activation: ActivationKind, dtype: DType) -> Self {
        let architecture = MlpArchitecture::with_kinds(dimensions, kinds, activation).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let scale = 1.6 / (*dimensions.iter().max().unwrap() as f64).sqrt();
        let numbers = (0..architecture.parameter_count())
            .map(|_| rng.random_range(-scale..scale))
            .collect();
        Self {
            shape: [architecture.outputs()],
            architecture,
            numbers,
            dtype,
            minus_state: false,
        }
    }
}

impl VectorField for Mixed {
    fn parameters(&self) -> &[Parameter] {
        &[]
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }

    fn state_shape(&self) -> &[usize] {
        &self.shape
    }

    fn given_len(&self) -> usize {
        self.architecture.inputs() - self.architecture.outputs()
    }

    fn dual(&self, _: &Tensor, _: &Dual, _: Option<&Tensor>) -> Result<Dual, NnError> {
        Err(NnError::Unsupported {
            what: "tensors",
            remedy: "take its kernel",
        })
    }

    fn kernel(&self) -> Result<Option<FieldKernel>, NnError> {
        let (level, shape) = (SimdLevel::detect(), self.architecture.clone());
        let kernel = match self.dtype {
            DType::F32 => {
                let numbers: Vec<f32> = self.numbers.iter().map(|&number| number as f32).collect();
                FieldKernel::F32(Arc::new(MlpKernel::new(level, shape, &numbers)?))
            }
            _ => FieldKernel::F64(Arc::new(MlpKernel::new(level, shape, &self.numbers)?)),
        };
        Ok(Some(if self.minus_state { kernel.minus_state() } else { kernel }))
    }
}

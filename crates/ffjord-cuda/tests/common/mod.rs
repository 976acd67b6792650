//! Fields whose layers differ, and solves of them on two backends.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Backend, CpuBackend, Gradients, PathIntegral, Problem, SolveSettings, TraceForm, TraceMode, TraceOf};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{ActivationKind, LayerKind};
use ffjord_nn::{Dual, FieldKernel, NnError, Parameter, VectorField};
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
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

/// A solve to compare.
pub struct Case {
    pub field: Arc<dyn VectorField>,
    pub rows: usize,
    pub settings: SolveSettings,
    pub integrals: Vec<PathIntegral>,
    pub span: (f64, f64),
}

/// The result of a solve and its gradients, in double precision.
#[derive(Debug)]
pub struct Outcome {
    pub evaluations: f64,
    pub accepted: f64,
    pub parts: Vec<(&'static str, Vec<f64>)>,
}

impl Case {
    pub fn new(field: impl VectorField + 'static, rows: usize, settings: SolveSettings) -> Self {
        Self {
            field: Arc::new(field),
            rows,
            settings,
            integrals: Vec::new(),
            span: (0.0, 0.8),
        }
    }

    /// The solve and its gradients on a backend, which depend on the seed alone.
    pub fn run(&self, backend: &dyn Backend) -> Result<Outcome, ffjord_flow::FlowError> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let (state, dtype) = (self.field.state_shape()[0], self.field.dtype());
        let mut random = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            let numbers: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)
        };
        let z = random(&[self.rows, state])?;
        let width = self.field.given_len();
        let given = random(&[self.rows, width.max(1)])?;
        let given = (width > 0).then_some(&given);
        let trace = match &self.settings.trace {
            TraceMode::Exact => {
                let unit = Tensor::eye(state, dtype, &Device::Cpu)?.unsqueeze(1)?;
                Some(unit.broadcast_as((state, self.rows, state))?.contiguous()?)
            }
            TraceMode::Hutchinson { probes: 0, .. } => None,
            TraceMode::Hutchinson { probes, .. } => Some(random(&[*probes, self.rows, state])?),
            other => panic!("{other:?}"),
        };
        let weight = match self.settings.trace {
            TraceMode::Exact => 1.0,
            _ => trace.as_ref().map_or(1.0, |trace| 1.0 / trace.dims()[0] as f64),
        };
        let of = TraceOf::Jacobian;
        let problem = Problem {
            field: &self.field,
            state: &z,
            given,
            span: self.span,
            settings: &self.settings,
            trace: trace.map(|vectors| TraceForm { vectors, weight, of }),
            integrals: &self.integrals,
        };
        let adjoint = AdjointMethod::Checkpointed(Checkpointed::new());
        let solved = backend.solve(&problem, Some(&adjoint))?;
        let cotangent = random(solved.state.dims())?;
        let gradients = solved.pullback.unwrap().pull_back(&cotangent)?;
        Ok(Outcome {
            evaluations: solved.statistics.evaluations,
            accepted: solved.statistics.accepted,
            parts: parts(&solved.state, &gradients, state)?,
        })
    }

    /// The same by the CPU's kernels.
    pub fn expected(&self) -> Outcome {
        self.run(&CpuBackend::default()).unwrap()
    }
}

fn parts(
    state: &Tensor,
    gradients: &Gradients,
    dimension: usize,
) -> Result<Vec<(&'static str, Vec<f64>)>, candle_core::Error> {
    let flat = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
    let mut parts = vec![
        ("state", flat(state)?),
        ("gradient of the state", flat(&gradients.state.narrow(1, 0, dimension)?)?),
        ("gradient of the parameters", flat(&gradients.parameters)?),
        ("gradient of time", vec![gradients.span.0, gradients.span.1]),
    ];
    if let Some(given) = &gradients.given {
        parts.push(("gradient of what is given", flat(given)?));
    }
    Ok(parts)
}

impl Outcome {
    /// The largest difference of any part, relative to that part's largest number.
    pub fn difference(&self, expected: &Self) -> (f64, &'static str) {
        assert_eq!(self.parts.len(), expected.parts.len());
        let of_part = |((name, ours), (_, theirs)): (&(&'static str, Vec<f64>), &(&'static str, Vec<f64>))| {
            assert_eq!(ours.len(), theirs.len(), "{name}");
            let size = theirs.iter().fold(1e-3, |size: f64, number| size.max(number.abs()));
            let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / size);
            // A NaN is the largest difference.
            let worst = differences.fold(0.0, |worst: f64, d| if d <= worst { worst } else { d });
            (worst, *name)
        };
        let parts = self.parts.iter().zip(&expected.parts).map(of_part);
        parts.fold((0.0, ""), |worst, part| if part.0 <= worst.0 { worst } else { part })
    }
}

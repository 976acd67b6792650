//! Small flows with weights large enough that mistakes show.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Cnf, CnfSettings, PathIntegral, SolveSettings, TensorBackend, TraceMode};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Residual, VectorField};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{Method, Solver, Tolerance};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::error::Error;
use std::sync::Arc;

pub type TestResult = Result<(), Box<dyn Error>>;

pub fn rng(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn uniform(seed: u64, shape: &[usize]) -> Result<Tensor, Box<dyn Error>> {
    let mut rng = rng(seed);
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
}

/// Who evaluates the field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// Its compiled kernel.
    Kernels,
    /// Its tensor operations.
    Tensors,
}

impl Path {
    pub fn on(self, cnf: Cnf) -> Cnf {
        match self {
            Self::Kernels => cnf,
            Self::Tensors => cnf.with_backend(Arc::new(TensorBackend)),
        }
    }
}

pub fn settings(tolerance: f64, trace: TraceMode) -> Result<CnfSettings, Box<dyn Error>> {
    let solve = SolveSettings {
        solver: Solver::new(Method::Dopri5).adaptive(Tolerance::new(tolerance, tolerance)?),
        trace,
        block_rows: 4,
    };
    Ok(CnfSettings {
        end_time: 0.8,
        learn_end_time: true,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: vec![PathIntegral::Kinetic, PathIntegral::Jacobian],
    })
}

/// An encoder–decoder field with a middle of width 2 on rows of 3 numbers.
pub fn narrow_field() -> Result<Arc<dyn VectorField>, Box<dyn Error>> {
    Ok(Arc::new(network(vec![5, 2, 4])?))
}

/// A field with one hidden layer, whose trace has a closed form.
pub fn shallow_field(residual: bool) -> Result<Arc<dyn VectorField>, Box<dyn Error>> {
    maybe_residual(network(vec![7])?, residual)
}

pub fn field(residual: bool) -> Result<Arc<dyn VectorField>, Box<dyn Error>> {
    maybe_residual(network(vec![8, 6])?, residual)
}

fn maybe_residual(field: Mlp, residual: bool) -> Result<Arc<dyn VectorField>, Box<dyn Error>> {
    Ok(if residual {
        Arc::new(Residual::new(field))
    } else {
        Arc::new(field)
    })
}

fn network(hidden: Vec<usize>) -> Result<Mlp, Box<dyn Error>> {
    let config = MlpConfig {
        dimension: 3,
        given: 0,
        hidden,
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    for (index, parameter) in field.parameters().iter().enumerate() {
        parameter.var.set(&uniform(100 + index as u64, parameter.var.dims())?)?;
    }
    Ok(field)
}

pub fn cnf(settings: CnfSettings) -> Result<Cnf, Box<dyn Error>> {
    Ok(Cnf::new(field(false)?, settings)?)
}

pub fn max_abs(tensor: &Tensor) -> Result<f64, Box<dyn Error>> {
    Ok(tensor.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

//! The backends that come with the crate.

use super::blocks::{self, Engine};
use super::kernels::KernelEngine;
use super::memory::Memory;
use super::tensors::TensorEngine;
use super::{Backend, Evaluation, Problem, Solved, velocity};
use crate::error::Result;
use crate::integral::{Needs, PathIntegral};
use crate::solve::{TraceMode, TraceOf};
use ffjord_kernels::{Real, SharedKernel};
use ffjord_nn::FieldKernel;
use ffjord_ode::adjoint::AdjointMethod;
use std::sync::Arc;

/// A field by its own tensor operations, on any device of candle.
///
/// ```
/// # use candle_core::{DType, Device, Tensor};
/// # use ffjord_nn::{Dual, NnError, Parameter, VectorField};
/// # use std::sync::Arc;
/// # #[derive(Debug)]
/// # struct Linear { parameters: [Parameter; 1] }
/// # impl VectorField for Linear {
/// #     fn parameters(&self) -> &[Parameter] { &self.parameters }
/// #     fn dtype(&self) -> DType { DType::F64 }
/// #     fn device(&self) -> &Device { &Device::Cpu }
/// #     fn state_shape(&self) -> &[usize] { &[2] }
/// #     fn dual(&self, _t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual, NnError> {
/// #         z.scale(self.parameters[0].var.as_tensor())
/// #     }
/// # }
/// # let theta = Parameter::constant("theta", 1, 0.5, DType::F64, &Device::Cpu)?;
/// # let field: Arc<dyn VectorField> = Arc::new(Linear { parameters: [theta] });
/// use ffjord_flow::{Bijection, Cnf, CnfSettings, Pass, SolveSettings, TensorBackend};
/// # use rand::SeedableRng;
/// # let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// // dz/dt = z/2 up to T = 1.
/// let settings = CnfSettings { end_time: 1.0, evaluation: SolveSettings::adaptive(1e-9)?, ..CnfSettings::default() };
/// let cnf = Cnf::new(field, settings)?.with_backend(Arc::new(TensorBackend));
/// let z = cnf.forward(&Tensor::new(&[[1.0, -2.0]], &Device::Cpu)?, &mut Pass::evaluation(&mut rng))?;
/// assert!((z.value.to_vec2::<f64>()?[0][1] + 2.0 * 0.5_f64.exp()).abs() < 1e-7);
/// assert!((z.log_det()?.to_vec1::<f64>()?[0] - 1.0).abs() < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct TensorBackend;

impl Backend for TensorBackend {
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
        let field = problem.field.clone();
        carry_out(TensorEngine { field }, problem, record)
    }

    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved> {
        let field = evaluation.field.clone();
        velocity::by_tensors(&TensorEngine { field }, evaluation)
    }
}

/// A field by its compiled kernel where it has one ([`VectorField::kernel`](ffjord_nn::VectorField::kernel)), else by its
/// tensor operations; those also serve solves whose integrals need derivatives along the path. A trace at a bottleneck has
/// a kernel of its own ([`VectorField::bottleneck_kernel`](ffjord_nn::VectorField::bottleneck_kernel)), or none.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Cnf, CpuBackend, Pass, TensorBackend};
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// // The kernel and the tensor operations of one network, within rounding.
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let build = || Cnf::builder(2).hidden([8]).dtype(DType::F64).tolerance(1e-8).build();
/// let fused = build()?.with_backend(Arc::new(CpuBackend::default()));
/// let by_tensors = build()?.with_backend(Arc::new(TensorBackend));
/// let x = Tensor::new(&[[0.3, -0.7], [1.2, 0.1]], &Device::Cpu)?;
/// let a = fused.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// let b = by_tensors.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// assert!((a - b)?.abs()?.max_all()?.to_scalar::<f64>()? < 1e-7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct CpuBackend {
    /// Tapes and workspaces between solves.
    memory: Arc<Memory>,
}

impl CpuBackend {
    fn engine<T: Real>(&self, kernel: SharedKernel<T>, exact: bool) -> KernelEngine<T> {
        KernelEngine {
            kernel,
            memory: self.memory.clone(),
            exact,
        }
    }
}

/// Solves with or without a record.
fn carry_out<E: Engine>(engine: E, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
    match record {
        None => blocks::solve(&engine, problem),
        Some(adjoint) => blocks::record(Arc::new(engine), problem, adjoint),
    }
}

impl Backend for CpuBackend {
    fn solve(&self, problem: &Problem<'_>, record: Option<&AdjointMethod>) -> Result<Solved> {
        let along = |integral: &PathIntegral| matches!(integral.needs(), Needs::Along(_));
        if problem.integrals.iter().any(along) {
            return TensorBackend.solve(problem, record);
        }
        let exact = matches!(problem.settings.trace, TraceMode::Exact);
        let kernel = match problem.trace.as_ref().map(|trace| trace.of) {
            None | Some(TraceOf::Jacobian) => problem.field.kernel()?,
            Some(TraceOf::Bottleneck) => problem.field.bottleneck_kernel()?,
        };
        match kernel {
            Some(FieldKernel::F32(kernel)) => carry_out(self.engine(kernel, exact), problem, record),
            Some(FieldKernel::F64(kernel)) => carry_out(self.engine(kernel, exact), problem, record),
            _ => TensorBackend.solve(problem, record),
        }
    }

    fn velocity(&self, evaluation: &Evaluation<'_>) -> Result<Solved> {
        match evaluation.field.kernel()? {
            Some(FieldKernel::F32(kernel)) => velocity::by_kernel(&self.engine(kernel, false), evaluation),
            Some(FieldKernel::F64(kernel)) => velocity::by_kernel(&self.engine(kernel, false), evaluation),
            _ => TensorBackend.velocity(evaluation),
        }
    }
}

//! Which flows the kernels have.

use crate::error::CudaError;
use crate::names::{activation_of, integral_of};
use crate::program::{MAX_STATE, MAX_WIDTH};
use ffjord_flow::{CnfSettings, FlowError, PathIntegral, TraceMode, TraceOf};
use ffjord_kernels::mlp::DenseNetwork;
use ffjord_nn::{FieldKernel, VectorField};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_ode::{ErrorNorm, Solver, StepControl, Tableau};

fn unsupported<T>(what: impl Into<String>, accepted: &'static str) -> Result<T, CudaError> {
    let what = what.into();
    Err(CudaError::Unsupported { what, accepted })
}

/// Fails unless a flow along this field with these settings can be solved on a card, in training and evaluation.
///
/// What [`CudaBackend`](crate::CudaBackend) refuses at its first solve, said when the flow is made.
///
/// # Errors
/// [`CudaError::Unsupported`] says what, and what is possible.
///
/// ```
/// use ffjord_cuda::check_support;
/// use ffjord_flow::Cnf;
///
/// let narrow = Cnf::builder(2).hidden([64, 64]).build()?;
/// check_support(narrow.field(), narrow.settings())?;
/// let wide = Cnf::builder(2).hidden([860, 860]).build()?;
/// let message = check_support(wide.field(), wide.settings()).unwrap_err().to_string();
/// assert!(message.contains("860") && message.contains("128"), "{message}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_support(field: &dyn VectorField, settings: &CnfSettings) -> Result<(), CudaError> {
    let kernel = field.kernel().map_err(|error| CudaError::Unsupported {
        what: format!("a field whose weights cannot be read ({error})"),
        accepted: "another field",
    })?;
    match &kernel {
        Some(FieldKernel::F32(kernel)) => check_network(kernel.dense().as_ref())?,
        Some(FieldKernel::F64(kernel)) => check_network(kernel.dense().as_ref())?,
        _ => check_network::<f32>(None)?,
    }
    for solve in [&settings.training, &settings.evaluation] {
        check_solver(&solve.solver)?;
        let at_bottleneck = matches!(
            solve.trace,
            TraceMode::BottleneckExact | TraceMode::Bottleneck { .. } | TraceMode::BottleneckOwn(_)
        );
        if at_bottleneck {
            check_trace(TraceOf::Bottleneck)?;
        }
    }
    check_adjoint(&settings.adjoint)?;
    check_integrals(&settings.integrals)
}

/// Fails unless a kernel can be made for this network.
pub(crate) fn check_network<T>(network: Option<&DenseNetwork<'_, T>>) -> Result<(), CudaError> {
    let Some(network) = network else {
        return unsupported(
            "a field that is no plain dense network",
            "a dense network, also conditional or residual",
        );
    };
    let architecture = network.architecture();
    let widest = architecture.dimensions().iter().copied().max().unwrap_or(0);
    if architecture.outputs() > MAX_STATE || widest > MAX_WIDTH {
        return unsupported(
            format!("a state of {} numbers with layers of {widest}", architecture.outputs()),
            "a state of up to 64 numbers with layers of up to 128",
        );
    }
    if activation_of(architecture.activation()).is_none() {
        return unsupported(
            format!("the nonlinearity {}", architecture.activation()),
            "tanh, relu, softplus, elu, swish, square or identity",
        );
    }
    if network.states_subtracted() > 1 {
        return unsupported(
            format!("a field minus {} times its state", network.states_subtracted()),
            "a field minus its state",
        );
    }
    Ok(())
}

/// The tableau of a solver that a kernel can be made for.
pub(crate) fn check_solver(solver: &Solver) -> Result<&'static Tableau, CudaError> {
    let method = solver.method();
    let Some(tableau) = method.tableau() else {
        return unsupported(
            format!("the method {}", method.name()),
            "an explicit Runge-Kutta method",
        );
    };
    match solver.control() {
        StepControl::Adaptive(adaptive) if adaptive.measure.norm != ErrorNorm::Rms => {
            return unsupported("an error norm by the largest component", "the root mean square");
        }
        StepControl::Adaptive(_) | StepControl::Constant(_) => {}
        _ => return unsupported("a step control of your own", "fixed or adaptive steps"),
    }
    let limits = solver.limits();
    if !limits.jump_at.is_empty() || !limits.stop_at.is_empty() {
        return unsupported("a solve with stops or jumps", "a solve without");
    }
    Ok(tableau)
}

/// Fails unless the gradient is that of the steps taken.
pub(crate) fn check_adjoint(adjoint: &AdjointMethod) -> Result<(), CudaError> {
    match adjoint {
        AdjointMethod::Checkpointed(_) | AdjointMethod::Binomial(_) => Ok(()),
        other => unsupported(
            format!("the {} adjoint", other.name()),
            "the exact gradient of the steps taken (checkpointed)",
        ),
    }
}

/// Fails unless the kernels have all of these integrals.
pub(crate) fn check_integrals(integrals: &[PathIntegral]) -> Result<(), CudaError> {
    match integrals.iter().find(|integral| integral_of(**integral).is_none()) {
        None => Ok(()),
        Some(integral) => unsupported(
            format!("the integral {integral}"),
            "kinetic, jacobian, l1, l2, frobenius, diagonal or off-diagonal",
        ),
    }
}

/// Fails unless the trace is that of the Jacobian.
pub(crate) fn check_trace(of: TraceOf) -> Result<(), CudaError> {
    match of {
        TraceOf::Jacobian => Ok(()),
        TraceOf::Bottleneck => unsupported("a trace at a bottleneck", "one at the state"),
    }
}

impl From<CudaError> for FlowError {
    fn from(error: CudaError) -> Self {
        Self::Own(Box::new(error))
    }
}

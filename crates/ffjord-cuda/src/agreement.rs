//! One solve with all its gradients on two backends: what tests and `gpu-check` compare.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Backend, FlowError, Gradients, PathIntegral, Problem, SolveSettings, TraceForm, TraceMode, TraceOf};
use ffjord_nn::VectorField;
use ffjord_ode::adjoint::{AdjointMethod, Checkpointed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A solve of random rows, whose random numbers depend on nothing else.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_cuda::AgreementCase;
/// use ffjord_flow::{CpuBackend, SolveSettings, TensorBackend};
/// use ffjord_nn::{Mlp, MlpConfig};
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).hidden([8]), &mut rng, DType::F64, &Device::Cpu)?;
/// let case = AgreementCase::new(Arc::new(field), 5, SolveSettings::adaptive(1e-6)?);
/// let (kernels, tensors) = (case.run(&CpuBackend::default())?, case.run(&TensorBackend)?);
/// assert!(kernels.difference(&tensors).relative < 1e-10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct AgreementCase {
    /// The right-hand side.
    pub field: Arc<dyn VectorField>,
    /// Rows of the batch.
    pub rows: usize,
    /// Solver, trace and row blocks; probes are uniform numbers, and none with 0 probes.
    pub settings: SolveSettings,
    /// What is integrated along the way.
    pub integrals: Vec<PathIntegral>,
    /// Start and end of time.
    pub span: (f64, f64),
}

impl AgreementCase {
    /// The solve of so many rows from 0 to 0.8, without integrals.
    pub fn new(field: Arc<dyn VectorField>, rows: usize, settings: SolveSettings) -> Self {
        Self {
            field,
            rows,
            settings,
            integrals: Vec::new(),
            span: (0.0, 0.8),
        }
    }

    /// Solves, and pulls a random cotangent of the result back.
    ///
    /// # Errors
    /// When the solve fails, or the backend kept nothing for gradients.
    pub fn run(&self, backend: &dyn Backend) -> Result<AgreementOutcome, FlowError> {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let dimension: usize = self.field.state_shape().iter().product();
        let dtype = self.field.dtype();
        let mut random = |shape: &[usize]| {
            let count = shape.iter().product::<usize>();
            let numbers: Vec<f64> = (0..count).map(|_| rng.random_range(-1.0..1.0)).collect();
            Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)
        };
        let z = random(&[self.rows, dimension])?;
        let width = self.field.given_len();
        let given = match width {
            0 => None,
            width => Some(random(&[self.rows, width])?),
        };
        let trace = match self.probes() {
            None => {
                let unit = Tensor::eye(dimension, dtype, &Device::Cpu)?.unsqueeze(1)?;
                let vectors = unit.broadcast_as((dimension, self.rows, dimension))?.contiguous()?;
                Some((vectors, 1.0))
            }
            Some(0) => None,
            Some(probes) => Some((random(&[probes, self.rows, dimension])?, 1.0 / probes as f64)),
        };
        let of = TraceOf::Jacobian;
        let problem = Problem {
            field: &self.field,
            state: &z,
            given: given.as_ref(),
            span: self.span,
            settings: &self.settings,
            trace: trace.map(|(vectors, weight)| TraceForm { vectors, weight, of }),
            integrals: &self.integrals,
        };
        let adjoint = AdjointMethod::Checkpointed(Checkpointed::new());
        let solved = backend.solve(&problem, Some(&adjoint))?;
        let cotangent = random(solved.state.dims())?;
        let pullback = solved.pullback.ok_or(FlowError::NoGradient)?;
        let gradients = pullback.pull_back(&cotangent)?;
        Ok(AgreementOutcome {
            evaluations: solved.statistics.evaluations,
            accepted: solved.statistics.accepted,
            parts: parts(&solved.state, &gradients, dimension)?,
        })
    }

    /// The number of probes; none for the exact trace.
    fn probes(&self) -> Option<usize> {
        match self.settings.trace {
            TraceMode::Hutchinson { probes, .. } => Some(probes),
            _ => None,
        }
    }
}

/// The result of a solve and its gradients, in double precision.
#[derive(Debug, Clone, PartialEq)]
pub struct AgreementOutcome {
    /// Evaluations of the forward solve, as [`Statistics`](ffjord_flow::Statistics) has them.
    pub evaluations: f64,
    /// Accepted steps.
    pub accepted: f64,
    /// Every part by its name.
    pub parts: Vec<(&'static str, Vec<f64>)>,
}

/// How far two outcomes lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The largest difference of a part, relative to that part's largest number; infinite where a part is not a number or
    /// has another length.
    pub relative: f64,
    /// The part.
    pub part: &'static str,
}

impl AgreementOutcome {
    /// How far this lies from what is expected.
    #[must_use]
    pub fn difference(&self, expected: &Self) -> Difference {
        let none = Difference {
            relative: if self.parts.len() == expected.parts.len() {
                0.0
            } else {
                f64::INFINITY
            },
            part: "",
        };
        let pairs = self.parts.iter().zip(&expected.parts);
        pairs.fold(none, |worst, ((part, ours), (_, theirs))| {
            let relative = relative_difference(ours, theirs);
            match relative > worst.relative {
                true => Difference { relative, part },
                false => worst,
            }
        })
    }
}

fn relative_difference(ours: &[f64], theirs: &[f64]) -> f64 {
    if ours.len() != theirs.len() {
        return f64::INFINITY;
    }
    // A part that is nearly zero is compared with a thousandth.
    let size = theirs.iter().fold(1e-3, |size: f64, number| size.max(number.abs()));
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / size);
    differences.fold(0.0, |worst: f64, difference| match difference.is_nan() {
        true => f64::INFINITY,
        false => worst.max(difference),
    })
}

fn parts(
    state: &Tensor,
    gradients: &Gradients,
    dimension: usize,
) -> candle_core::Result<Vec<(&'static str, Vec<f64>)>> {
    let flat = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
    let mut parts = vec![
        ("state", flat(state)?),
        (
            "gradient of the state",
            flat(&gradients.state.narrow(1, 0, dimension)?)?,
        ),
        ("gradient of the parameters", flat(&gradients.parameters)?),
        ("gradient of time", vec![gradients.span.0, gradients.span.1]),
    ];
    if let Some(given) = &gradients.given {
        parts.push(("gradient of what is given", flat(given)?));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_its_part_and_no_number_is_the_largest() {
        let outcome = |second: f64| AgreementOutcome {
            evaluations: 4.0,
            accepted: 1.0,
            parts: vec![("a", vec![1.0]), ("b", vec![2.0, second])],
        };
        let difference = outcome(1.0).difference(&outcome(1.5));
        assert_eq!((difference.relative, difference.part), (0.25, "b"));
        assert_eq!(outcome(f64::NAN).difference(&outcome(1.0)).relative, f64::INFINITY);
        assert_eq!(outcome(1.0).difference(&outcome(1.0)).relative, 0.0);
    }
}

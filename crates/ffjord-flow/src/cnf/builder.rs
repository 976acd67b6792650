//! A continuous flow in a few words.

use super::Cnf;
use crate::config::SolverConfig;
use crate::error::Result;
use crate::integral::PathIntegral;
use crate::solve::{CnfSettings, SolveSettings, TraceMode};
use candle_core::{DType, Device};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Residual, VectorField};
use ffjord_ode::adjoint::AdjointMethod;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Builds a [`Cnf`] with a network of dense layers; made by [`Cnf::builder`].
///
/// ```
/// use ffjord_flow::{Bijection, Cnf};
///
/// let cnf = Cnf::builder(3).given(2).hidden([32, 32]).tolerance(1e-4).seed(7).build()?;
/// assert_eq!((cnf.input_shape(), cnf.given_len()), (&[3][..], 2));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
///
/// Solver, trace, end time and what is integrated along the way:
///
/// ```
/// use candle_core::DType;
/// use ffjord_flow::{Bijection, Cnf, PathIntegral, SolveSettings, TraceMode};
/// use ffjord_nn::{ActivationKind, LayerKind};
/// use ffjord_ode::{Method, Solver, adjoint::{AdjointMethod, Backsolve}};
/// use ffjord_trace::ProbeDistribution;
///
/// let trace = TraceMode::Hutchinson { distribution: ProbeDistribution::Rademacher, probes: 1 };
/// let cnf = Cnf::builder(3)
///     .layer(LayerKind::Concat)
///     .activation(ActivationKind::Softplus)
///     .dtype(DType::F64)
///     .fixed_end_time(2.0)
///     .training(SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(8)))
///     .evaluation(SolveSettings::adaptive(1e-6)?)
///     .training_trace(trace)
///     .adjoint(AdjointMethod::Backsolve(Backsolve::new()))
///     .integrals([PathIntegral::Kinetic])
///     .build()?;
/// assert!((cnf.end_time()? - 2.0).abs() < 1e-12 && !cnf.settings().learn_end_time);
/// assert_eq!(cnf.settings().training.solver.method(), Method::Rk4);
/// assert_eq!(cnf.settings().integrals, [PathIntegral::Kinetic]);
/// assert_eq!(cnf.parameters()[0].var.dtype(), DType::F64);
/// // A number that makes no sense is refused when the flow is built.
/// assert!(Cnf::builder(3).tolerance(-1.0).build().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct CnfBuilder {
    network: MlpConfig,
    residual: bool,
    seed: u64,
    dtype: DType,
    device: Device,
    settings: CnfSettings,
    tolerance: Option<f64>,
}

impl CnfBuilder {
    pub(super) fn new(dimension: usize) -> Self {
        Self {
            network: MlpConfig::new(dimension),
            residual: false,
            seed: 0,
            dtype: DType::F32,
            device: Device::Cpu,
            settings: CnfSettings::default(),
            tolerance: None,
        }
    }

    /// Hidden layers of these widths; two of 64 unless set.
    #[must_use]
    pub fn hidden(mut self, widths: impl Into<Vec<usize>>) -> Self {
        self.network = self.network.hidden(widths);
        self
    }

    /// How layers depend on time; `concatsquash` unless set.
    #[must_use]
    pub fn layer(mut self, layer: LayerKind) -> Self {
        self.network = self.network.layer(layer);
        self
    }

    /// The nonlinearity; tanh unless set.
    #[must_use]
    pub fn activation(mut self, activation: ActivationKind) -> Self {
        self.network = self.network.activation(activation);
        self
    }

    /// A condition of this many columns: the flow is of p(x | c).
    #[must_use]
    pub fn given(mut self, columns: usize) -> Self {
        self.network = self.network.given(columns);
        self
    }

    /// The network minus its state as the field.
    #[must_use]
    pub fn residual(mut self) -> Self {
        self.residual = true;
        self
    }

    /// Where the weights at the start come from; 0 unless set.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The floating-point type; `F32` unless set.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.dtype = dtype;
        self
    }

    /// The device; the CPU unless set.
    #[must_use]
    pub fn device(mut self, device: &Device) -> Self {
        self.device = device.clone();
        self
    }

    /// The end time T at the start, which is trained.
    #[must_use]
    pub fn end_time(mut self, end_time: f64) -> Self {
        self.settings.end_time = end_time;
        self
    }

    /// An end time that is not trained.
    #[must_use]
    pub fn fixed_end_time(mut self, end_time: f64) -> Self {
        (self.settings.end_time, self.settings.learn_end_time) = (end_time, false);
        self
    }

    /// The trace of training passes; the exact one unless set.
    #[must_use]
    pub fn training_trace(mut self, trace: TraceMode) -> Self {
        self.settings.training.trace = trace;
        self
    }

    /// Relative and absolute tolerance of every solve; 1e-5 unless set.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// How training passes are solved.
    #[must_use]
    pub fn training(mut self, solve: SolveSettings) -> Self {
        self.settings.training = solve;
        self
    }

    /// How evaluation and sampling passes are solved.
    #[must_use]
    pub fn evaluation(mut self, solve: SolveSettings) -> Self {
        self.settings.evaluation = solve;
        self
    }

    /// Method, steps, trace and adjoint as a configuration has them.
    ///
    /// ```
    /// use ffjord_flow::{Cnf, config::SolverConfig};
    /// let solver: SolverConfig = serde_json::from_str(r#"{"train": {"method": "tsit5"}, "adjoint": "backsolve"}"#)?;
    /// let cnf = Cnf::builder(2).solver(&solver)?.build()?;
    /// assert_eq!(cnf.settings().training.solver.method().name(), "tsit5");
    /// assert_eq!(cnf.settings().adjoint.name(), "backsolve");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::Config`](crate::FlowError::Config) names the key of the first setting that cannot be used.
    pub fn solver(mut self, solver: &SolverConfig) -> Result<Self> {
        let CnfSettings {
            training,
            evaluation,
            adjoint,
            ..
        } = solver.build(1)?;
        (self.settings.training, self.settings.evaluation) = (training, evaluation);
        self.settings.adjoint = adjoint;
        Ok(self)
    }

    /// How gradients of training passes are computed; those of [`CnfSettings::default`] unless set.
    #[must_use]
    pub fn adjoint(mut self, adjoint: AdjointMethod) -> Self {
        self.settings.adjoint = adjoint;
        self
    }

    /// Path integrals that training passes compute; none unless set.
    #[must_use]
    pub fn integrals(mut self, integrals: impl Into<Vec<PathIntegral>>) -> Self {
        self.settings.integrals = integrals.into();
        self
    }

    /// The flow.
    ///
    /// # Errors
    /// When a setting is outside its range or the network cannot be built.
    pub fn build(self) -> Result<Cnf> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let network = Mlp::new(&self.network, &mut rng, self.dtype, &self.device)?;
        let field: Arc<dyn VectorField> = match self.residual {
            true => Arc::new(Residual::new(network)),
            false => Arc::new(network),
        };
        let mut settings = self.settings;
        if let Some(tolerance) = self.tolerance {
            settings.training = settings.training.tolerance(tolerance)?;
            settings.evaluation = settings.evaluation.tolerance(tolerance)?;
        }
        Cnf::new(field, settings)
    }
}

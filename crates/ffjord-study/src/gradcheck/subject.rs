//! A double-precision copy of a run's model whose loss on one batch is differentiated.

use super::direction::{Direction, Kind};
use crate::error::Result;
use candle_core::{DType, Tensor, Var};
use ffjord_flow::{Bijection, Pass, SolveCost};
use ffjord_ode::Method;
use ffjord_run::config::{AdjointKind, RunConfig, StepConfig};
use ffjord_run::{Model, Part, RunFolder};
use ffjord_train::{Batch, MaximumLikelihood, Objective, Purpose, Streams};

/// Half-width of a difference along a unit vector: small enough for its error of fourth order where a network turns
/// sharply, and large enough for that of rounding.
const STEP: f64 = 5e-4;

/// The model with one solver and one adjoint.
pub(super) struct Subject {
    model: Model,
    rows: Var,
    given: Option<Tensor>,
    objective: MaximumLikelihood,
    streams: Streams,
    /// What a training pass moves, as it was.
    buffers: Vec<(Var, Tensor)>,
}

impl Subject {
    /// The run's model on a batch, trained by `method` with `control` and differentiated by `adjoint`.
    pub(super) fn new(
        folder: &RunFolder,
        config: &RunConfig,
        batch: &Batch,
        (method, control): (Method, StepConfig),
        adjoint: AdjointKind,
    ) -> Result<Self> {
        let mut config = config.clone();
        config.solver.train.method = method;
        config.solver.train.control = control;
        config.solver.adjoint = adjoint;
        let model = folder.model_under(&config)?;
        model.require_solves("gradcheck")?;
        let buffers = model.flow.bijection().buffers();
        Ok(Self {
            rows: Var::from_tensor(&batch.x)?,
            given: batch.given.clone(),
            objective: MaximumLikelihood::new(config.regularisation.weights()),
            streams: Streams::new(config.seed),
            buffers: buffers
                .into_iter()
                .map(|buffer| Ok((buffer.var.clone(), buffer.var.as_detached_tensor().copy()?)))
                .collect::<Result<_>>()?,
            model,
        })
    }

    /// The loss, always with the same probes, and what it costs.
    pub(super) fn loss(&self) -> Result<(Tensor, SolveCost)> {
        for (buffer, value) in &self.buffers {
            buffer.set(value)?;
        }
        let mut rng = self.streams.rng(Purpose::Probe, 0, 0);
        let mut pass = Pass::training(&mut rng);
        let batch = Batch::new(self.rows.as_tensor().clone(), self.given.clone())?;
        let loss = self.objective.loss(&self.model.flow, &batch, &mut pass)?;
        Ok((loss.total, pass.cost().clone()))
    }

    /// Directions in the inputs of the loss, the same for every subject of a run.
    pub(super) fn directions(&self) -> Result<Vec<Direction>> {
        let (end_times, weights): (Vec<_>, Vec<_>) = self
            .model
            .flow
            .bijection()
            .parameters()
            .into_iter()
            .partition(|parameter| parameter.name.ends_with("sqrt_end_time"));
        let vars = |kind| -> Vec<Var> {
            match kind {
                Kind::Parameters => weights.iter().map(|parameter| parameter.var.clone()).collect(),
                Kind::State => vec![self.rows.clone()],
                Kind::EndTime => end_times.iter().map(|parameter| parameter.var.clone()).collect(),
            }
        };
        Kind::ALL
            .into_iter()
            .flat_map(|(kind, count)| (0..count).map(move |index| (kind, index as u64)))
            .map(|(kind, index)| Direction::draw(kind, index, &vars(kind), &self.streams))
            .collect()
    }

    /// The derivative of the loss along a direction, by central differences of fourth order.
    pub(super) fn difference(&self, direction: &Direction) -> Result<f64> {
        let at = |steps: f64| -> Result<f64> {
            direction.move_to(steps * STEP)?;
            Ok(self.loss()?.0.to_dtype(DType::F64)?.to_scalar()?)
        };
        let difference = (8.0 * (at(1.0)? - at(-1.0)?) - (at(2.0)? - at(-2.0)?)) / (12.0 * STEP);
        direction.move_to(0.0)?;
        Ok(difference)
    }

    /// The number of continuous blocks, whose costs add up.
    pub(super) fn continuous_parts(&self) -> usize {
        let parts = self.model.parts.iter();
        parts.filter(|part| matches!(part, Part::Continuous(_))).count()
    }
}

//! The objective of a configuration.

use crate::config::{ObjectiveConfig, RunConfig};
use crate::error::{Result, RunError};
use ffjord_flow::{Chain, Flow};
use ffjord_train::{FlowMatching, MaximumLikelihood, NoiseCoupling, Objective};

/// Rows that are matched with noise at a time.
const TRANSPORT_ROWS: usize = 256;

/// What training minimises.
///
/// ```
/// # use ffjord_run::{Model, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let streams = Streams::new(0);
/// # let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::Pass;
/// let objective = ffjord_run::objective(&config)?;
/// let batch = Tensor::new(&[[0.5f32, 1.0], [0.0, -1.0]], &Device::Cpu)?.into();
/// let mut rng = streams.rng(Purpose::Probe, 0, 0);
/// let loss = objective.loss(&model.flow, &batch, &mut Pass::training(&mut rng))?;
/// assert!(loss.total.to_scalar::<f32>()?.is_finite());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the objective cannot be made.
pub fn objective(config: &RunConfig) -> Result<Box<dyn Objective<Flow<Chain>>>> {
    let coupling = match config.objective {
        ObjectiveConfig::MaximumLikelihood => {
            return Ok(Box::new(MaximumLikelihood::new(config.regularisation.weights())));
        }
        ObjectiveConfig::Elbo => return Err(RunError::VariationalAutoencoder { command: "a flow" }),
        ObjectiveConfig::FlowMatching => NoiseCoupling::Independent,
        ObjectiveConfig::OptimalTransportFlowMatching => NoiseCoupling::OptimalTransport { rows: TRANSPORT_ROWS },
    };
    let objective = FlowMatching::new(coupling)?.toward_data(config.training.toward_data)?;
    Ok(Box::new(objective))
}

//! The objective of a configuration.

use crate::config::{ObjectiveConfig, RunConfig};
use crate::error::{Result, RunError};
use ffjord_flow::{Chain, Flow};
use ffjord_train::{FlowMatching, MaximumLikelihood, NoiseCoupling, Objective};

/// Rows that are matched with noise at a time.
const TRANSPORT_ROWS: usize = 256;

/// What training minimises.
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
    Ok(Box::new(FlowMatching::new(coupling)?))
}

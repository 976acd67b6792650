//! Continuous flows some of whose parameters every observation has for itself.

use super::Posterior;
use crate::error::{Result, check_positive};
use crate::layers::Linear;
use candle_core::{DType, Device, Tensor};
use ffjord_flow::{Bijection, Cnf, CnfSettings, Pass, Transformed};
use ffjord_nn::{AmortisedMlp, AmortisedMlpConfig, Parameter, ParameterBuilder, Residual, VectorField};
use rand::RngCore;
use std::sync::Arc;

/// Continuous flows one after another along networks to which a linear map of the features gives what every observation
/// has of them for itself (FFJORD, section 4.2 and eq. 10).
///
/// Those numbers are arguments of the solves and no part of their states, so step control does not see them and no step
/// carries them; their gradient is summed by the adjoint.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{CnfSettings, Pass};
/// use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlpConfig, LayerKind};
/// use ffjord_vae::{AmortisedCnf, Posterior};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let network = AmortisedMlpConfig {
///     dimension: 2,
///     hidden: vec![8],
///     layer: LayerKind::Concat,
///     activation: ActivationKind::Softplus,
///     amortisation: Amortisation::Bias,
/// };
/// let settings = [CnfSettings::default(), CnfSettings::default()];
/// let posterior = AmortisedCnf::new(&network, false, 3, &settings, &mut rng, (DType::F64, &Device::Cpu))?;
/// assert_eq!(posterior.flows().count(), 2);
///
/// // Every observation has biases of its own.
/// let features = Tensor::new(&[[0.1, 0.2, 0.3], [-1.0, 0.0, 1.0]], &Device::Cpu)?;
/// let own = posterior.own_numbers(&features)?;
/// assert_eq!((own.len(), own[0].dims()), (2, &[2, network.given_len()][..]));
/// // The same state goes different ways.
/// let z = Tensor::zeros((2, 2), DType::F64, &Device::Cpu)?;
/// let ends = posterior.transform(&z, &features, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?;
/// assert_ne!(ends[0], ends[1]);
/// assert_eq!(posterior.apply(&z, &own, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?, ends);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct AmortisedCnf {
    blocks: Vec<Block>,
}

#[derive(Debug)]
struct Block {
    own: Linear,
    own_parameters: Vec<Parameter>,
    cnf: Cnf,
}

impl AmortisedCnf {
    /// A flow for each of these settings, along networks of this architecture, minus their state if `residual`; drawn from
    /// `rng`, with PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for no flows, and when the networks or the settings
    /// cannot be used.
    pub fn new(
        network: &AmortisedMlpConfig,
        residual: bool,
        features: usize,
        settings: &[CnfSettings],
        rng: &mut dyn RngCore,
        (dtype, device): (DType, &Device),
    ) -> Result<Self> {
        check_positive("the number of flows", settings.len())?;
        let blocks = settings.iter().enumerate().map(|(index, settings)| {
            let field = AmortisedMlp::new(network, rng, dtype, device)?;
            let field: Arc<dyn VectorField> = match residual {
                true => Arc::new(Residual::new(field)),
                false => Arc::new(field),
            };
            let mut builder = ParameterBuilder::new(rng, dtype, device);
            let own = Linear::new(&format!("q_am.{index}"), features, network.given_len(), &mut builder)?;
            Ok(Block {
                own,
                own_parameters: builder.finish(),
                cnf: Cnf::new(field, settings.clone())?,
            })
        });
        Ok(Self {
            blocks: blocks.collect::<Result<_>>()?,
        })
    }

    /// The flows.
    pub fn flows(&self) -> impl Iterator<Item = &Cnf> {
        self.blocks.iter().map(|block| &block.cnf)
    }

    /// What every observation has of each flow's network for itself, `[B, G]` each.
    ///
    /// # Errors
    /// When the features do not fit.
    pub fn own_numbers(&self, features: &Tensor) -> Result<Vec<Tensor>> {
        self.blocks.iter().map(|block| block.own.apply(features)).collect()
    }

    /// z_k and the log-determinants with these numbers, one `[B, G]` a flow.
    ///
    /// # Errors
    /// When the shapes do not fit together, or a solve fails.
    pub fn apply(&self, z: &Tensor, own: &[Tensor], pass: &mut Pass<'_>) -> Result<Transformed> {
        let log_det = Tensor::zeros(z.dim(0)?, z.dtype(), z.device())?;
        let mut image = Transformed::new(z.clone(), log_det);
        let before = pass.condition().cloned();
        for (block, own) in self.blocks.iter().zip(own) {
            pass.set_given(Some(own.clone()));
            let next = block.cnf.forward(&image.value, pass);
            pass.set_given(before.clone());
            image = image.then(next?)?;
        }
        Ok(image)
    }

    fn named(parameter: &Parameter, block: usize) -> Parameter {
        let name = match parameter.name.strip_prefix("odefunc.") {
            Some(of_field) => format!("odefuncs.{block}.{of_field}"),
            None => format!("odefuncs.{block}.{}", parameter.name),
        };
        Parameter {
            name,
            var: parameter.var.clone(),
        }
    }
}

impl Posterior for AmortisedCnf {
    fn transform(&self, z: &Tensor, features: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(z, &self.own_numbers(features)?, pass)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let of_block = |(index, block): (usize, &Block)| {
            let of_flow = block.cnf.parameters();
            let of_flow: Vec<Parameter> = of_flow.iter().map(|parameter| Self::named(parameter, index)).collect();
            [of_flow, block.own_parameters.clone()].concat()
        };
        self.blocks.iter().enumerate().flat_map(of_block).collect()
    }

    fn buffers(&self) -> Vec<Parameter> {
        let of_block = |(index, block): (usize, &Block)| {
            let buffers = block.cnf.buffers();
            buffers
                .iter()
                .map(|buffer| Self::named(buffer, index))
                .collect::<Vec<_>>()
        };
        self.blocks.iter().enumerate().flat_map(of_block).collect()
    }

    fn end_times(&self) -> Vec<f64> {
        self.blocks.iter().flat_map(|block| block.cnf.end_times()).collect()
    }
}

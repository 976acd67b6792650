//! A vector field of one's own: a network that another one gates, `f(z, t) = g(z, t) ⊙ σ(h(z, t))`.
//!
//! [`VectorField::dual`] says once what the field does to values and tangents together. The product rule is
//! [`Dual::mul`]'s concern; products with the Jacobian, gradients and adjoints follow.

use crate::{Outcome, Trained, moons};
use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Cnf, CnfSettings, Flow, SolveSettings};
use ffjord::nn::{Dual, Mlp, MlpConfig, Parameter, Result as NnResult, VectorField, ops::Function};
use ffjord::ode::{Method, Solver};
use ffjord::train::rand::RngCore;
use ffjord::train::{Purpose, Streams};
use std::sync::Arc;

/// `g(z, t) ⊙ σ(h(z, t))` of two networks.
#[derive(Debug)]
pub struct Gated {
    network: Mlp,
    gate: Mlp,
    parameters: Vec<Parameter>,
}

impl Gated {
    /// Two networks of this architecture, with weights from `rng`.
    ///
    /// # Errors
    /// When the networks cannot be built.
    pub fn new(config: &MlpConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> NnResult<Self> {
        let network = Mlp::new(config, rng, dtype, device)?;
        let gate = Mlp::new(config, rng, dtype, device)?;
        let named = |field: &Mlp, name: &str| -> Vec<Parameter> {
            field
                .parameters()
                .iter()
                .map(|parameter| parameter.under(name))
                .collect()
        };
        let parameters = [named(&network, "network"), named(&gate, "gate")].concat();
        Ok(Self {
            network,
            gate,
            parameters,
        })
    }
}

impl VectorField for Gated {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        self.network.dtype()
    }

    fn device(&self) -> &Device {
        self.network.device()
    }

    fn state_shape(&self) -> &[usize] {
        self.network.state_shape()
    }

    fn given_len(&self) -> usize {
        self.network.given_len()
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> NnResult<Dual> {
        let gate = self.gate.dual(t, z, given)?.map(Function::Sigmoid)?;
        self.network.dual(t, z, given)?.mul(&gate)
    }
}

/// Trains a flow along such a field.
///
/// # Errors
/// When training fails.
pub fn train() -> Outcome<Trained> {
    let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
    let field = Gated::new(&MlpConfig::new(2).hidden([24, 24]), &mut rng, DType::F32, &Device::Cpu)?;
    let solve = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(4));
    let settings = CnfSettings {
        training: solve.clone(),
        evaluation: solve,
        ..CnfSettings::default()
    };
    moons::train(&Flow::over_normal(Cnf::new(Arc::new(field), settings)?)?)
}

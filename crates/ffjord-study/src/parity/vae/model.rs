//! The model that a reference file of a variational autoencoder is about.

use super::super::ReferenceFile;
use super::super::image_flow::GivenProbes;
use crate::error::Result;
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Chain, Cnf, CnfSettings, MovingBatchNorm, Pass, SolveSettings, TraceMode};
use ffjord_nn::{Amortisation, AmortisedMlpConfig, Mlp, MlpConfig, Parameter, Residual, VectorField};
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{Purpose, Streams};
use ffjord_vae::posterior::{PlanarNumbers, SylvesterNumbers};
use ffjord_vae::{
    AmortisedCnf, Bernoulli, Categorical, ConvDecoder, ConvEncoder, Decoder, Encoder, FlowPosterior, Iaf, Likelihood,
    NoFlow, Orthogonal, Planar, Posterior, Sylvester,
};
use rand::RngCore;
use serde::Deserialize;
use std::sync::Arc;

/// The tolerance of solves: tight enough that the reference's own error is what is seen.
const TOLERANCE: f64 = 1e-11;

/// What a reference file says of its model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct VaeCase {
    z_size: usize,
    input_size: [usize; 3],
    input_type: InputType,
    flow: String,
    /// Name and shape of every parameter, in the order that numbers them.
    pub(super) params: Vec<(String, Vec<usize>)>,
    /// Names of parameters that get no gradient.
    #[serde(default)]
    pub(super) unused: Vec<String>,
    #[serde(default)]
    num_flows: usize,
    #[serde(default)]
    num_ortho_vecs: usize,
    #[serde(default)]
    num_householder: usize,
    #[serde(default)]
    made_h_size: usize,
    #[serde(default)]
    rank: usize,
    #[serde(default)]
    layer_type: String,
    #[serde(default)]
    dims: String,
    #[serde(default)]
    num_blocks: usize,
    #[serde(default)]
    time_length: f64,
    #[serde(default)]
    nonlinearity: String,
    #[serde(default)]
    residual: bool,
    #[serde(default)]
    batch_norm: bool,
}

/// What the images hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum InputType {
    /// Zeros and ones.
    Binary,
    /// Grey levels.
    Multinomial,
}

/// The parts of the model, apart so that each can be asked by itself.
pub(super) struct Model {
    pub(super) encoder: ConvEncoder,
    pub(super) decoder: ConvDecoder,
    pub(super) likelihood: Box<dyn Likelihood>,
    pub(super) flow: ReferenceFlow,
    pub(super) input: InputType,
}

/// A posterior's flow by its kind, since each has other numbers that can be compared.
pub(super) enum ReferenceFlow {
    None(NoFlow),
    Planar(Planar),
    Sylvester(Sylvester),
    Iaf(Iaf),
    Cnf(FlowPosterior<Chain>),
    Amortised(AmortisedCnf),
}

/// What a linear map made of the features, by the reference's names.
pub(super) type Amortised = Vec<(String, Tensor)>;

impl Model {
    pub(super) fn build(file: &ReferenceFile, case: &VaeCase) -> Result<Self> {
        // The weights drawn here are all replaced.
        let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
        let at = (DType::F64, Device::Cpu);
        let encoder = ConvEncoder::new(&case.input_size, case.z_size, &mut rng, at.0, &at.1)?;
        let (likelihood, encoder): (Box<dyn Likelihood>, _) = match case.input_type {
            InputType::Binary => (Box::new(Bernoulli::default()), encoder),
            InputType::Multinomial => (Box::new(Categorical), encoder.variance_between(0.01, 7.0)),
        };
        let decoder = ConvDecoder::new(
            &case.input_size,
            case.z_size,
            likelihood.as_ref(),
            &mut rng,
            at.0,
            &at.1,
        )?;
        Ok(Self {
            flow: flow(file, case, &mut rng)?,
            encoder,
            decoder,
            likelihood,
            input: case.input_type,
        })
    }

    /// All parameters, in the order of their names.
    pub(super) fn parameters(&self) -> Vec<Parameter> {
        let parts = [
            self.encoder.parameters(),
            self.flow.posterior().parameters(),
            self.decoder.parameters(),
        ];
        let mut all = parts.concat();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// The flow that a case names.
fn flow(file: &ReferenceFile, case: &VaeCase, rng: &mut dyn RngCore) -> Result<ReferenceFlow> {
    let (d, features, at) = (case.z_size, ConvEncoder::FEATURES, (DType::F64, &Device::Cpu));
    let sylvester = |orthogonal, rng: &mut dyn RngCore| -> Result<ReferenceFlow> {
        let flow = Sylvester::new(d, features, case.num_flows, orthogonal, rng, at)?;
        Ok(ReferenceFlow::Sylvester(flow))
    };
    let columns = case.num_ortho_vecs;
    let reflections = case.num_householder;
    let amortised = |amortisation, rng: &mut dyn RngCore| amortised(file, case, amortisation, rng);
    match case.flow.as_str() {
        "no_flow" => Ok(ReferenceFlow::None(NoFlow)),
        "planar" => Ok(ReferenceFlow::Planar(Planar::new(
            d,
            features,
            case.num_flows,
            rng,
            at.0,
            at.1,
        )?)),
        "orthogonal" => sylvester(Orthogonal::Iterated { columns }, rng),
        "householder" => sylvester(Orthogonal::Householder { reflections }, rng),
        "triangular" => sylvester(Orthogonal::Triangular, rng),
        "iaf" => Ok(ReferenceFlow::Iaf(Iaf::new(
            d,
            features,
            case.num_flows,
            case.made_h_size,
            rng,
            at,
        )?)),
        "cnf" => cnf(file, case, rng),
        "cnf_bias" => amortised(Amortisation::Bias, rng),
        "cnf_rank" => amortised(Amortisation::LowRank { rank: case.rank }, rng),
        "cnf_lyper" => amortised(Amortisation::LastLayer, rng),
        "cnf_hyper" => {
            let amortisation = Amortisation::AllLayers {
                activation_at_the_end: true,
            };
            amortised(amortisation, rng)
        }
        other => Err(file.refuse(format!("its posterior `{other}` is not known"))),
    }
}

fn hidden(file: &ReferenceFile, case: &VaeCase) -> Result<Vec<usize>> {
    let widths: std::result::Result<Vec<usize>, _> = case.dims.split('-').map(str::parse).collect();
    widths.map_err(|_| file.refuse(format!("its dims `{}` are not widths with - between", case.dims)))
}

/// Solves with the reference's probes of one flow in training passes, and with the exact trace in others.
fn settings(file: &ReferenceFile, case: &VaeCase, name: &str) -> Result<CnfSettings> {
    let probes = file.get(&format!("e.{name}"))?.flatten_all()?.to_vec1::<f64>()?;
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(TOLERANCE, TOLERANCE)?);
    let solve = SolveSettings::new(solver).block_rows(SolveSettings::WHOLE_BATCH);
    Ok(CnfSettings {
        end_time: case.time_length,
        learn_end_time: false,
        training: solve.clone().trace(TraceMode::Own(Arc::new(GivenProbes { probes }))),
        evaluation: solve,
        ..CnfSettings::default()
    })
}

fn cnf(file: &ReferenceFile, case: &VaeCase, rng: &mut dyn RngCore) -> Result<ReferenceFlow> {
    let norm = || MovingBatchNorm::new(&[case.z_size], DType::F64, &Device::Cpu);
    let network = MlpConfig::new(case.z_size)
        .hidden(hidden(file, case)?)
        .layer(case.layer_type.parse()?)
        .activation(case.nonlinearity.parse()?);
    let mut maps: Vec<Box<dyn Bijection>> = Vec::new();
    if case.batch_norm {
        maps.push(Box::new(norm()?));
    }
    for _ in 0..case.num_blocks {
        let name = format!("cnf.chain.{}", maps.len());
        let field = Mlp::new(&network, rng, DType::F64, &Device::Cpu)?;
        let field: Arc<dyn VectorField> = match case.residual {
            true => Arc::new(Residual::new(field)),
            false => Arc::new(field),
        };
        maps.push(Box::new(Cnf::new(field, settings(file, case, &name)?)?));
        if case.batch_norm {
            maps.push(Box::new(norm()?));
        }
    }
    let posterior = FlowPosterior::new(Chain::new(maps)?, ConvEncoder::FEATURES)?;
    Ok(ReferenceFlow::Cnf(posterior.named("cnf")))
}

fn amortised(
    file: &ReferenceFile,
    case: &VaeCase,
    amortisation: Amortisation,
    rng: &mut dyn RngCore,
) -> Result<ReferenceFlow> {
    let network = AmortisedMlpConfig {
        dimension: case.z_size,
        hidden: hidden(file, case)?,
        layer: case.layer_type.parse()?,
        activation: case.nonlinearity.parse()?,
        amortisation,
    };
    let blocks = (0..case.num_blocks).map(|block| settings(file, case, &format!("odefuncs.{block}")));
    let settings = blocks.collect::<Result<Vec<_>>>()?;
    let at = (DType::F64, &Device::Cpu);
    let flow = AmortisedCnf::new(&network, case.residual, ConvEncoder::FEATURES, &settings, rng, at)?;
    Ok(ReferenceFlow::Amortised(flow))
}

impl ReferenceFlow {
    pub(super) fn posterior(&self) -> &dyn Posterior {
        match self {
            Self::None(flow) => flow,
            Self::Planar(flow) => flow,
            Self::Sylvester(flow) => flow,
            Self::Iaf(flow) => flow,
            Self::Cnf(flow) => flow,
            Self::Amortised(flow) => flow,
        }
    }

    /// Whether it is solved.
    pub(super) fn is_continuous(&self) -> bool {
        matches!(self, Self::Cnf(_) | Self::Amortised(_))
    }

    /// What the features give, by the reference's names.
    pub(super) fn amortised(&self, features: &Tensor) -> Result<Amortised> {
        Ok(match self {
            Self::None(_) | Self::Cnf(_) => Vec::new(),
            Self::Planar(flow) => {
                let PlanarNumbers { u, w, b } = flow.numbers(features)?;
                vec![("u".into(), u), ("w".into(), w), ("b".into(), b)]
            }
            Self::Sylvester(flow) => {
                let numbers = flow.numbers(features)?;
                let q = Tensor::stack(&flow.orthogonal(&numbers)?, 0)?;
                let SylvesterNumbers { r1, r2, b, .. } = numbers;
                vec![
                    ("r1".into(), r1),
                    ("r2".into(), r2),
                    ("b".into(), b),
                    ("q_ortho".into(), q),
                ]
            }
            Self::Iaf(flow) => vec![("h_context".into(), flow.context(features)?)],
            Self::Amortised(flow) => {
                let own = flow.own_numbers(features)?.into_iter().enumerate();
                own.map(|(block, own)| (format!("q_am.{block}"), own)).collect()
            }
        })
    }

    /// z_k and the log-determinants with these numbers, in the order of [`amortised`](Self::amortised).
    pub(super) fn apply(
        &self,
        z: &Tensor,
        features: &Tensor,
        amortised: &[Var],
        pass: &mut Pass<'_>,
    ) -> Result<(Tensor, Tensor)> {
        let tensor = |index: usize| amortised[index].as_tensor().clone();
        let image = match self {
            Self::None(flow) => flow.transform(z, features, pass)?,
            Self::Cnf(flow) => flow.transform(z, features, pass)?,
            Self::Planar(_) => {
                let (u, w, b) = (tensor(0), tensor(1), tensor(2));
                Planar::apply(z, &PlanarNumbers { u, w, b })?
            }
            Self::Sylvester(_) => {
                let numbers = SylvesterNumbers {
                    r1: tensor(0),
                    r2: tensor(1),
                    b: tensor(2),
                    q: None,
                };
                let stacked = tensor(3);
                let columns = (0..stacked.dim(0)?).map(|flow| stacked.get(flow));
                Sylvester::apply(z, &numbers, &columns.collect::<candle_core::Result<Vec<_>>>()?)?
            }
            Self::Iaf(flow) => flow.apply(z, &tensor(0))?,
            Self::Amortised(flow) => {
                let own: Vec<Tensor> = amortised.iter().map(|own| own.as_tensor().clone()).collect();
                flow.apply(z, &own, pass)?
            }
        };
        Ok((image.value.clone(), image.log_det()?.clone()))
    }
}

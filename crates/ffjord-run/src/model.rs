//! Flows from configurations.

use crate::config::{ModelConfig, ModelKind, Precision, RunConfig, StartConfig};
use crate::data_summary::DataSummary;
use crate::error::{Result, RunError};
use crate::image_model::image_parts;
use crate::placement::Placement;
use crate::start::StartPart;
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::config::{IntegralWeights, SolverConfig};
use ffjord_flow::{
    Architecture, Bijection, Chain, Cnf, CnfSettings, ColumnSplines, Density, DiscreteFlowConfig, Flow, Jitter,
    MovingBatchNorm, Pass, PathIntegral, RationalQuadraticSpline, StandardNormal, TraceMode,
};
use ffjord_nn::{Mlp, MlpConfig, Residual, VectorField, zero_field};
use rand::RngCore;
use std::sync::Arc;

/// A flow with its parts at hand.
///
/// ```
/// # use ffjord_run::{Model, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let streams = Streams::new(0);
/// # let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// use ffjord_run::Part;
/// assert_eq!((model.dimension(), model.given_len(), model.dtype()), (2, 0, candle_core::DType::F32));
/// assert!(matches!(model.parts[..], [Part::Continuous(_)]) && model.start.is_empty());
/// assert!(model.require_solves("trajectories").is_ok());
///
/// // One that starts with fitted maps is a Gaussian copula before it is trained.
/// use ffjord_run::Matrix;
/// let settings = ["model.hidden=[8]", r#"model.start={ maps = ["whitening"] }"#].map(str::to_string);
/// let config = resolve(&Preset::find("power-maf")?, &settings, None)?;
/// let model = Model::build(&config, 2, 0, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// let rows = Matrix::new(200, 2, (0..400).map(|i| 5.0 + 3.0 * f64::from(i * i).sin()).collect())?;
/// model.fit_start(&rows, &rows)?;
/// let nll = model.start_nll(&rows)?.ok_or("it has a start")?;
/// let gaussian = ffjord_run::gaussian_nll(&rows, &rows).ok_or("not singular")?;
/// assert!((nll - gaussian).abs() < 0.1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Model {
    /// The density.
    pub flow: Flow<Chain>,
    /// The parts of the chain, the first nearest to the data.
    pub parts: Vec<Part>,
    /// The first of the parts, which [`fit_start`](Self::fit_start) fits to training rows.
    pub start: Vec<StartPart>,
}

/// One part of a chain.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_flow::ZeroMean;
/// # use ffjord_run::{Matrix, Model, Part, Rows};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # use std::sync::Arc;
/// # let model = Model::new(vec![Part::Discrete(Arc::new(ZeroMean::new(&[2])?))], DType::F64)?;
/// # let rows = Rows::from(Matrix::from_rows(&[[0.5, 0.5], [2.5, 0.5]]));
/// # let (streams, ln_2pi) = (Streams::new(0), (2.0 * std::f64::consts::PI).ln());
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::Pass;
/// let x = Tensor::new(&[[0.5, 1.0]], &Device::Cpu)?;
/// let mut rng = streams.rng(Purpose::Test, 0, 0);
/// // z = x − ½, which solves nothing.
/// assert_eq!(model.parts[0].forward(&x, &mut Pass::evaluation(&mut rng))?.to_vec2::<f64>()?, [[0.0, 0.5]]);
/// let refused = model.require_solves("trajectories").unwrap_err().to_string();
/// assert!(refused.contains("no continuous block"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub enum Part {
    /// A continuous block.
    Continuous(Arc<Cnf>),
    /// A map without a path: normalisation between blocks, or a part of a discrete flow.
    Discrete(Arc<dyn Bijection>),
}

impl Model {
    /// The flow of a chain of parts.
    ///
    /// # Errors
    /// When the parts do not fit together.
    pub fn new(parts: Vec<Part>, dtype: DType) -> Result<Self> {
        let boxed = parts
            .iter()
            .map(|part| -> Box<dyn Bijection> {
                match part {
                    Part::Continuous(cnf) => Box::new(cnf.clone()),
                    Part::Discrete(map) => Box::new(map.clone()),
                }
            })
            .collect();
        let chain = Chain::new(boxed)?;
        let base = StandardNormal::new(chain.output_shape(), dtype, &Device::Cpu)?;
        Ok(Self {
            flow: Flow::new(chain, base)?,
            parts,
            start: Vec::new(),
        })
    }

    /// The flow that a configuration describes on rows of `dimension` numbers, each given `given` numbers, with weights
    /// drawn from `rng`.
    ///
    /// # Errors
    /// When the configuration names something that does not exist or cannot be built.
    pub fn build(config: &RunConfig, dimension: usize, given: usize, rng: &mut dyn RngCore) -> Result<Self> {
        let dtype = dtype(config.model.precision);
        let start = StartPart::all(config.model.start.as_ref(), dimension, dtype, &Device::Cpu)?;
        let flow = match architecture(&config.model)? {
            None => continuous_parts(config, (dimension, given), dtype, rng)?,
            Some(architecture) => {
                let sizes = DiscreteFlowConfig {
                    dimension,
                    condition: given,
                    blocks: config.model.blocks,
                    hidden: config.model.hidden.clone(),
                    activation: config.model.activation,
                };
                let parts = architecture.parts(&sizes, rng, dtype, &Device::Cpu)?;
                parts.into_iter().map(Part::Discrete).collect()
            }
        };
        let mut parts: Vec<Part> = start.iter().map(|part| Part::Discrete(part.bijection())).collect();
        if let Some(settings) = &config.model.start {
            let fixed = config.objective.is_flow_matching();
            parts.extend(behind_start(settings, fixed, dimension, dtype)?);
        }
        parts.extend(flow);
        Ok(Self {
            start,
            ..Self::new(parts, dtype)?
        })
    }

    /// Fits the maps that the flow starts with, if it has any, to the training rows `[N, D]`, each to what those before it
    /// make of them; the same rows give the same bits. A marginal map without which `held_out` rows `[N, D]` are likelier
    /// stays the identity.
    ///
    /// # Errors
    /// When the rows do not fit the model, or are no numbers.
    pub fn fit_start(&self, rows: &Matrix<f64>, held_out: &Matrix<f64>) -> Result<()> {
        crate::start::fit(&self.start, rows, held_out, self.dtype(), self.device())
    }

    /// Fits the maps that a flow of images starts with to how likely each level is at each pixel, `[D, L]`.
    ///
    /// # Errors
    /// When these are no probabilities, or the model has other pixels or levels.
    pub(crate) fn fit_start_to_levels(&self, probabilities: &[f64]) -> Result<()> {
        for part in &self.start {
            if let StartPart::Marginals(maps) = part {
                maps.refit_levels(probabilities)?;
            }
        }
        Ok(())
    }

    /// The mean negative log-likelihood of rows `[N, D]` under the maps that the flow starts with, before a standard normal
    /// and without the flow, in nats; none for a flow without such maps. With marginal maps and whitening, that of a Gaussian
    /// copula.
    ///
    /// # Errors
    /// When the rows do not fit the model.
    pub fn start_nll(&self, rows: &Matrix<f64>) -> Result<Option<f64>> {
        crate::start::nll(&self.start, rows, self.dtype(), self.device())
    }

    /// The flow that a configuration describes for data, with weights drawn from `rng`.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn for_data(config: &RunConfig, data: &DataSummary, rng: &mut dyn RngCore) -> Result<Self> {
        match &data.image {
            _ if config.model.kind == ModelKind::Vae => Err(RunError::VariationalAutoencoder { command: "a flow" }),
            Some(format) => {
                let (start, parts) = image_parts(config, format, rng)?;
                Ok(Self {
                    start,
                    ..Self::new(parts, dtype(config.model.precision))?
                })
            }
            None => Self::build(config, data.dimension, data.given_len(), rng),
        }
    }

    /// Fails for `command` unless a part of the flow is continuous.
    ///
    /// # Errors
    /// [`RunError::NothingToSolve`].
    pub fn require_solves(&self, command: &'static str) -> Result<()> {
        if !self.flow.bijection().end_times().is_empty() {
            return Ok(());
        }
        Err(RunError::NothingToSolve { command })
    }

    /// Fails for `command` if the flow is conditional.
    ///
    /// # Errors
    /// [`RunError::Conditional`].
    pub fn require_unconditional(&self, command: &'static str) -> Result<()> {
        match self.given_len() {
            0 => Ok(()),
            _ => Err(RunError::Conditional { command }),
        }
    }

    /// The floating-point type.
    pub fn dtype(&self) -> DType {
        Density::dtype(&self.flow)
    }

    /// The device.
    pub fn device(&self) -> &Device {
        Density::device(&self.flow)
    }

    /// The dimension D of a row.
    pub fn dimension(&self) -> usize {
        Density::row_shape(&self.flow).iter().product()
    }

    /// The number of columns that a row is given; 0 for a density of rows by themselves.
    pub fn given_len(&self) -> usize {
        Density::given_len(&self.flow)
    }
}

impl Part {
    /// The part as a bijection.
    fn bijection(&self) -> &dyn Bijection {
        match self {
            Self::Continuous(cnf) => cnf.as_ref(),
            Self::Discrete(map) => map.as_ref(),
        }
    }

    /// The images `[B, …]` of rows, from data to noise.
    ///
    /// # Errors
    /// When the rows do not fit or a solve fails.
    pub fn forward(&self, rows: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        Ok(self.bijection().forward(rows, pass)?.value)
    }
}

/// The type that a precision stands for.
pub fn dtype(precision: Precision) -> DType {
    match precision {
        Precision::F32 => DType::F32,
        Precision::F64 => DType::F64,
    }
}

/// The discrete flow that a configuration asks for; none for a continuous one.
fn architecture(model: &ModelConfig) -> Result<Option<Architecture>> {
    Ok(match model.kind {
        ModelKind::Cnf => None,
        ModelKind::RealNvp => Some(Architecture::RealNvp),
        ModelKind::Glow => Some(Architecture::Glow),
        ModelKind::Maf => Some(Architecture::Maf),
        ModelKind::Made => Some(Architecture::Made),
        ModelKind::Vae => return Err(RunError::VariationalAutoencoder { command: "a flow" }),
        ModelKind::Spline => {
            let (bins, tail_bound) = (model.bins.unwrap_or(8), model.tail_bound.unwrap_or(3.0));
            Some(Architecture::Spline(RationalQuadraticSpline::new(bins, tail_bound)?))
        }
    })
}

/// Where the spline of a column that is learned behind fitted maps ends, in deviations of what these make of it.
const LEARNED_BOUND: f64 = 5.0;

/// What stands between the fitted maps and the flow, `fixed` where training does not reach it.
fn behind_start(config: &StartConfig, fixed: bool, dimension: usize, dtype: DType) -> Result<Vec<Part>> {
    let mut parts: Vec<Part> = Vec::new();
    if config.noise > 0.0 {
        parts.push(Part::Discrete(Arc::new(Jitter::new(&[dimension], config.noise)?)));
    }
    if config.learned_bins > 0 {
        let spline = RationalQuadraticSpline::new(config.learned_bins, LEARNED_BOUND)?;
        let splines = ColumnSplines::new(dimension, spline, dtype, &Device::Cpu)?;
        let splines = if fixed { splines.fixed() } else { splines };
        parts.push(Part::Discrete(Arc::new(splines)));
    }
    Ok(parts)
}

fn continuous_parts(
    config: &RunConfig,
    (dimension, given): (usize, usize),
    dtype: DType,
    rng: &mut dyn RngCore,
) -> Result<Vec<Part>> {
    let settings = cnf_settings(
        &config.model,
        config.model.blocks,
        &config.solver,
        &config.regularisation,
    )?;
    let norm = || -> Result<Part> {
        let norm = MovingBatchNorm::new(&[dimension], dtype, &Device::Cpu)?;
        Ok(Part::Discrete(Arc::new(norm)))
    };
    let placement = Placement::open(config.device)?;
    let mut parts = Vec::new();
    if config.model.batch_norm {
        parts.push(norm()?);
    }
    for _ in 0..config.model.blocks {
        let field = vector_field(&config.model, (dimension, given), dtype, rng)?;
        if config.model.zero_field {
            zero_field(field.parameters())?;
        }
        let cnf = placement
            .flow(field, settings.clone())?
            .with_random_end_time(config.training.end_time_spread)?;
        parts.push(Part::Continuous(Arc::new(cnf)));
        if config.model.batch_norm {
            parts.push(norm()?);
        }
    }
    Ok(parts)
}

fn vector_field(
    config: &ModelConfig,
    (dimension, given): (usize, usize),
    dtype: DType,
    rng: &mut dyn RngCore,
) -> Result<Arc<dyn VectorField>> {
    let mut network = MlpConfig::new(dimension)
        .given(given)
        .hidden(config.hidden.clone())
        .activation(config.activation);
    if let Some(layer) = config.layer {
        network = network.layer(layer);
    }
    let network = Mlp::new(&network, rng, dtype, &Device::Cpu)?;
    Ok(if config.residual {
        Arc::new(Residual::new(network))
    } else {
        Arc::new(network)
    })
}

/// The settings of each of so many continuous flows.
pub(crate) fn cnf_settings(
    model: &ModelConfig,
    flows: usize,
    solver: &SolverConfig,
    weights: &IntegralWeights,
) -> Result<CnfSettings> {
    let mut settings = solver.build(flows).map_err(|error| error.under("solver"))?;
    let weights = weights.weights().into_iter();
    settings.integrals = weights.map(|(integral, _)| integral).collect();
    // Reported without a weight too, since the products are there.
    let several = matches!(
        settings.training.trace,
        TraceMode::Hutchinson { probes: 2.., .. } | TraceMode::Bottleneck { probes: 2.., .. }
    );
    if several && !settings.integrals.contains(&PathIntegral::TraceVariance) {
        settings.integrals.push(PathIntegral::TraceVariance);
    }
    if let Some(end_time) = model.end_time {
        settings.end_time = end_time;
    }
    settings.learn_end_time = model.learn_end_time;
    Ok(settings)
}

//! The configuration of a run: what a preset, `--set` and a run folder's `config.json` hold.

mod check;
mod image;
mod model;
mod preset;
mod resolve;
mod start;
mod table;
mod training;
mod unread;
mod vae;

pub use image::{DequantizationConfig, ImageField, ImageModelConfig, ImagesConfig};
pub use model::{ModelConfig, ModelKind, Precision};
pub use preset::Preset;
pub use resolve::{resolve, resolve_changed, resolve_stored};
pub use start::{StartConfig, StartMap};
pub use table::{DequantizeConfig, ScaleConfig, SplitConfig, TableConfig};
pub use training::TrainingConfig;
pub use vae::{BoundGradient, ImportanceConfig, LikelihoodKind, PosteriorKind, VaeConfig, VaeNetworks};

pub use ffjord_flow::config::{
    AdjointKind, BackwardConfig, IntegralWeights, SolveConfig, SolverConfig, StepConfig, TraceConfig,
};

use ffjord_cuda::DeviceName;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Everything that determines a run's result.
///
/// ```
/// use ffjord_run::config::{DataConfig, Preset, resolve, resolve_stored};
/// let config = resolve(&Preset::find("toy-moons")?, &["training.iterations=500".to_string()], Some(7))?;
/// assert_eq!((config.seed, &config.data), (7, &DataConfig::Toy { name: "moons".to_string() }));
/// // What a run folder keeps of it says all.
/// assert_eq!(resolve_stored(&serde_json::to_string(&config)?, "config.json")?, config);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// One sentence on what the run does.
    pub description: String,
    /// Where every random number of the run comes from.
    #[serde(default)]
    pub seed: u64,
    /// Where the weights at the start come from, instead of being drawn: a run folder, a `.safetensors` file, or a `.pth`
    /// checkpoint of the original implementation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// Where solves are carried out; no bit of a checkpoint depends on it but for rounding, so a run may go on elsewhere.
    #[serde(default, skip_serializing_if = "DeviceName::is_cpu")]
    pub device: DeviceName,
    /// The data.
    pub data: DataConfig,
    /// The flow.
    pub model: ModelConfig,
    /// `model.kind=vae`: the autoencoder whose posterior the flow is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae: Option<VaeConfig>,
    /// How equations are solved; discrete flows solve none.
    pub solver: SolverConfig,
    /// What training minimises.
    #[serde(default)]
    pub objective: ObjectiveConfig,
    /// How the flow is trained.
    pub training: TrainingConfig,
    /// Weights of the path integrals in the loss of maximum likelihood.
    #[serde(default)]
    pub regularisation: IntegralWeights,
    /// What is computed and drawn after training.
    pub evaluation: EvaluationConfig,
}

/// The data of a run.
///
/// ```
/// use ffjord_run::config::DataConfig;
/// let table: DataConfig = serde_json::from_str(r#"{"kind": "table", "path": "measurements.csv"}"#)?;
/// assert_eq!((table.title(), table.file()), ("measurements.csv".to_string(), Some(&"measurements.csv".into())));
/// let power: DataConfig = serde_json::from_str(r#"{"kind": "power", "train_rows": 1000}"#)?;
/// assert_eq!((power.title(), power.file()), ("power".to_string(), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    deny_unknown_fields,
    expecting = "data with their kind, as { kind = \"table\", path = \"measurements.csv\" }"
)]
#[non_exhaustive]
pub enum DataConfig {
    /// A two-dimensional toy density, sampled anew for every batch.
    Toy {
        /// Its name.
        name: String,
    },
    /// A density read from the brightness of a picture, sampled anew for every batch.
    Image {
        /// A PNG or JPEG file.
        path: PathBuf,
    },
    /// A table of the user's own.
    Table(TableConfig),
    /// Images, dequantised.
    Images(ImagesConfig),
    /// POWER: the embedded data unless a path is given.
    Power(BenchmarkConfig),
    /// GAS.
    Gas(BenchmarkConfig),
    /// HEPMASS.
    Hepmass(BenchmarkConfig),
    /// MINIBOONE.
    Miniboone(BenchmarkConfig),
    /// MINIBOONE with the first training rows only: not the published setting.
    #[serde(rename = "miniboone-reduced")]
    MinibooneReduced(BenchmarkConfig),
    /// BSDS300.
    Bsds300(BenchmarkConfig),
}

impl DataConfig {
    /// What the data are called in lists: the name of a density, a set or a benchmark, or the file's name.
    ///
    /// ```
    /// use ffjord_run::config::DataConfig;
    ///
    /// let data = DataConfig::Toy { name: "moons".to_string() };
    /// assert_eq!(data.title(), "moons");
    /// ```
    pub fn title(&self) -> String {
        let of_file = |path: &PathBuf| match path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.display().to_string(),
        };
        match self {
            Self::Toy { name } => name.clone(),
            Self::Image { path } => of_file(path),
            Self::Table(table) => of_file(&table.path),
            Self::Images(images) => images.set.clone(),
            Self::Power(_) => "power".to_string(),
            Self::Gas(_) => "gas".to_string(),
            Self::Hepmass(_) => "hepmass".to_string(),
            Self::Miniboone(_) => "miniboone".to_string(),
            Self::MinibooneReduced(_) => "miniboone-reduced".to_string(),
            Self::Bsds300(_) => "bsds300".to_string(),
        }
    }

    /// The file of the user's own that holds the data: a table or a picture.
    pub fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::Image { path } => Some(path),
            Self::Table(table) => Some(&table.path),
            _ => None,
        }
    }

    pub(crate) fn file_mut(&mut self) -> Option<&mut PathBuf> {
        match self {
            Self::Image { path } => Some(path),
            Self::Table(table) => Some(&mut table.path),
            _ => None,
        }
    }
}

/// Which rows of a tabular benchmark a run uses.
///
/// ```
/// use ffjord_run::config::{BenchmarkConfig, DataConfig};
/// let fewer = BenchmarkConfig { train_rows: Some(1000), ..BenchmarkConfig::default() };
/// let power: DataConfig = serde_json::from_str(r#"{"kind": "power", "train_rows": 1000}"#)?;
/// assert_eq!(power, DataConfig::Power(fewer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BenchmarkConfig {
    /// An original file, or a folder of original or prepared files; the cache if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Train on the first so many rows of the training split; all if absent.
    pub train_rows: Option<usize>,
    /// Evaluate on the first so many rows of the test split; all if absent.
    pub test_rows: Option<usize>,
}

fn tighter_rows() -> usize {
    1000
}

/// What training minimises.
///
/// ```
/// use ffjord_run::config::{ObjectiveConfig, Preset, resolve};
/// let config = resolve(&Preset::find("toy-moons-flow-matching")?, &[], None)?;
/// assert_eq!(config.objective, ObjectiveConfig::FlowMatching);
/// assert_eq!(ObjectiveConfig::default(), ObjectiveConfig::MaximumLikelihood);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ObjectiveConfig {
    /// The negative log-likelihood, with the weighted path integrals.
    #[default]
    MaximumLikelihood,
    /// The error of the vector field along straight paths to independent noise.
    FlowMatching,
    /// The same, with noise that the batch's rows were matched with.
    OptimalTransportFlowMatching,
    /// The negative evidence lower bound of a variational autoencoder.
    Elbo,
}

impl ObjectiveConfig {
    /// Whether it matches a velocity and solves no equation.
    pub(crate) fn is_flow_matching(self) -> bool {
        matches!(self, Self::FlowMatching | Self::OptimalTransportFlowMatching)
    }
}

/// What is computed and drawn after training.
///
/// ```
/// use ffjord_run::config::EvaluationConfig;
/// let evaluation: EvaluationConfig = serde_json::from_str(r#"{"batch": 100, "samples": 1000}"#)?;
/// assert_eq!((evaluation.curve_rows, evaluation.grid, evaluation.frames), (0, 0, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationConfig {
    /// Rows evaluated at a time.
    pub batch: usize,
    /// Fresh test samples of a toy density.
    #[serde(default)]
    pub toy_rows: usize,
    /// Evaluate the first so many test rows at every validation, for a curve over the run; 0 leaves it out.
    #[serde(default)]
    pub curve_rows: usize,
    /// Evaluate the first so many test rows once more, at a hundredth of the tolerance and in double precision; 0 leaves
    /// it out.
    #[serde(default = "tighter_rows")]
    pub tighter_rows: usize,
    /// Samples drawn from the model for the pictures.
    pub samples: usize,
    /// Points a side of the density pictures' grid.
    #[serde(default)]
    pub grid: usize,
    /// Frames of the animation.
    #[serde(default)]
    pub frames: usize,
}

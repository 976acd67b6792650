//! The data of a run.

use crate::config::{BenchmarkConfig, DataConfig, RunConfig};
use crate::error::{Result, RunError};
use crate::evaluation::{conditional_gaussian_nll, gaussian_nll};
use crate::given::{Cut, GivenColumns, names};
use crate::model::dtype;
use crate::rows::Rows;
use crate::run_folder::{DataSummary, ImageFormat};
use ffjord_data::benchmark::store;
use ffjord_data::power::{self, PowerDataset};
use ffjord_data::table::{self, LoadOptions};
use ffjord_data::toy::{ImageDensity, Ink};
use ffjord_data::{Benchmark, ConstantColumns, Matrix, Prepared, SplitRule, Standardizer, ToyDensity, prepare};
use ffjord_train::{BatchSource, FreshSamples, Purpose, ShuffledRows, Streams};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A run's data: where batches come from, and what is held out.
pub struct RunData {
    /// The dimension D of a row.
    pub dimension: usize,
    /// The names of a row's columns, if they have any.
    pub names: Option<Vec<String>>,
    /// What rows are given, in conditional runs.
    pub given: Option<GivenColumns>,
    /// Training batches.
    pub source: Box<dyn BatchSource>,
    /// Rows for validation.
    pub validation: Rows,
    /// Rows for the final evaluation.
    pub test: Rows,
    /// The map of rows from original units to the model's, for tables.
    pub standardizer: Option<Standardizer>,
    /// Nats of a full-covariance Gaussian fitted to the training rows, for tables; in conditional runs, of that Gaussian
    /// given the condition.
    pub gaussian_nll: Option<f64>,
    /// Whose split it is, for benchmarks.
    pub split: Option<SplitLabel>,
    /// Shape and levels, for images.
    pub image: Option<ImageFormat>,
}

impl fmt::Debug for RunData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunData")
            .field("dimension", &self.dimension)
            .field("names", &self.names)
            .field("given", &self.given)
            .field("validation_rows", &self.validation.rows())
            .field("test_rows", &self.test.rows())
            .field("standardizer", &self.standardizer)
            .field("split", &self.split)
            .finish_non_exhaustive()
    }
}

/// Whether a result can stand beside published ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitLabel {
    /// The benchmark's name.
    pub dataset: &'static str,
    /// Whether its rows are those of the published split.
    pub published: bool,
    /// What differs, if they are not.
    pub difference: Option<String>,
}

impl SplitLabel {
    /// What tells the rows apart from the published ones; `label` is what they were imported as.
    fn difference(benchmark: Benchmark, prepared: &Prepared, label: Option<String>) -> Result<Option<String>> {
        if label.is_some() {
            return Ok(label);
        }
        if benchmark == Benchmark::MinibooneReduced {
            return Ok(Some("reduced train set".to_string()));
        }
        let check = benchmark.manifest()?.prepared.check(benchmark.name(), &prepared.splits);
        Ok(check.err().map(|error| error.to_string()))
    }
}

type Draw = Arc<dyn Fn(usize, &mut ChaCha8Rng) -> Matrix<f32>>;

impl RunData {
    /// Loads what a configuration asks for; benchmarks without a path come from the folder `cache`, as
    /// `ffjord_data::benchmark::store` fills it.
    ///
    /// # Errors
    /// When a name is not known, or a file cannot be read or used.
    pub fn load(config: &RunConfig, streams: &Streams, cache: &Path) -> Result<Self> {
        match &config.data {
            DataConfig::Toy { name } => {
                let density: ToyDensity = name.parse()?;
                Ok(Self::fresh(
                    config,
                    streams,
                    &(Arc::new(move |rows, rng: &mut ChaCha8Rng| density.sample(rows, rng)) as Draw),
                ))
            }
            DataConfig::Image { path } => {
                require_path("data.path", path)?;
                let density = ImageDensity::open(path, Ink::Dark)?;
                Ok(Self::fresh(
                    config,
                    streams,
                    &(Arc::new(move |rows, rng: &mut ChaCha8Rng| density.sample(rows, rng)) as Draw),
                ))
            }
            DataConfig::Images(images) => Self::images(config, images, streams, cache),
            DataConfig::Table { path, given } => {
                require_path("data.path", path)?;
                let table = table::load(path, &LoadOptions::default())?;
                // Before the table is prepared, which can take long.
                let cut = match given.is_empty() {
                    true => None,
                    false => Some(Cut::new(given, &names(&table))?),
                };
                let column_names = table.names.as_deref();
                let prepared = prepare(
                    &table.values,
                    column_names,
                    &SplitRule::default(),
                    ConstantColumns::Reject,
                )?;
                match cut {
                    None => Self::table(config, prepared, table.names, (None, None)),
                    Some(cut) => Self::conditional(config, prepared, &names(&table), &cut),
                }
            }
            DataConfig::Power(rows) => Self::benchmark(config, cache, Benchmark::Power, rows),
            DataConfig::Gas(rows) => Self::benchmark(config, cache, Benchmark::Gas, rows),
            DataConfig::Hepmass(rows) => Self::benchmark(config, cache, Benchmark::Hepmass, rows),
            DataConfig::Miniboone(rows) => Self::benchmark(config, cache, Benchmark::Miniboone, rows),
            DataConfig::MinibooneReduced(rows) => Self::benchmark(config, cache, Benchmark::MinibooneReduced, rows),
            DataConfig::Bsds300(rows) => Self::benchmark(config, cache, Benchmark::Bsds300, rows),
        }
    }

    /// A benchmark's splits: POWER is part of the program, the others lie in the cache or where the path says.
    fn benchmark(config: &RunConfig, cache: &Path, benchmark: Benchmark, rows: &BenchmarkConfig) -> Result<Self> {
        let path = match (&rows.path, benchmark) {
            (None, Benchmark::Power) => None,
            (Some(path), _) => Some(path.clone()),
            (None, _) => Some(cache.join(benchmark.name())),
        };
        let prepared = match &path {
            Some(path) => benchmark.prepare(path)?,
            None => PowerDataset::embedded().prepare()?,
        };
        let label = match path.filter(|path| store::is_prepared(path)) {
            Some(path) => store::record(&path, benchmark)?.label,
            None => None,
        };
        let difference = SplitLabel::difference(benchmark, &prepared, label)?;
        let names = (benchmark == Benchmark::Power).then(|| power::COLUMNS.iter().map(ToString::to_string).collect());
        let data = Self::table(config, prepared, names, (rows.train_rows, rows.test_rows))?;
        Ok(Self {
            split: Some(SplitLabel {
                dataset: benchmark.name(),
                published: difference.is_none(),
                difference,
            }),
            ..data
        })
    }

    /// What a model must know of these data.
    pub fn summary(&self) -> DataSummary {
        let scales = self
            .standardizer
            .as_ref()
            .map(|scale| (scale.means().to_vec(), scale.stds().to_vec()));
        DataSummary {
            dimension: self.dimension,
            scales,
            given: self.given.clone(),
            image: self.image,
        }
    }

    /// The first `rows` test rows, at most all, for a curve over the run; none where none are asked for.
    ///
    /// # Errors
    /// Those of slicing.
    pub fn watched(&self, rows: usize) -> Result<Option<Rows>> {
        let rows = rows.min(self.test.rows());
        (rows > 0).then(|| self.test.first(rows)).transpose()
    }

    fn fresh(config: &RunConfig, streams: &Streams, draw: &Draw) -> Self {
        let sample = |rows, purpose| draw(rows, &mut streams.rng(purpose, 0, 0));
        let train = draw.clone();
        Self {
            dimension: 2,
            names: None,
            given: None,
            source: Box::new(FreshSamples::new(
                config.training.batch,
                dtype(config.model.precision),
                move |rows, rng: &mut ChaCha8Rng| train(rows, rng),
            )),
            validation: sample(config.training.validation_rows, Purpose::Validation).into(),
            test: sample(config.evaluation.toy_rows, Purpose::Test).into(),
            standardizer: None,
            gaussian_nll: None,
            split: None,
            image: None,
        }
    }

    fn table(
        config: &RunConfig,
        prepared: Prepared,
        names: Option<Vec<String>>,
        (train_rows, test_rows): (Option<usize>, Option<usize>),
    ) -> Result<Self> {
        let Prepared { splits, standardizer } = prepared;
        let train = first(splits.train, train_rows)?;
        let test = first(splits.test, test_rows)?;
        let batch = config.training.batch;
        require_rows_in_all(&train, batch, &splits.validation, &test)?;
        let gaussian_nll = gaussian_nll(&train, &test);
        Ok(Self {
            dimension: train.columns(),
            names,
            given: None,
            validation: first(splits.validation, Some(config.training.validation_rows))?.into(),
            source: Box::new(ShuffledRows::new(train, batch, dtype(config.model.precision))?),
            test: test.into(),
            standardizer: Some(standardizer),
            gaussian_nll,
            split: None,
            image: None,
        })
    }

    /// A table some of whose columns the others are given.
    fn conditional(config: &RunConfig, prepared: Prepared, names: &[String], cut: &Cut) -> Result<Self> {
        let Prepared { splits, standardizer } = prepared;
        let batch = config.training.batch;
        require_rows_in_all(&splits.train, batch, &splits.validation, &splits.test)?;
        let (train, given_train) = cut.apply(&splits.train)?;
        let (test, given_test) = cut.apply(&splits.test)?;
        let gaussian_nll = conditional_gaussian_nll((&splits.train, &given_train), (&splits.test, &given_test));
        let (validation, given) = cut.apply(&first(splits.validation, Some(config.training.validation_rows))?)?;
        let source = ShuffledRows::new(train, batch, dtype(config.model.precision))?;
        let of = |columns: &[usize], all: &[f64]| columns.iter().map(|&column| all[column]).collect();
        let named = |columns: &[usize]| columns.iter().map(|&column| names[column].clone()).collect::<Vec<_>>();
        Ok(Self {
            dimension: cut.rest.len(),
            names: Some(named(&cut.rest)),
            given: Some(GivenColumns {
                names: named(&cut.given),
                rest: named(&cut.rest),
                means: of(&cut.given, standardizer.means()),
                stds: of(&cut.given, standardizer.stds()),
            }),
            validation: Rows::new(validation, Some(given))?,
            source: Box::new(source.given(given_train)?),
            test: Rows::new(test, Some(given_test))?,
            standardizer: Some(Standardizer::new(
                of(&cut.rest, standardizer.means()),
                of(&cut.rest, standardizer.stds()),
            )?),
            gaussian_nll,
            split: None,
            image: None,
        })
    }
}

/// The first rows of a table, or all.
fn first(matrix: Matrix<f32>, rows: Option<usize>) -> Result<Matrix<f32>> {
    let rows = rows.unwrap_or(usize::MAX).min(matrix.rows());
    Ok(if rows == matrix.rows() {
        matrix
    } else {
        matrix.slice(0..rows)?
    })
}

fn require_rows_in_all(train: &Matrix<f32>, batch: usize, validation: &Matrix<f32>, test: &Matrix<f32>) -> Result<()> {
    require_rows("training", train, batch, " or set training.batch to at most that")?;
    require_rows("validation", validation, 1, "")?;
    require_rows("test", test, 1, "")
}

fn require_rows(split: &'static str, rows: &Matrix<f32>, needed: usize, remedy: &'static str) -> Result<()> {
    if rows.rows() >= needed {
        return Ok(());
    }
    Err(RunError::TooFewRows {
        split,
        rows: rows.rows(),
        needed: match needed {
            1 => "at least one is needed".to_string(),
            batch => format!("a batch takes {batch}"),
        },
        remedy,
    })
}

fn require_path(key: &str, path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() {
        return Err(RunError::Setting {
            setting: key.to_string(),
            reason: format!("this preset needs a file: give --set {key}=FILE"),
        });
    }
    Ok(())
}

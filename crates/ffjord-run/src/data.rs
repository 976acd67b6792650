//! The data of a run.

use crate::config::{BenchmarkConfig, DataConfig, ModelKind, Precision, RunConfig, TableConfig};
use crate::data_summary::{DataSummary, ImageFormat};
use crate::dequantize::{Dequantized, NOISE, spread};
use crate::error::{Result, RunError};
use crate::evaluation::gaussian_nll;
use crate::given::{Cut, GivenColumns};
use crate::level_start::level_probabilities;
use crate::model::{Model, dtype};
use crate::own_table::OwnTable;
use crate::rows::Rows;
use candle_core::WithDType;
use ffjord_data::benchmark::store;
use ffjord_data::power::{self, PowerDataset};
use ffjord_data::toy::{ImageDensity, Ink};
use ffjord_data::{Benchmark, Element, Images, Lattice, Matrix, Prepared, Splits, Standardizer, ToyDensity};
use ffjord_train::{BatchSource, FreshSamples, Purpose, ShuffledRows, Streams};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A run's data: where batches come from, and what is held out.
///
/// ```
/// use ffjord_run::{RunData, config::{Preset, resolve}};
/// use ffjord_train::Streams;
/// let settings = ["training.batch=8", "training.validation_rows=20", "evaluation.toy_rows=30"].map(str::to_string);
/// let config = resolve(&Preset::find("toy-moons")?, &settings, None)?;
/// let data = RunData::load(&config, &Streams::new(0), "".as_ref())?;
/// assert_eq!((data.dimension, data.validation.rows(), data.test.rows()), (2, 20, 30));
/// assert_eq!(data.source.batch(0, &Streams::new(0))?.x.dims(), [8, 2]);
/// assert_eq!(data.watched(5)?.map(|rows| rows.rows()), Some(5));
/// assert_eq!(data.summary().dimension, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct RunData {
    /// The dimension D of a row.
    pub dimension: usize,
    /// The names of a row's columns, if they have any.
    pub names: Option<Vec<String>>,
    /// What rows are given, in conditional runs.
    pub given: Option<GivenColumns>,
    /// Training batches.
    pub source: Box<dyn BatchSource>,
    /// Rows for validation, with all digits that the model's precision has.
    pub validation: Rows<f64>,
    /// Rows for the final evaluation, likewise.
    pub test: Rows<f64>,
    /// The map of rows from original units to the model's, for tables.
    pub standardizer: Option<Standardizer>,
    /// Nats of a full-covariance Gaussian fitted to the training rows, for tables; in conditional runs, of that Gaussian
    /// given the condition.
    pub gaussian_nll: Option<f64>,
    /// Whose split it is, for benchmarks.
    pub split: Option<SplitLabel>,
    /// What is known of the file, for own tables.
    pub file: Option<TableFile>,
    /// Shape and levels, for images.
    pub image: Option<ImageFormat>,
    pub(crate) training_rows: TrainingRows,
}

/// Where rows come from that a model is fitted to before its training.
pub(crate) enum TrainingRows {
    Table(Arc<ShuffledRows>),
    Own(Matrix<f64>),
    Fresh(Draw),
    /// Images, and whether they are turned left to right.
    Images(Arc<Images>, bool),
}

/// What a run tells and keeps of the file of an own table.
///
/// ```
/// use ffjord_run::{RunData, config::{Preset, resolve}};
/// use ffjord_train::Streams;
/// # let place = tempfile::tempdir()?;
/// let path = place.path().join("waves.csv");
/// let rows = (0..400).map(|i| f64::from(i)).map(|i| format!("{},{}\n", i.sin() + 0.1 * (1.7 * i).cos(), i.cos()));
/// std::fs::write(&path, format!("x,y\n{}", rows.collect::<String>()))?;
/// let settings = [format!("data.path={}", path.display()), "training.validation_rows=10".to_string()];
/// let config = resolve(&Preset::find("table")?, &settings, None)?;
/// let file = RunData::load(&config, &Streams::new(0), "".as_ref())?.file.ok_or("a table")?;
/// assert!(file.reading.contains("400 rows × 2 columns (x, y)"), "{}", file.reading);
/// assert!(file.left_out.is_empty() && file.unbounded.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TableFile {
    /// What was read and how it was split, in one line.
    pub reading: String,
    /// What a density of the table suffers from, each with its remedy in one sentence.
    pub warnings: Vec<String>,
    /// The array of an archive.
    pub array: Option<String>,
    /// Columns of the file that are neither modelled nor given.
    pub left_out: Vec<String>,
    /// The lattices, in the table's units, of the modelled columns that noise is added to, `[D]`.
    pub dequantized: Vec<Option<Lattice>>,
    /// The modelled columns in which a density can be unbounded: those on a lattice without noise, with a frequent value,
    /// or that depend on others. The likelihood is none of a density then.
    pub unbounded: Vec<String>,
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
///
/// ```
/// use ffjord_run::SplitLabel;
/// let label = SplitLabel { dataset: "power", published: false, difference: Some("1000 training rows".to_string()) };
/// assert_eq!(serde_json::to_value(&label)?["published"], false);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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

/// Samples that stand for training rows where these are drawn anew for every batch.
const FRESH_ROWS: usize = 10_000;

type Draw = Arc<dyn Fn(usize, &mut ChaCha8Rng) -> Matrix<f32>>;

impl RunData {
    /// Loads what a configuration asks for; benchmarks without a path come from the folder `cache`, as
    /// `ffjord_data::benchmark::store` fills it.
    ///
    /// # Errors
    /// When a name is not known, or a file cannot be read or used.
    pub fn load(config: &RunConfig, streams: &Streams, cache: &Path) -> Result<Self> {
        if config.model.kind == ModelKind::Vae {
            return Err(RunError::VariationalAutoencoder { command: "a flow" });
        }
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
            DataConfig::Table(own) => {
                require_path("data.path", &own.path)?;
                let table = OwnTable::load(own, config, streams)?;
                match config.model.precision {
                    Precision::F32 => Self::own::<f32>(config, own, &table, streams),
                    Precision::F64 => Self::own::<f64>(config, own, &table, streams),
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

    /// The training rows `[N, D]` that the start of a flow is fitted to; of a density that is sampled anew for every batch,
    /// ten thousand samples.
    pub fn training_rows(&self, streams: &Streams) -> Matrix<f64> {
        match &self.training_rows {
            TrainingRows::Table(rows) => rows.table().cast(),
            TrainingRows::Own(rows) => rows.clone(),
            // Of images the levels are counted, see `fit_start`.
            TrainingRows::Images(..) => Matrix::from_rows::<1>(&[]),
            TrainingRows::Fresh(draw) => draw(FRESH_ROWS, &mut streams.rng(Purpose::Initialise, 1, 0)).cast(),
        }
    }

    /// The training images, of runs of images.
    pub fn training_images(&self) -> Option<&Images> {
        match &self.training_rows {
            TrainingRows::Images(images, _) => Some(images),
            _ => None,
        }
    }

    /// Fits the maps that a model starts with, if it has any, to the training rows; of images, to how often each pixel has
    /// each level. Returns how many rows these are.
    ///
    /// # Errors
    /// As [`Model::fit_start`](crate::Model::fit_start).
    pub fn fit_start(&self, model: &Model, streams: &Streams) -> Result<usize> {
        if let TrainingRows::Images(images, flips) = &self.training_rows {
            if !model.start.is_empty() {
                model.fit_start_to_levels(&level_probabilities(images, *flips))?;
            }
            return Ok(images.len());
        }
        let rows = self.training_rows(streams);
        model.fit_start(&rows, &self.validation.x)?;
        Ok(rows.rows())
    }

    /// What a model must know of these data.
    pub fn summary(&self) -> DataSummary {
        let scales = self
            .standardizer
            .as_ref()
            .map(|scale| (scale.means().to_vec(), scale.stds().to_vec()));
        let file = self.file.as_ref();
        DataSummary {
            dimension: self.dimension,
            names: self.names.clone(),
            scales,
            given: self.given.clone(),
            array: file.and_then(|file| file.array.clone()),
            left_out: file.map(|file| file.left_out.clone()).unwrap_or_default(),
            dequantized: file.map(|file| file.dequantized.clone()).unwrap_or_default(),
            unbounded: file.map(|file| file.unbounded.clone()).unwrap_or_default(),
            source: None,
            image: self.image,
        }
    }

    /// The first `rows` test rows, at most all, for a curve over the run; none where none are asked for.
    ///
    /// # Errors
    /// Those of slicing.
    pub fn watched(&self, rows: usize) -> Result<Option<Rows<f64>>> {
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
            validation: sample(config.training.validation_rows, Purpose::Validation)
                .cast()
                .into(),
            test: sample(config.evaluation.toy_rows, Purpose::Test).cast().into(),
            standardizer: None,
            gaussian_nll: None,
            split: None,
            file: None,
            training_rows: TrainingRows::Fresh(draw.clone()),
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
        require_rows_in_all(&train, &splits.validation, &test)?;
        let batch = config.training.batch.min(train.rows());
        let gaussian_nll = gaussian_nll(&train, &test);
        let source = ShuffledRows::new(train, batch, dtype(config.model.precision))?;
        let source = Arc::new(source);
        Ok(Self {
            dimension: test.columns(),
            names,
            given: None,
            validation: first(splits.validation, Some(config.training.validation_rows))?
                .cast()
                .into(),
            source: Box::new(source.clone()),
            test: test.cast().into(),
            standardizer: Some(standardizer),
            gaussian_nll,
            split: None,
            file: None,
            training_rows: TrainingRows::Table(source),
            image: None,
        })
    }

    /// An own table, in the precision of its model; some of its columns may be given.
    fn own<T: Element + WithDType>(
        config: &RunConfig,
        own: &TableConfig,
        table: &OwnTable,
        streams: &Streams,
    ) -> Result<Self> {
        let Splits {
            train,
            validation,
            test,
        } = &table.splits;
        require_rows_in_all(train, validation, test)?;
        let batch = config.training.batch.min(train.rows());
        let mut warnings = table.warnings.clone();
        if batch < config.training.batch {
            warnings.push(format!(
                "every batch is all {batch} training rows, since training.batch={} asks for more than there are",
                config.training.batch
            ));
        }
        let cut = Cut::new(&own.given, &table.columns)?;
        let dtype = dtype(config.model.precision);
        // Rows that are evaluated get their noise once; rows to train on get theirs afresh with every batch.
        let steps = table.steps();
        let noisy = |rows: &Matrix<f64>, purpose| match &steps {
            Some(steps) => spread(rows, steps, &mut streams.rng(purpose, 0, NOISE)),
            None => Ok(rows.clone()),
        };
        // Rounded to the model's precision, so that all that compute with them have the same numbers.
        let rounded = |rows: Matrix<f64>| rows.cast::<T>().cast::<f64>();
        let test = rounded(noisy(test, Purpose::Test)?);
        let validation = first(validation.clone(), Some(config.training.validation_rows))?;
        let validation = rounded(noisy(&validation, Purpose::Validation)?);
        let fitted = rounded(noisy(train, Purpose::Data)?);
        let (rest_train, given_train) = cut.apply(&train.cast::<T>())?;
        let (rest_test, given_test) = cut.apply(&test)?;
        let (rest_validation, given_validation) = cut.apply(&validation)?;
        let mut nll = gaussian_nll(&fitted, &test);
        let rows = ShuffledRows::new(rest_train, batch, dtype)?;
        let rows = match given_train {
            Some(given) => {
                let of_given = given_test.as_ref().and_then(|test| gaussian_nll(&given, test));
                // ln p(rest | given) = ln p(rest, given) − ln p(given), and the marginals of a Gaussian fitted to all
                // columns are those fitted to some.
                nll = nll.zip(of_given).map(|(all, given)| all - given);
                rows.given(given)?
            }
            None => rows,
        };
        let of = |columns: &[usize], all: &[f64]| columns.iter().map(|&column| all[column]).collect::<Vec<_>>();
        let named = |columns: &[usize]| -> Vec<String> {
            columns.iter().map(|&column| table.columns[column].clone()).collect()
        };
        let (means, stds) = (table.standardizer.means(), table.standardizer.stds());
        let given = (!cut.given.is_empty()).then(|| GivenColumns {
            names: named(&cut.given),
            rest: named(&cut.rest),
            means: of(&cut.given, means),
            stds: of(&cut.given, stds),
        });
        let source: Box<dyn BatchSource> = match &steps {
            Some(steps) => Box::new(Dequantized {
                source: rows,
                steps: of(&cut.rest, steps),
                dtype,
            }),
            None => Box::new(rows),
        };
        Ok(Self {
            dimension: cut.rest.len(),
            names: (table.named || given.is_some()).then(|| named(&cut.rest)),
            given,
            source,
            validation: Rows::new(rest_validation, given_validation)?,
            test: Rows::new(rest_test, given_test)?,
            standardizer: Some(Standardizer::new(of(&cut.rest, means), of(&cut.rest, stds))?),
            gaussian_nll: nll,
            split: None,
            file: Some(TableFile {
                reading: table.reading.clone(),
                warnings,
                array: table.array.clone(),
                left_out: table.left_out.clone(),
                dequantized: match steps {
                    Some(_) => cut.rest.iter().map(|&column| table.dequantized[column]).collect(),
                    None => Vec::new(),
                },
                unbounded: named(
                    &cut.rest
                        .iter()
                        .copied()
                        .filter(|column| table.unbounded.contains(column))
                        .collect::<Vec<_>>(),
                ),
            }),
            training_rows: TrainingRows::Own(cut.apply(&fitted)?.0),
            image: None,
        })
    }
}

/// The first rows of a table, or all.
fn first<T: Element>(matrix: Matrix<T>, rows: Option<usize>) -> Result<Matrix<T>> {
    let rows = rows.unwrap_or(usize::MAX).min(matrix.rows());
    Ok(if rows == matrix.rows() {
        matrix
    } else {
        matrix.slice(0..rows)?
    })
}

fn require_rows_in_all<T: Element>(train: &Matrix<T>, validation: &Matrix<T>, test: &Matrix<T>) -> Result<()> {
    for (split, rows) in [("training", train), ("validation", validation), ("test", test)] {
        if rows.rows() == 0 {
            return Err(RunError::TooFewRows {
                split,
                rows: 0,
                needed: "at least one is needed".to_string(),
                remedy: "",
            });
        }
    }
    Ok(())
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

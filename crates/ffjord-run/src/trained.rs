//! A trained flow as it is used: opened, asked for densities and samples.

use crate::config::{DataConfig, RunConfig, TableConfig};
use crate::data_summary::{DataSummary, ImageFormat, no_density};
use crate::dequantize::spread_by_value;
use crate::error::{Result, RunError};
use crate::evaluation::log_likelihoods;
use crate::given::{GivenColumns, by_name, listed};
use crate::model::Model;
use crate::original::{BLOCK_ROWS, original_in_blocks};
use crate::rows::Rows;
use crate::run_folder::RunFolder;
use candle_core::WithDType;
use ffjord_cuda::DeviceName;
use ffjord_data::image::ImageRows;
use ffjord_data::table::Table;
use ffjord_data::{Element, Lattice, Matrix, Standardizer};
use ffjord_flow::{Density, SolveSettings};
use ffjord_train::{Purpose, Streams};
use std::path::{Path, PathBuf};

mod samples;
#[cfg(test)]
mod tests;

/// Rows evaluated at a time.
const EVALUATED: usize = 2000;

/// What rows, samples and densities are measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Units {
    /// The units of the training data's file. Where columns were standardised, `z = (x − μ)/σ`, densities are those of
    /// `x`: `ln p(x) = ln p(z) − Σ ln σ`.
    #[default]
    Data,
    /// Standardised columns, as the model sees them and as benchmarks are published. Densities are those of `z`.
    Standardised,
}

/// How a trained flow is opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opening {
    /// Whether every row is evaluated by a solve of its own; otherwise rows share solves as the run says.
    pub per_row: bool,
    /// Where solves are carried out, wherever the flow was trained; checkpoints of the original are for the processor.
    pub device: DeviceName,
}

/// A trained flow: a run folder, weights in one, or a checkpoint of the original implementation.
///
/// Toy densities and checkpoints of the original have no standardisation, so that their [`Units`] are the same.
///
/// ```
/// use ffjord_run::{Matrix, Trained};
/// # use ffjord_run::{DataSummary, Model, RunFolder, config::{Preset, resolve}};
/// # use ffjord_train::{Purpose, Streams};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let place = tempfile::tempdir()?;
/// # let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
/// # let scales = Some((vec![1.0, 1.0], vec![2.0, 2.0]));
/// # let summary = DataSummary { dimension: 2, scales, ..DataSummary::default() };
/// # let folder = RunFolder::open(&place.path().join("runs/moons"), &config, &summary, false)?;
/// # folder.save_model(&Model::build(&config, 2, 0, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?)?;
/// # let runs = place.path().join("runs");
/// let run = Trained::open(runs.join("moons"))?;
/// let rows = Matrix::from_rows(&[[0.0, 0.5], [1.0, -0.5]]);
/// let log_prob = run.log_prob(&rows)?;
/// let samples = run.sample(100, 0)?;
/// assert_eq!((log_prob.len(), samples.rows(), samples.columns()), (2, 100, 2));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Trained {
    model: Model,
    origin: PathBuf,
    standardizer: Option<Standardizer>,
    given: Option<Given>,
    columns: Option<Vec<String>>,
    array: Option<String>,
    left_out: Vec<String>,
    dequantized: Vec<Option<Lattice>>,
    unbounded: Vec<String>,
    table: Option<TableConfig>,
    image: Option<ImageFormat>,
    units: Units,
}

/// What rows are given, and the map from the training data's units to the model's.
#[derive(Debug)]
struct Given {
    columns: GivenColumns,
    standardizer: Standardizer,
}

impl Trained {
    /// Opens a run folder, a `.safetensors` file in one, or a `.pth` file of the original implementation; rows and
    /// densities are in [`Units::Data`].
    ///
    /// # Errors
    /// When it is none of these, or cannot be read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_evaluating(path.as_ref(), Opening::default())
    }

    /// As [`open`](Self::open), on another device or with a solve for each row.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`RunError::Device`] if the device is not there or does not have the flow.
    pub fn open_with(path: impl AsRef<Path>, opening: Opening) -> Result<Self> {
        Self::open_evaluating(path.as_ref(), opening)
    }

    /// As [`open`](Self::open), but every row is evaluated by a solve of its own, so that its density depends on no row
    /// beside it, bit for bit. That costs up to twice the time, or more of small networks.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_per_row(path: impl AsRef<Path>) -> Result<Self> {
        let opening = Opening {
            per_row: true,
            ..Opening::default()
        };
        Self::open_evaluating(path.as_ref(), opening)
    }

    fn open_evaluating(path: &Path, opening: Opening) -> Result<Self> {
        let block_rows = opening.per_row.then_some(SolveSettings::PER_ROW);
        let weights = path.extension().is_some_and(|extension| extension == "safetensors");
        let configured = |folder: &RunFolder| -> Result<RunConfig> {
            let mut config = folder.config()?;
            config.device = opening.device;
            config.solver.test.block_rows = block_rows.unwrap_or(config.solver.test.block_rows);
            Ok(config)
        };
        let mut table = None;
        let mut of_table = |config: &RunConfig| {
            if let DataConfig::Table(own) = &config.data {
                table = Some(own.clone());
            }
        };
        let (model, data) = if path.is_dir() {
            let folder = RunFolder::existing(path)?;
            let config = configured(&folder)?;
            of_table(&config);
            (folder.model_under(&config)?, folder.data()?)
        } else if weights {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let folder = RunFolder::existing(parent.unwrap_or(Path::new(".")))?;
            let config = configured(&folder)?;
            of_table(&config);
            (folder.model_from_under(&config, path)?, folder.data()?)
        } else {
            let model = original_in_blocks(path, block_rows.unwrap_or(BLOCK_ROWS))?;
            let data = DataSummary {
                dimension: model.dimension(),
                ..DataSummary::default()
            };
            (model, data)
        };
        let standardizer = data.standardizer()?;
        let image = data
            .image
            .or_else(|| ImageFormat::of_rows(Density::row_shape(&model.flow)));
        let DataSummary {
            names,
            array,
            left_out,
            dequantized,
            unbounded,
            given,
            ..
        } = data;
        let given = given.map(|columns| -> Result<Given> {
            let standardizer = columns.standardizer()?;
            Ok(Given { columns, standardizer })
        });
        Ok(Self {
            model,
            origin: path.to_path_buf(),
            standardizer,
            given: given.transpose()?,
            columns: names,
            array,
            left_out,
            dequantized,
            unbounded,
            table,
            image,
            units: Units::default(),
        })
    }

    /// The same flow with rows, samples and densities in these units.
    #[must_use]
    pub fn in_units(self, units: Units) -> Self {
        Self { units, ..self }
    }

    /// The flow itself, on standardised rows.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The number of columns of a row.
    pub fn dimension(&self) -> usize {
        self.model.dimension()
    }

    /// The columns that rows are given, of conditional runs.
    pub fn given(&self) -> Option<&GivenColumns> {
        self.given.as_ref().map(|given| &given.columns)
    }

    /// The map from the training data's units to the model's; none where there is no difference.
    pub fn standardizer(&self) -> Option<&Standardizer> {
        self.standardizer.as_ref()
    }

    /// The names of a row's columns, if the run has kept some.
    pub fn columns(&self) -> Option<&[String]> {
        self.columns.as_deref()
    }

    /// The lattices, in the training data's units, of the columns that noise was added to, `[D]`; empty where none was.
    pub fn dequantized(&self) -> &[Option<Lattice>] {
        &self.dequantized
    }

    /// A sentence where the likelihood is none of a density, on why.
    pub fn no_density(&self) -> Option<String> {
        no_density(&self.unbounded)
    }

    /// How the training data's file was to be read, of runs of own tables.
    pub fn table(&self) -> Option<&TableConfig> {
        self.table.as_ref()
    }

    /// The map from the training data's units to the model's for what rows are given; none of other runs.
    pub fn given_standardizer(&self) -> Option<&Standardizer> {
        self.given.as_ref().map(|given| &given.standardizer)
    }

    /// Shape and levels, of flows of images.
    pub fn image(&self) -> Option<ImageFormat> {
        self.image
    }

    /// Images as rows of the model, `[N, C·H·W]`: levels get uniform noise, a function of the pixel's place alone, and
    /// become numbers from 0 to 1.
    ///
    /// # Errors
    /// Those of matrices.
    pub fn image_rows(&self, images: ImageRows) -> Result<Rows<f64>> {
        Ok(match images {
            ImageRows::Levels(images) => {
                let noise = &mut Streams::new(0).rng(Purpose::Test, 0, 0);
                images.dequantised(0..images.len(), noise)?.cast().into()
            }
            ImageRows::Dequantised(rows) => rows.into(),
            other => {
                return Err(RunError::Setting {
                    setting: "images".to_string(),
                    reason: format!("{other:?} are of a kind that no flow takes"),
                });
            }
        })
    }

    /// The log-determinant of the standardisation, `Σ ln σ`: by so much densities of standardised rows lie above those in
    /// [`Units::Data`], in nats.
    pub fn log_scale(&self) -> f64 {
        let stds = self.standardizer.iter().flat_map(Standardizer::stds);
        stds.map(|std| std.ln()).sum()
    }

    /// The columns of a table that a row is made of, found by name where both the run and the table have names, and by
    /// position otherwise; columns that the training data had beside them are left out.
    ///
    /// # Errors
    /// [`RunError::OtherColumns`] where names are missing or unknown, [`RunError::Columns`] for another number of columns
    /// without names.
    pub fn arrange(&self, table: &Table) -> Result<Matrix<f64>> {
        match (&self.columns, &table.names) {
            (Some(own), Some(names)) => by_name(own, &self.left_out, &table.values, names),
            _ => Ok(table.values.clone()),
        }
    }

    /// A table as the run knows it: without the columns that the training data's file had beside those of rows and
    /// conditions, and with numbers for names where the run calls columns so.
    #[must_use]
    pub fn familiar(&self, mut table: Table) -> Table {
        let own = self.columns.iter().flatten();
        let given = self.given().into_iter().flat_map(|given| &given.names);
        let all: Vec<&String> = own.chain(given).chain(&self.left_out).collect();
        let numbers: Vec<String> = (0..table.values.columns()).map(|column| column.to_string()).collect();
        if table.names.is_none() && all.len() == numbers.len() && numbers.iter().all(|number| all.contains(&number)) {
            table.names = Some(numbers);
        }
        match &table.names {
            Some(names) if names.iter().any(|name| self.left_out.contains(name)) => table.without(&self.left_out),
            _ => table,
        }
    }

    /// Standardised rows with noise on the columns that lie on a lattice, as the model knows them: a function of the row
    /// alone, so that its density depends neither on its place nor on rows beside it.
    ///
    /// # Errors
    /// Those of matrices.
    pub fn dequantised(&self, rows: Rows<f64>) -> Result<Rows<f64>> {
        let Some(standardizer) = self.standardizer.as_ref().filter(|_| !self.dequantized.is_empty()) else {
            return Ok(rows);
        };
        let pairs = self.dequantized.iter().zip(standardizer.stds());
        let steps: Vec<f64> = pairs
            .map(|(lattice, std)| lattice.map_or(0.0, |lattice| lattice.step / std))
            .collect();
        let x = spread_by_value(&rows.x, &steps, &Streams::new(0))?;
        Rows::new(x, rows.given)
    }

    /// The array of an archive that the training data were.
    pub fn array(&self) -> Option<&str> {
        self.array.as_deref()
    }

    /// Columns that the training data's file has beside those of a row.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// `ln p(x)` of every row of `[B, D]`, in nats.
    ///
    /// # Errors
    /// [`RunError::Columns`] for rows of another length, [`RunError::MissingCondition`] for a conditional flow, and the
    /// flow's when a solve fails.
    pub fn log_prob<T: Element + WithDType>(&self, rows: &Matrix<T>) -> Result<Vec<f64>> {
        self.log_prob_of(rows.clone().into())
    }

    /// `ln p(x | given)` of every row of `[B, D]` given the row of `[B, C]` beside it, in nats; conditions are in the same
    /// units as rows, with columns as [`given`](Self::given) names them.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob); [`RunError::UnexpectedCondition`] for a flow that is not conditional,
    /// [`RunError::ConditionColumns`] and [`RunError::ConditionRows`] for conditions that do not fit.
    pub fn log_prob_given<T: Element + WithDType>(&self, rows: &Matrix<T>, given: &Matrix<T>) -> Result<Vec<f64>> {
        self.log_prob_of(Rows::new(rows.clone(), Some(given.clone()))?)
    }

    fn log_prob_of<T: Element + WithDType>(&self, rows: Rows<T>) -> Result<Vec<f64>> {
        self.check(&rows)?;
        if rows.rows() == 0 {
            return Ok(Vec::new());
        }
        if self.rescaling().is_none() {
            return evaluate(&self.model, &rows);
        }
        let rows = Rows::new(rows.x.cast(), rows.given.map(|given| given.cast()))?;
        let mut log_prob = evaluate(&self.model, &self.standardised(&rows)?)?;
        let log_det = self.log_scale();
        log_prob.iter_mut().for_each(|value| *value -= log_det);
        Ok(log_prob)
    }

    /// Rows and conditions in the training data's units as the model sees them; the same where there is no difference.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn standardised(&self, rows: &Rows<f64>) -> Result<Rows<f64>> {
        self.check(rows)?;
        let Some(standardizer) = &self.standardizer else {
            return Ok(rows.clone());
        };
        let given = match (&rows.given, &self.given) {
            (Some(conditions), Some(given)) => Some(given.standardizer.apply(conditions)?),
            _ => None,
        };
        Rows::new(standardizer.apply(&rows.x)?, given)
    }

    /// Fails unless rows have the model's columns, and conditions if and only if it takes some.
    ///
    /// # Errors
    /// [`RunError::Columns`], [`RunError::MissingCondition`], [`RunError::UnexpectedCondition`],
    /// [`RunError::ConditionColumns`].
    pub fn check<T: Element>(&self, rows: &Rows<T>) -> Result<()> {
        if rows.x.columns() != self.dimension() {
            return Err(RunError::Columns {
                model: self.origin.clone(),
                given: rows.x.columns(),
                expected: self.dimension(),
            });
        }
        self.check_condition(rows.given.as_ref().map(Matrix::columns))
    }

    /// As [`check`](Self::check), for conditions of so many columns, or none.
    fn check_condition(&self, columns: Option<usize>) -> Result<()> {
        let model = self.origin.clone();
        match (columns, self.given()) {
            (None, None) => Ok(()),
            (None, Some(given)) => Err(RunError::MissingCondition {
                model,
                names: listed(&given.names),
            }),
            (Some(_), None) => Err(RunError::UnexpectedCondition { model }),
            (Some(columns), Some(given)) if columns != given.names.len() => Err(RunError::ConditionColumns {
                model,
                given: columns,
                expected: given.names.len(),
                names: listed(&given.names),
            }),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    /// The map between a caller's rows and the model's, unless they are the same.
    fn rescaling(&self) -> Option<&Standardizer> {
        self.standardizer.as_ref().filter(|_| self.units == Units::Data)
    }
}

fn evaluate<T: Element + WithDType>(model: &Model, rows: &Rows<T>) -> Result<Vec<f64>> {
    Ok(log_likelihoods(model, rows, EVALUATED, (&Streams::new(0), Purpose::Test), |_| ())?.0)
}

//! A trained flow as it is used: opened, asked for densities and samples.

use crate::error::{Result, RunError};
use crate::evaluation::log_likelihoods;
use crate::given::{GivenColumns, listed};
use crate::model::Model;
use crate::original::load_original;
use crate::rows::Rows;
use crate::run_folder::{DataSummary, RunFolder};
use crate::sampling::{samples, samples_given};
use candle_core::{DType, Tensor, WithDType};
use ffjord_data::{Element, Matrix, Standardizer};
use ffjord_train::{Purpose, Streams};
use std::path::{Path, PathBuf};

/// Rows evaluated and samples drawn at a time.
const EVALUATED: usize = 2000;
const DRAWN: usize = 4096;

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
/// # let summary = DataSummary { dimension: 2, scales, given: None, image: None };
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
        let path = path.as_ref();
        let weights = path.extension().is_some_and(|extension| extension == "safetensors");
        let (model, data) = if path.is_dir() {
            let folder = RunFolder::existing(path)?;
            (folder.model()?, folder.data()?)
        } else if weights {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let folder = RunFolder::existing(parent.unwrap_or(Path::new(".")))?;
            (folder.model_from(path)?, folder.data()?)
        } else {
            let model = load_original(path)?;
            let data = DataSummary {
                dimension: model.dimension(),
                scales: None,
                given: None,
                image: None,
            };
            (model, data)
        };
        let standardizer = data.standardizer()?;
        let given = data.given.map(|columns| -> Result<Given> {
            let standardizer = columns.standardizer()?;
            Ok(Given { columns, standardizer })
        });
        Ok(Self {
            model,
            origin: path.to_path_buf(),
            standardizer,
            given: given.transpose()?,
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
        let Some(standardizer) = self.rescaling() else {
            return evaluate(&self.model, &rows);
        };
        let rows = Rows::new(rows.x.cast(), rows.given.map(|given| given.cast()))?;
        let mut log_prob = evaluate(&self.model, &self.standardised(&rows)?)?;
        let log_det: f64 = standardizer.stds().iter().map(|std| std.ln()).sum();
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

    /// `count` samples `[count, D]`; the same seed draws the same ones.
    ///
    /// # Errors
    /// [`RunError::MissingCondition`] for a conditional flow, and the flow's when a solve fails.
    pub fn sample(&self, count: usize, seed: u64) -> Result<Matrix<f64>> {
        self.check_condition(None)?;
        if count == 0 {
            return Ok(Matrix::new(0, self.dimension(), Vec::new())?);
        }
        self.in_callers_units(&samples(&self.model, count, DRAWN, &Streams::new(seed))?)
    }

    /// A sample for every row of conditions `[B, C]`, `[B, D]`; the same seed and conditions draw the same ones.
    ///
    /// ```no_run
    /// use ffjord_run::{Matrix, Trained};
    ///
    /// // Trained with --set 'data.given=["speed", "angle"]'.
    /// let run = Trained::open("runs/measurements")?;
    /// let given = Matrix::from_rows(&[[12.5, 0.3], [13.0, 0.3]]);
    /// let samples = run.sample_given(&given, 0)?;
    /// println!("{:?}", run.log_prob_given(&samples, &given)?);
    /// # Ok::<(), ffjord_run::RunError>(())
    /// ```
    ///
    /// # Errors
    /// [`RunError::UnexpectedCondition`] for a flow that is not conditional, [`RunError::ConditionColumns`] for conditions
    /// of another width, and the flow's when a solve fails.
    pub fn sample_given(&self, given: &Matrix<f64>, seed: u64) -> Result<Matrix<f64>> {
        self.check_condition(Some(given.columns()))?;
        if given.rows() == 0 {
            return Ok(Matrix::new(0, self.dimension(), Vec::new())?);
        }
        let streams = Streams::new(seed);
        let drawn = match self.given.as_ref().filter(|_| self.units == Units::Data) {
            Some(own) => samples_given(&self.model, &own.standardizer.apply(given)?, DRAWN, &streams)?,
            None => samples_given(&self.model, given, DRAWN, &streams)?,
        };
        self.in_callers_units(&drawn)
    }

    /// Samples `[B, D]` of the model as a caller gets them.
    fn in_callers_units(&self, drawn: &Tensor) -> Result<Matrix<f64>> {
        let values = drawn.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let drawn = Matrix::new(drawn.dim(0)?, self.dimension(), values)?;
        match self.rescaling() {
            Some(standardizer) => Ok(standardizer.invert(&drawn)?),
            None => Ok(drawn),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Preset, resolve};
    use crate::run_folder::DataSummary;

    fn run(place: &Path, scales: Option<(Vec<f64>, Vec<f64>)>) -> Result<Trained> {
        conditional(place, scales, None)
    }

    fn conditional(place: &Path, scales: Option<(Vec<f64>, Vec<f64>)>, given: Option<GivenColumns>) -> Result<Trained> {
        let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
        let summary = DataSummary {
            dimension: 2,
            scales,
            given,
            image: None,
        };
        let folder = RunFolder::open(place, &config, &summary, false)?;
        folder.save_model(&Model::build(
            &config,
            2,
            summary.given_len(),
            &mut Streams::new(0).rng(Purpose::Initialise, 0, 0),
        )?)?;
        Trained::open(place)
    }

    #[test]
    fn units_move_samples_and_densities_together() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        let run = run(place.path(), Some((vec![10.0, -3.0], vec![4.0, 0.5])))?;
        let (samples, log_prob) = (run.sample(5, 7)?, run.log_prob(&run.sample(5, 7)?)?);
        let run = run.in_units(Units::Standardised);
        let standardised = run.sample(5, 7)?;
        for (x, z) in samples.iter_rows().zip(standardised.iter_rows()) {
            assert!((x[0] - (4.0 * z[0] + 10.0)).abs() < 1e-12 && (x[1] - (0.5 * z[1] - 3.0)).abs() < 1e-12);
        }
        // The determinant of the scales is 4 · 0.5.
        for (x, z) in log_prob.iter().zip(run.log_prob(&standardised)?) {
            assert!((x + 2.0_f64.ln() - z).abs() < 1e-5, "{x} and {z}");
        }
        Ok(())
    }

    #[test]
    fn units_move_conditions_as_well() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        let columns = GivenColumns {
            names: vec!["speed".to_string()],
            rest: vec!["x".to_string(), "y".to_string()],
            means: vec![100.0],
            stds: vec![20.0],
        };
        let run = conditional(place.path(), Some((vec![10.0, -3.0], vec![4.0, 0.5])), Some(columns))?;
        let given = Matrix::from_rows(&[[90.0], [100.0], [120.0]]);
        let standard_given = Matrix::from_rows(&[[-0.5], [0.0], [1.0]]);
        let samples = run.sample_given(&given, 3)?;
        let log_prob = run.log_prob_given(&samples, &given)?;
        let refused = |answer: RunError, word: &str| assert!(answer.to_string().contains(word), "{answer}");
        for answer in [run.sample(2, 0).err(), run.log_prob(&samples).err()] {
            refused(answer.unwrap(), "given speed: give every row its condition");
        }
        refused(run.log_prob_given(&samples, &samples).unwrap_err(), "have 2 columns");
        refused(run.sample_given(&samples, 0).unwrap_err(), "have 2 columns");
        let one = Matrix::from_rows(&[[1.0]]);
        refused(run.log_prob_given(&samples, &one).unwrap_err(), "3 rows are given 1");

        let run = run.in_units(Units::Standardised);
        let standardised = run.sample_given(&standard_given, 3)?;
        let other = run.sample_given(&Matrix::from_rows(&[[1.0], [1.0], [1.0]]), 3)?;
        assert!(standardised.row(2) == other.row(2) && standardised.row(0) != other.row(0));
        for (x, z) in samples.iter_rows().zip(standardised.iter_rows()) {
            assert!((x[0] - (4.0 * z[0] + 10.0)).abs() < 1e-12 && (x[1] - (0.5 * z[1] - 3.0)).abs() < 1e-12);
        }
        for (x, z) in log_prob.iter().zip(run.log_prob_given(&standardised, &standard_given)?) {
            assert!((x + 2.0_f64.ln() - z).abs() < 1e-5, "{x} and {z}");
        }
        Ok(())
    }

    #[test]
    fn flows_that_are_given_nothing_refuse_conditions() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        let run = run(place.path(), None)?;
        let rows = Matrix::from_rows(&[[1.0, 2.0]]);
        for answer in [run.sample_given(&rows, 0).err(), run.log_prob_given(&rows, &rows).err()] {
            assert!(matches!(answer, Some(RunError::UnexpectedCondition { .. })));
        }
        Ok(())
    }

    #[test]
    fn no_rows_and_no_samples_are_no_error_but_other_columns_are() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", &std::env::temp_dir()))?;
        let run = run(place.path(), None)?;
        assert_eq!(run.log_prob(&Matrix::<f32>::new(0, 2, Vec::new())?)?, Vec::<f64>::new());
        let none = run.sample(0, 0)?;
        assert_eq!((none.rows(), none.columns()), (0, 2));
        let answer = run.log_prob(&Matrix::from_rows(&[[1.0, 2.0, 3.0]]));
        assert!(answer.is_err_and(|error| error.to_string().starts_with("the rows have 3 columns")));
        Ok(())
    }
}

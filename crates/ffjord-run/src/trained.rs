//! A trained flow as it is used: opened, asked for densities and samples.

use crate::error::{Result, RunError};
use crate::evaluation::log_likelihoods;
use crate::model::Model;
use crate::original::load_original;
use crate::run_folder::RunFolder;
use crate::sampling::samples;
use candle_core::{DType, WithDType};
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
/// # let summary = DataSummary { dimension: 2, scales: Some((vec![1.0, 1.0], vec![2.0, 2.0])) };
/// # let folder = RunFolder::open(&place.path().join("runs/moons"), &config, &summary, false)?;
/// # folder.save_model(&Model::build(&config, 2, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?)?;
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
    units: Units,
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
        let (model, standardizer) = if path.is_dir() {
            let folder = RunFolder::existing(path)?;
            (folder.model()?, folder.data()?.standardizer()?)
        } else if weights {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let folder = RunFolder::existing(parent.unwrap_or(Path::new(".")))?;
            (folder.model_from(path)?, folder.data()?.standardizer()?)
        } else {
            (load_original(path)?, None)
        };
        Ok(Self {
            model,
            origin: path.to_path_buf(),
            standardizer,
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

    /// The map from the training data's units to the model's; none where there is no difference.
    pub fn standardizer(&self) -> Option<&Standardizer> {
        self.standardizer.as_ref()
    }

    /// `ln p(x)` of every row of `[B, D]`, in nats.
    ///
    /// # Errors
    /// [`RunError::Columns`] for rows of another length, and the flow's when a solve fails.
    pub fn log_prob<T: Element + WithDType>(&self, rows: &Matrix<T>) -> Result<Vec<f64>> {
        if rows.columns() != self.dimension() {
            return Err(RunError::Columns {
                model: self.origin.clone(),
                given: rows.columns(),
                expected: self.dimension(),
            });
        }
        if rows.rows() == 0 {
            return Ok(Vec::new());
        }
        let Some(standardizer) = self.rescaling() else {
            return evaluate(&self.model, rows);
        };
        let mut log_prob = evaluate(&self.model, &standardizer.apply(&rows.cast())?)?;
        let log_det: f64 = standardizer.stds().iter().map(|std| std.ln()).sum();
        log_prob.iter_mut().for_each(|value| *value -= log_det);
        Ok(log_prob)
    }

    /// `count` samples `[count, D]`; the same seed draws the same ones.
    ///
    /// # Errors
    /// When a solve fails.
    pub fn sample(&self, count: usize, seed: u64) -> Result<Matrix<f64>> {
        if count == 0 {
            return Ok(Matrix::new(0, self.dimension(), Vec::new())?);
        }
        let drawn = samples(&self.model, count, DRAWN, &Streams::new(seed))?;
        let values = drawn.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?;
        let drawn = Matrix::new(count, self.dimension(), values)?;
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

fn evaluate<T: Element + WithDType>(model: &Model, rows: &Matrix<T>) -> Result<Vec<f64>> {
    Ok(log_likelihoods(model, rows, EVALUATED, (&Streams::new(0), Purpose::Test), |_| ())?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Preset, resolve};
    use crate::run_folder::DataSummary;

    fn run(place: &Path, scales: Option<(Vec<f64>, Vec<f64>)>) -> Result<Trained> {
        let config = resolve(&Preset::find("toy-moons")?, &["model.hidden=[8]".to_string()], None)?;
        let summary = DataSummary { dimension: 2, scales };
        let folder = RunFolder::open(place, &config, &summary, false)?;
        folder.save_model(&Model::build(
            &config,
            2,
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

//! What a run folder's `data.json` says of the data.

use crate::error::Result;
use crate::given::GivenColumns;
use ffjord_data::{Lattice, Standardizer};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a model must know of the data it was trained on.
///
/// ```
/// use ffjord_run::DataSummary;
/// let scales = Some((vec![10.0, -3.0], vec![4.0, 0.5]));
/// let summary = DataSummary { dimension: 2, scales, ..DataSummary::default() };
/// assert_eq!(summary.given_len(), 0);
/// let standardizer = summary.standardizer()?.ok_or("a table has scales")?;
/// let rows = ffjord_run::Matrix::from_rows(&[[14.0, -3.0]]);
/// assert_eq!(standardizer.apply(&rows)?.row(0), [1.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// The dimension D of a row.
    pub dimension: usize,
    /// The names of a row's columns, if they have any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<Vec<String>>,
    /// Means and standard deviations of a row's columns in original units, for tables.
    pub scales: Option<(Vec<f64>, Vec<f64>)>,
    /// What rows are given, in conditional runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<GivenColumns>,
    /// The array of an archive that the training data are; other archives have theirs under the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// Columns of the training data's file that are none of a row; other files may have them, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The lattices, in original units, of the columns that noise was added to, `[D]`; none where there was no noise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dequantized: Vec<Option<Lattice>>,
    /// Columns in which a density of the training data can be unbounded, so that likelihoods are none of a density.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unbounded: Vec<String>,
    /// Where the training data lie, for runs of own tables and pictures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DataSource>,
    /// What images look like, for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFormat>,
}

/// The shape and levels of a run's images.
///
/// ```
/// use ffjord_run::ImageFormat;
/// let digits = ImageFormat { shape: [1, 8, 8], levels: 16 };
/// // A uniform density of pixels in [0, 1) says nothing: 4 bits for 16 levels.
/// assert_eq!(digits.bits_per_dimension(0.0), 4.0);
/// assert!((digits.bits_of(64.0 * 2f64.ln()) - 1.0).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFormat {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Levels of a pixel: its numbers are (k + u) / levels.
    pub levels: usize,
}

impl ImageFormat {
    /// What rows of this shape are if they are images, which have three axes; of 256 levels, as those that the original's
    /// checkpoints were trained on.
    pub(crate) fn of_rows(shape: &[usize]) -> Option<Self> {
        let shape = shape.try_into().ok()?;
        Some(Self { shape, levels: 256 })
    }

    /// Bits per dimension of a mean negative log-likelihood in nats: that of the levels, whose probability the density of
    /// dequantised pixels bounds from below.
    pub fn bits_per_dimension(&self, nll: f64) -> f64 {
        let dimension = self.shape.iter().product::<usize>() as f64;
        (nll / dimension + (self.levels as f64).ln()) / std::f64::consts::LN_2
    }

    /// The same of a difference or an error, in nats.
    pub fn bits_of(&self, nats: f64) -> f64 {
        nats / (self.shape.iter().product::<usize>() as f64 * std::f64::consts::LN_2)
    }
}

/// Where the file of a run's data lies, so that it is found from other folders and beside a run that was moved.
///
/// ```
/// use ffjord_run::DataSource;
/// let source = DataSource { path: "/data/measurements.csv".into(), from_run: "../../data/measurements.csv".into() };
/// assert_eq!(serde_json::from_str::<DataSource>(&serde_json::to_string(&source)?)?, source);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataSource {
    /// Its whole path when the run began.
    pub path: PathBuf,
    /// Its path from the run folder.
    pub from_run: PathBuf,
}

impl DataSource {
    /// The file `path`, as a run in `folder` remembers it; none where the system does not tell whole paths.
    pub(crate) fn of(path: &Path, folder: &Path) -> Option<Self> {
        let (path, folder) = (path.canonicalize().ok()?, folder.canonicalize().ok()?);
        let mut from_run = PathBuf::new();
        let common = path
            .components()
            .zip(folder.components())
            .take_while(|(a, b)| a == b)
            .count();
        from_run.extend(folder.components().skip(common).map(|_| ".."));
        from_run.extend(path.components().skip(common));
        Some(Self { path, from_run })
    }
}

/// A sentence on the columns in which a density is unbounded, if there are some.
pub(crate) fn no_density(unbounded: &[String]) -> Option<String> {
    let columns = match unbounded {
        [] => return None,
        [one] => format!("column `{one}` holds values"),
        several => format!("columns {} hold values", several.join(", ")),
    };
    Some(format!(
        "this is no likelihood of a density: {columns} on which a density can be as large as it likes, see the warnings of \
         the training"
    ))
}

impl DataSummary {
    /// A sentence where the likelihood is none of a density, on why.
    pub fn no_density(&self) -> Option<String> {
        no_density(&self.unbounded)
    }

    /// The number of columns that a row is given.
    pub fn given_len(&self) -> usize {
        self.given.as_ref().map_or(0, |given| given.names.len())
    }

    /// Whether these are the data of a run that has `stored`; older programs stored less.
    pub(crate) fn agrees_with(&self, stored: &Self) -> bool {
        let names = self.names == stored.names || stored.names.is_none();
        let rest = |data: &Self| {
            (
                data.dimension,
                data.scales.clone(),
                data.given.clone(),
                // Runs of older programs know no ends, which the model does not depend on.
                data.dequantized
                    .iter()
                    .map(|lattice| lattice.map(Lattice::endless))
                    .collect::<Vec<_>>(),
                data.image,
            )
        };
        names && rest(self) == rest(stored)
    }

    /// The map from original units to the model's, for tables.
    ///
    /// # Errors
    /// When the scales cannot be used.
    pub fn standardizer(&self) -> Result<Option<Standardizer>> {
        self.scales
            .clone()
            .map(|(means, stds)| Ok(Standardizer::new(means, stds)?))
            .transpose()
    }
}

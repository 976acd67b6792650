//! POWER as a dataset.

use std::{borrow::Cow, path::PathBuf};

use super::{COLUMNS, Measurement, PowerError, ROWS, array, codec, decode, parse_raw, prepare};
use crate::{DataError, Dataset, Prepared, Splits, fs};

/// The packed file of the repository.
#[cfg(feature = "power")]
static PACKED: &[u8] = include_bytes!("../../datasets/power/power.bin");

/// POWER in the published split, from the data compiled into the program, from a packed file, or from the original.
///
/// ```
/// use ffjord_data::{Dataset, power::PowerDataset};
///
/// let dataset = PowerDataset::open("household_power_consumption.txt.gz");
/// assert_eq!((dataset.name(), dataset.dimension()), ("power", 6));
/// assert!(dataset.load().is_err(), "there is no such file here");
/// ```
#[derive(Debug, Clone)]
pub struct PowerDataset {
    source: Source,
}

#[derive(Debug, Clone)]
enum Source {
    Packed(Cow<'static, [u8]>),
    File(PathBuf),
}

impl PowerDataset {
    /// The complete data, compiled into the program (feature `power`).
    ///
    /// ```
    /// use ffjord_data::{Dataset, power::PowerDataset};
    ///
    /// let splits = PowerDataset::embedded().load()?;
    /// assert_eq!(splits.train.rows(), 1_659_917);
    /// assert_eq!(splits.test.row(0)[0], -0.71813667);
    /// # Ok::<(), ffjord_data::DataError>(())
    /// ```
    #[cfg(feature = "power")]
    pub fn embedded() -> Self {
        Self::from_bytes(PACKED)
    }

    /// The data of a packed file that is in memory.
    ///
    /// ```
    /// use ffjord_data::power::{Measurement, PowerDataset, encode};
    /// let first = Measurement { active_power: 4216, voltage: 23484, sub_metering: [0, 1, 17], minute_of_day: 1044 };
    /// let rows = vec![first];
    /// let dataset = PowerDataset::from_bytes(encode(&rows)?);
    /// assert_eq!(dataset.measurements()?, rows);
    /// // The published split needs all rows.
    /// assert!(dataset.prepare().unwrap_err().to_string().contains("1 complete rows"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_bytes(packed: impl Into<Cow<'static, [u8]>>) -> Self {
        Self {
            source: Source::Packed(packed.into()),
        }
    }

    /// The data of a file: a packed one, the original text, plain or gzip-compressed, or the array (`.npy`) of the
    /// preprocessed archive.
    ///
    /// The file is not touched before the data is asked for.
    pub fn open(path: impl Into<PathBuf>) -> Self {
        Self {
            source: Source::File(path.into()),
        }
    }

    /// The complete rows in the order of the original.
    ///
    /// # Errors
    /// [`DataError::Io`] and [`DataError::Power`].
    pub fn measurements(&self) -> Result<Vec<Measurement>, DataError> {
        match &self.source {
            Source::Packed(packed) => Ok(decode(packed)?),
            Source::File(path) => {
                if path.extension().is_some_and(|extension| extension == "npy") {
                    return array::read(path);
                }
                let mut reader = fs::open_text(path)?;
                let start = std::io::BufRead::fill_buf(&mut reader);
                let start = start.map_err(|source| PowerError::RawRead { line: 0, source })?;
                if codec::is_packed(start) {
                    Ok(decode(&fs::read(path)?)?)
                } else {
                    Ok(parse_raw(reader)?)
                }
            }
        }
    }

    /// The published split with the map back to kilowatts, volts, watt-hours and minutes.
    ///
    /// # Errors
    /// Those of [`measurements`](Self::measurements), and [`PowerError::Incomplete`] unless there are [`ROWS`] rows;
    /// call [`prepare`] for the same treatment of other rows.
    pub fn prepare(&self) -> Result<Prepared, DataError> {
        let measurements = self.measurements()?;
        if measurements.len() != ROWS {
            return Err(PowerError::Incomplete {
                given: measurements.len(),
            }
            .into());
        }
        prepare(&measurements)
    }
}

impl Dataset for PowerDataset {
    fn name(&self) -> &str {
        "power"
    }

    fn citation(&self) -> &str {
        "G. Hebrail and A. Berard (2012). Individual household electric power consumption. \
         UCI Machine Learning Repository. https://doi.org/10.24432/C58K54"
    }

    fn licence(&self) -> &str {
        "CC BY 4.0"
    }

    fn dimension(&self) -> usize {
        COLUMNS.len()
    }

    fn load(&self) -> Result<Splits, DataError> {
        Ok(self.prepare()?.splits)
    }
}

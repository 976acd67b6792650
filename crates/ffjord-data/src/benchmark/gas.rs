//! GAS: sixteen chemical sensors in mixtures of ethylene and carbon monoxide, of which eight are kept.
//!
//! The original is a text of 19 columns separated by white space: time, two concentrations, sixteen sensors. The
//! published benchmark used a part of its rows, as a pickled pandas frame; how that part was chosen is not published,
//! so its rows come from the frame (written as CSV or `.npy`) and not from the text.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{
    BenchmarkError,
    lines::{for_each_line, numbers},
    rows::{Rows, Scaling, Survey, survey},
};
use crate::{DataError, Prepared, SplitRule, statistics::Statistics, table::npy};

const NAME: &str = "gas";
const SENSORS: usize = 16;
/// Columns that are left of the sensors: time and two concentrations, and before them the row number that pandas
/// writes.
const LEADING: [usize; 3] = [0, 3, 4];
const CORRELATION_LIMIT: f64 = 0.98;

/// Applies the published rules to the original text, or to the published frame as CSV or `.npy`.
///
/// While some sensor is correlated above 0.98 with another, the first such sensor is dropped; the rest is standardised
/// by mean and sample standard deviation of all rows and then split.
pub(super) fn prepare(path: &Path) -> Result<Prepared, DataError> {
    let rows = SensorRows::open(path)?;
    let Survey { statistics, .. } = survey(&rows, NAME, path, None)?;
    let ranges = SplitRule::default().ranges(statistics.rows() as usize)?;
    let columns = uncorrelated_columns(&statistics);
    let scaling = Scaling::new(columns, statistics.means(), &statistics.sample_stds())?;
    let values = scaling.apply(&rows)?;
    Ok(scaling.split(values, &ranges))
}

/// The sensors that stay.
fn uncorrelated_columns(statistics: &Statistics) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..SENSORS).collect();
    let is_redundant = |a: usize, kept: &[usize]| {
        kept.iter()
            .any(|b| a != *b && statistics.correlation(a, *b) > CORRELATION_LIMIT)
    };
    while let Some(place) = kept.iter().position(|column| is_redundant(*column, &kept)) {
        kept.remove(place);
    }
    kept
}

/// The sixteen sensors of every row.
struct SensorRows {
    path: PathBuf,
    is_array: bool,
    columns: usize,
}

impl SensorRows {
    fn open(path: &Path) -> Result<Self, DataError> {
        if path.extension().is_some_and(|extension| extension == "pickle") {
            return Err(BenchmarkError::Pickle { path: path.to_owned() }.into());
        }
        let is_array = path.extension().is_some_and(|extension| extension == "npy");
        let columns = if is_array {
            npy::columns(path)?
        } else {
            first_row_columns(path)?
        };
        if !LEADING.iter().any(|leading| leading + SENSORS == columns) {
            return Err(BenchmarkError::Width {
                name: NAME,
                path: path.to_owned(),
                given: columns,
                expected: "19: time, two concentrations and 16 sensors",
            }
            .into());
        }
        Ok(Self {
            path: path.to_owned(),
            is_array,
            columns,
        })
    }
}

impl Rows for SensorRows {
    fn columns(&self) -> usize {
        SENSORS
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>) -> Result<(), DataError> {
        let leading = self.columns - SENSORS;
        if self.is_array {
            return npy::for_each_row(&self.path, &mut |row| visit(&row[leading..]));
        }
        let mut row = vec![0.0; self.columns];
        let mut is_first = true;
        for_each_line(&self.path, &mut |line, text| {
            let is_header = std::mem::take(&mut is_first) && !is_row(text);
            if !is_header {
                numbers(&self.path, line, fields(text), &mut row)?;
                visit(&row[leading..])?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}

/// The number of fields of the first line that is no header.
fn first_row_columns(path: &Path) -> Result<usize, DataError> {
    let mut columns = 0;
    for_each_line(path, &mut |line, text| {
        columns = fields(text).count();
        Ok(if line == 1 && !is_row(text) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        })
    })?;
    Ok(columns)
}

/// Whether a line starts with a number.
fn is_row(text: &str) -> bool {
    fields(text).next().is_some_and(|field| field.parse::<f64>().is_ok())
}

/// The fields of a line, separated by commas if there are any and else by white space.
fn fields(text: &str) -> impl Iterator<Item = &str> {
    let commas = text.contains(',');
    text.split(move |character: char| {
        if commas {
            character == ','
        } else {
            character.is_whitespace()
        }
    })
    .filter(move |field| commas || !field.is_empty())
}

//! MINIBOONE: particle identification in a neutrino experiment, the signal events.
//!
//! The original is a text: its first line announces how many signal and background events follow, signal first, each a
//! line of fifty numbers separated by white space. The published array is what the rules leave of the signal events.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use super::{
    BenchmarkError,
    lines::{excerpt, for_each_line, numbers},
    rows::{Rows, Scaling, Survey, as_published, survey},
};
use crate::{DataError, Matrix, Prepared, SplitRule, Splits, table::npy};

const NAME: &str = "miniboone";
const VARIABLES: usize = 50;
const KEPT: usize = 43;
/// Events whose first variable lies below are failures of the reconstruction.
const OUTLIER: f64 = -100.0;

/// Applies the published rules to the original text, or splits the published array (`.npy`).
///
/// Signal events whose first value is below −100 are dropped, then every variable whose smallest value occurs more
/// than five times. All parts are standardised by train + validation.
pub(super) fn prepare(path: &Path) -> Result<Prepared, DataError> {
    if path.extension().is_some_and(|extension| extension == "npy") {
        let rows = ArrayRows(path.to_owned());
        let columns = npy::columns(path)?;
        if columns != KEPT {
            return Err(BenchmarkError::Width {
                name: NAME,
                path: path.to_owned(),
                given: columns,
                expected: "43, as an array",
            }
            .into());
        }
        return split(&rows, path, |_| (0..KEPT).collect());
    }
    split(&SignalRows(path.to_owned()), path, |survey| {
        survey.smallest.continuous_columns()
    })
}

fn split(rows: &dyn Rows, path: &Path, columns: impl FnOnce(&Survey) -> Vec<usize>) -> Result<Prepared, DataError> {
    let all = survey(rows, NAME, path, None)?;
    let columns = columns(&all);
    if columns.is_empty() {
        return Err(BenchmarkError::NothingLeft {
            name: NAME,
            what: "no variable",
            path: path.to_owned(),
        }
        .into());
    }
    let ranges = SplitRule::default().ranges(all.statistics.rows() as usize)?;
    let Survey { statistics: fitted, .. } = survey(rows, NAME, path, Some(ranges.validation.end))?;
    let scaling = Scaling::new(columns, fitted.means(), &fitted.population_stds())?;
    let values = scaling.apply(rows)?;
    Ok(scaling.split(values, &ranges))
}

/// The reduced train set: the first training rows and all validation and test rows of the published split, as its
/// authors standardised them (`train_head.npy`, `val.npy`, `test.npy`).
///
/// Training and validation rows are pooled in this order; the last tenth of the pool is validation. Nothing is scaled
/// again. What is reached with them cannot be compared with results of the whole training set.
pub(super) fn prepare_reduced(folder: &Path) -> Result<Prepared, DataError> {
    let load = |name: &str| -> Result<Matrix<f32>, DataError> {
        let path = folder.join(name);
        let matrix: Matrix<f32> = npy::load(&path)?;
        if matrix.columns() == KEPT {
            return Ok(matrix);
        }
        Err(BenchmarkError::Width {
            name: "miniboone-reduced",
            path,
            given: matrix.columns(),
            expected: "43",
        }
        .into())
    };
    let mut pool = load("train_head.npy")?.into_vec();
    pool.extend(load("val.npy")?.into_vec());
    let rule = SplitRule {
        test: 0.0,
        ..SplitRule::default()
    };
    let ranges = rule.ranges(pool.len() / KEPT)?;
    let validation = pool.split_off(ranges.validation.start * KEPT);
    as_published(Splits {
        train: Matrix::from_parts(KEPT, pool),
        validation: Matrix::from_parts(KEPT, validation),
        test: load("test.npy")?,
    })
}

/// The rows of the published array.
struct ArrayRows(PathBuf);

impl Rows for ArrayRows {
    fn columns(&self) -> usize {
        KEPT
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>) -> Result<(), DataError> {
        npy::for_each_row(&self.0, visit)
    }
}

/// The signal events of the original text that are no outliers.
struct SignalRows(PathBuf);

impl Rows for SignalRows {
    fn columns(&self) -> usize {
        VARIABLES
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>) -> Result<(), DataError> {
        let path = &self.0;
        let mut row = [0.0; VARIABLES];
        let (mut announced, mut events) = (None, 0);
        for_each_line(path, &mut |line, text| {
            let Some(signal) = announced else {
                announced = Some(signal_events(text).ok_or_else(|| BenchmarkError::Field {
                    path: path.clone(),
                    line,
                    text: excerpt(text),
                    expected: "the numbers of signal and background events",
                })?);
                return Ok(ControlFlow::Continue(()));
            };
            if events == signal {
                return Ok(ControlFlow::Break(()));
            }
            events += 1;
            numbers(path, line, text.split_whitespace(), &mut row)?;
            if row[0] >= OUTLIER {
                visit(&row)?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        match announced {
            Some(signal) if signal == events => Ok(()),
            announced => Err(BenchmarkError::Ended {
                path: path.clone(),
                given: events,
                expected: announced.unwrap_or(1),
            }
            .into()),
        }
    }
}

/// The first of the two numbers of the first line.
fn signal_events(text: &str) -> Option<u64> {
    let numbers: Vec<u64> = text
        .split_whitespace()
        .map(|field| field.parse().ok())
        .collect::<Option<_>>()?;
    match numbers[..] {
        [signal, _] => Some(signal),
        _ => None,
    }
}

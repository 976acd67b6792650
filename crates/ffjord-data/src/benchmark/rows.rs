//! Rows that pass by as often as they are asked for, and what is made of them.

use std::path::Path;

use super::BenchmarkError;
use crate::{DataError, Matrix, Prepared, SplitRanges, Splits, Standardizer, statistics::Statistics};

/// A table that need not be in memory.
pub(super) trait Rows {
    /// The number of values in a row.
    fn columns(&self) -> usize;

    /// Calls `visit` with every row, in order; the same rows at every call.
    fn for_each(&self, visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>) -> Result<(), DataError>;
}

/// More rows than any of the originals has; bounds the memory that a hostile file can make us take.
const MAX_ROWS: u64 = 1 << 23;

/// What a pass over rows tells.
pub(super) struct Survey {
    pub(super) statistics: Statistics,
    pub(super) smallest: SmallestValues,
}

/// Passes over the first `limit` rows of the file at `path`.
pub(super) fn survey(
    rows: &dyn Rows,
    name: &'static str,
    path: &Path,
    limit: Option<usize>,
) -> Result<Survey, DataError> {
    let mut survey = Survey {
        statistics: Statistics::new(rows.columns()),
        smallest: SmallestValues::new(rows.columns()),
    };
    let limit = limit.map_or(u64::MAX, |limit| limit as u64);
    rows.for_each(&mut |row| {
        let seen = survey.statistics.rows();
        if seen == MAX_ROWS {
            return Err(BenchmarkError::TooManyRows {
                name,
                path: path.to_owned(),
                limit: MAX_ROWS,
            }
            .into());
        }
        if seen < limit {
            survey.statistics.push(row.iter().copied());
            survey.smallest.push(row);
        }
        Ok(())
    })?;
    Ok(survey)
}

/// How often the smallest value of every column occurs.
#[derive(Debug)]
pub(super) struct SmallestValues {
    smallest: Vec<f64>,
    counts: Vec<u64>,
}

impl SmallestValues {
    /// Occurrences beyond which a column counts as discrete.
    const LIMIT: u64 = 5;

    fn new(columns: usize) -> Self {
        Self {
            smallest: vec![f64::INFINITY; columns],
            counts: vec![0; columns],
        }
    }

    fn push(&mut self, row: &[f64]) {
        for ((smallest, count), value) in self.smallest.iter_mut().zip(&mut self.counts).zip(row) {
            if value < smallest {
                (*smallest, *count) = (*value, 1);
            } else if value == smallest {
                *count += 1;
            }
        }
    }

    /// The columns whose smallest value occurs no more than five times, in order.
    pub(super) fn continuous_columns(&self) -> Vec<usize> {
        let columns = self.counts.iter().enumerate();
        columns
            .filter(|(_, count)| **count <= Self::LIMIT)
            .map(|(column, _)| column)
            .collect()
    }
}

/// Which columns are kept, and how they are scaled.
#[derive(Debug)]
pub(super) struct Scaling {
    columns: Vec<usize>,
    standardizer: Standardizer,
}

impl Scaling {
    /// Keeps `columns` and scales them by means and standard deviations that are given for all columns.
    pub(super) fn new(columns: Vec<usize>, means: &[f64], stds: &[f64]) -> Result<Self, DataError> {
        let of = |values: &[f64]| columns.iter().map(|column| values[*column]).collect();
        let standardizer = Standardizer::new(of(means), of(stds))?;
        Ok(Self { columns, standardizer })
    }

    /// The number of columns kept.
    pub(super) fn dimension(&self) -> usize {
        self.columns.len()
    }

    /// The kept columns of all rows, scaled, in row-major order.
    pub(super) fn apply(&self, rows: &dyn Rows) -> Result<Vec<f32>, DataError> {
        let mut values = Vec::new();
        let (means, stds) = (self.standardizer.means(), self.standardizer.stds());
        rows.for_each(&mut |row| {
            let scales = means.iter().zip(stds);
            let kept = self.columns.iter().zip(scales);
            values.extend(kept.map(|(column, (mean, std))| ((row[*column] - mean) / std) as f32));
            Ok(())
        })?;
        Ok(values)
    }

    /// Cuts scaled rows into train, validation and test.
    pub(super) fn split(self, mut values: Vec<f32>, ranges: &SplitRanges) -> Prepared {
        let columns = self.dimension();
        let test = values.split_off(ranges.test.start * columns);
        let validation = values.split_off(ranges.validation.start * columns);
        self.prepared([values, validation, test])
    }

    /// Scaled rows of train, validation and test as prepared data.
    pub(super) fn prepared(self, parts: [Vec<f32>; 3]) -> Prepared {
        let [train, validation, test] = parts.map(|values| Matrix::from_parts(self.columns.len(), values));
        Prepared {
            splits: Splits {
                train,
                validation,
                test,
            },
            standardizer: self.standardizer,
        }
    }
}

/// Splits that are used as they are, with a map to their own units that changes nothing.
pub(super) fn as_published(splits: Splits) -> Result<Prepared, DataError> {
    let columns = splits.train.columns();
    Ok(Prepared {
        splits,
        standardizer: Standardizer::new(vec![0.0; columns], vec![1.0; columns])?,
    })
}

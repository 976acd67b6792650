//! The tabular protocol: split by position, then standardise by train and validation.
//!
//! The rule is that of Papamakarios, Pavlakou and Murray (2017), "Masked Autoregressive Flow for Density Estimation",
//! as the released loaders apply it.

use std::{ops::Range, slice::ChunksExact};

use crate::{
    DataError, Element, Matrix, Splits,
    matrix::{column_means, column_stds},
};

/// Which rows of a table become train, validation and test.
///
/// The last ⌊`test` · N⌋ rows are test, and the last ⌊`validation` · N′⌋ of the N′ rows before them validation.
///
/// ```
/// use ffjord_data::SplitRule;
///
/// let ranges = SplitRule::default().ranges(2_049_280)?;
/// assert_eq!(ranges.train, 0..1_659_917);
/// assert_eq!(ranges.test.len(), 204_928);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitRule {
    /// Part of all rows to test on, in [0, 1).
    pub test: f64,
    /// Part of the remaining rows to validate on, in [0, 1).
    pub validation: f64,
}

/// The rows of each part of a table.
///
/// ```
/// use ffjord_data::{DataError, SplitRule};
/// let ranges = SplitRule { test: 0.2, validation: 0.25 }.ranges(10)?;
/// assert_eq!((ranges.train, ranges.validation, ranges.test), (0..6, 6..8, 8..10));
/// let none = SplitRule { test: 1.0, validation: 0.0 }.ranges(10);
/// assert!(matches!(none, Err(DataError::Fraction { which: "test", .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitRanges {
    /// Training rows, the first ones.
    pub train: Range<usize>,
    /// Validation rows.
    pub validation: Range<usize>,
    /// Test rows, the last ones.
    pub test: Range<usize>,
}

impl Default for SplitRule {
    /// A tenth each, as the published protocol has it.
    fn default() -> Self {
        Self {
            test: 0.1,
            validation: 0.1,
        }
    }
}

impl SplitRule {
    /// The row ranges of the parts of a table of `rows` rows.
    ///
    /// # Errors
    /// [`DataError::Fraction`] for a fraction outside [0, 1), [`DataError::NoTrainingRows`] if no row is left to train
    /// on.
    pub fn ranges(&self, rows: usize) -> Result<SplitRanges, DataError> {
        let part = |which, fraction: f64, of: usize| match fraction {
            // Truncation is the ⌊·⌋ of the rule.
            0.0..1.0 => Ok((fraction * of as f64) as usize),
            given => Err(DataError::Fraction { which, given }),
        };
        let fitted = rows - part("test", self.test, rows)?;
        let train = fitted - part("validation", self.validation, fitted)?;
        if train == 0 {
            return Err(DataError::NoTrainingRows { rows });
        }
        Ok(SplitRanges {
            train: 0..train,
            validation: train..fitted,
            test: fitted..rows,
        })
    }
}

/// What standardisation does with a column that takes one value only.
///
/// ```
/// use ffjord_data::{ConstantColumns, DataError, Matrix, Standardizer};
/// let table = Matrix::from_rows(&[[1.0, 7.0], [3.0, 7.0]]);
/// let names = ["time".to_owned(), "state".to_owned()];
/// let refused = Standardizer::fit(&table, Some(&names), ConstantColumns::Reject);
/// assert!(matches!(refused, Err(DataError::ConstantColumn { column: 1, name: Some(name), .. }) if name == "state"));
/// let kept = Standardizer::fit(&table, Some(&names), ConstantColumns::Keep)?;
/// assert_eq!((kept.means(), kept.stds()), (&[2.0, 7.0][..], &[1.0, 1.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConstantColumns {
    /// It is an error that names the column: a constant has no density.
    #[default]
    Reject,
    /// It is centred and kept with a standard deviation of 1.
    Keep,
}

/// The map x ↦ (x − mean) / std of every column, and its inverse.
///
/// ```
/// use ffjord_data::{ConstantColumns, Matrix, Standardizer};
///
/// let table = Matrix::from_rows(&[[1.0, 10.0], [3.0, 30.0]]);
/// let standardizer = Standardizer::fit(&table, None, ConstantColumns::Reject)?;
/// let scaled = standardizer.apply(&table)?;
/// assert_eq!(scaled.as_slice(), [-1.0, -1.0, 1.0, 1.0]);
/// assert_eq!(standardizer.invert(&scaled)?, table);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Standardizer {
    means: Vec<f64>,
    stds: Vec<f64>,
}

impl Standardizer {
    /// The mean and population standard deviation of every column of `table` `[N, D]`.
    ///
    /// `names` `[D]` are used in the error's text.
    ///
    /// # Errors
    /// [`DataError::ConstantColumn`] for a constant column unless it is to be kept, [`DataError::NoTrainingRows`]
    /// for a table without rows, [`DataError::ColumnCount`] if there are names but not one for every column.
    pub fn fit(table: &Matrix<f64>, names: Option<&[String]>, constant: ConstantColumns) -> Result<Self, DataError> {
        Self::fit_values(table.as_slice(), table.columns(), names, constant)
    }

    /// The median and the spread of the middle half of every column of `table` `[N, D]`: the range between its quartiles
    /// over that of a normal distribution, 1.349, so that ordinary columns are scaled as by [`fit`](Self::fit) and
    /// outliers have no say.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); [`DataError::NoRobustScale`] for a column whose quartiles are the same.
    ///
    /// ```
    /// use ffjord_data::{Matrix, Standardizer};
    ///
    /// let table = Matrix::new(5, 1, vec![1.0, 2.0, 3.0, 4.0, 1e9])?;
    /// assert_eq!(Standardizer::robust(&table, None)?.means(), [3.0]);
    /// # Ok::<(), ffjord_data::DataError>(())
    /// ```
    pub fn robust(table: &Matrix<f64>, names: Option<&[String]>) -> Result<Self, DataError> {
        const NORMAL_QUARTILES: f64 = 1.348_979_500_392_163_5;
        // Refuses what cannot be scaled at all.
        Self::fit(table, names, ConstantColumns::Reject)?;
        let (mut means, mut stds) = (Vec::new(), Vec::new());
        for column in 0..table.columns() {
            let mut sorted: Vec<f64> = table.iter_rows().map(|row| row[column]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let quantile = |part: f64| {
                let place = part * (sorted.len() - 1) as f64;
                let (low, high) = (sorted[place as usize], sorted[place.ceil() as usize]);
                low + place.fract() * (high - low)
            };
            let spread = (quantile(0.75) - quantile(0.25)) / NORMAL_QUARTILES;
            if !(spread.is_normal() && spread > 0.0) {
                let name = names.and_then(|names| names.get(column)).cloned();
                let value = quantile(0.5);
                return Err(DataError::NoRobustScale { column, name, value });
            }
            means.push(quantile(0.5));
            stds.push(spread);
        }
        Ok(Self { means, stds })
    }

    /// The map with known means and standard deviations, for example those stored with a model.
    ///
    /// # Errors
    /// [`DataError::ColumnCount`] when the lengths differ, [`DataError::ConstantColumn`] for a standard deviation that
    /// is not positive and finite.
    pub fn new(means: Vec<f64>, stds: Vec<f64>) -> Result<Self, DataError> {
        if means.len() != stds.len() {
            return Err(DataError::ColumnCount {
                given: stds.len(),
                expected: means.len(),
            });
        }
        if let Some(column) = stds.iter().position(|std| !(std.is_finite() && *std > 0.0)) {
            return Err(DataError::ConstantColumn {
                column,
                name: None,
                value: means[column],
            });
        }
        Ok(Self { means, stds })
    }

    fn fit_values(
        values: &[f64],
        columns: usize,
        names: Option<&[String]>,
        constant: ConstantColumns,
    ) -> Result<Self, DataError> {
        if let Some(names) = names
            && names.len() != columns
        {
            return Err(DataError::ColumnCount {
                given: names.len(),
                expected: columns,
            });
        }
        let rows = || values.chunks_exact(columns);
        let Some(first) = rows().next() else {
            return Err(DataError::NoTrainingRows { rows: 0 });
        };
        let means = column_means(rows(), columns);
        let mut stds = column_stds(rows(), &means);
        for (column, std) in stds.iter_mut().enumerate() {
            let value = first[column];
            // Asked of the values themselves: rounding can give a constant column a tiny deviation that is not zero.
            if rows().any(|row| row[column] != value) {
                continue;
            }
            if constant == ConstantColumns::Reject {
                let name = names.and_then(|names| names.get(column)).cloned();
                return Err(DataError::ConstantColumn { column, name, value });
            }
            *std = 1.0;
        }
        Ok(Self { means, stds })
    }

    /// The mean of every column, `[D]`, in the table's units.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// The standard deviation of every column, `[D]`, in the table's units.
    pub fn stds(&self) -> &[f64] {
        &self.stds
    }

    /// `(x − mean) / std` of a table `[N, D]` in its own units.
    ///
    /// # Errors
    /// [`DataError::ColumnCount`] if the table has not `D` columns.
    pub fn apply(&self, table: &Matrix<f64>) -> Result<Matrix<f64>, DataError> {
        self.check(table)?;
        Ok(self.map(table.iter_rows(), |value, mean, std| (value - mean) / std))
    }

    /// `x · std + mean` of standardised rows `[N, D]`: back to the table's units.
    ///
    /// # Errors
    /// [`DataError::ColumnCount`] if the rows have not `D` columns.
    pub fn invert(&self, rows: &Matrix<f64>) -> Result<Matrix<f64>, DataError> {
        self.check(rows)?;
        Ok(self.map(rows.iter_rows(), |value, mean, std| value * std + mean))
    }

    fn check(&self, rows: &Matrix<f64>) -> Result<(), DataError> {
        match (rows.columns(), self.means.len()) {
            (given, expected) if given != expected => Err(DataError::ColumnCount { given, expected }),
            _ => Ok(()),
        }
    }

    fn map<T: Element>(&self, rows: ChunksExact<'_, f64>, f: impl Fn(f64, f64, f64) -> f64) -> Matrix<T> {
        let columns = self.means.len();
        let mut values = Vec::with_capacity(rows.len() * columns);
        for row in rows {
            let scales = self.means.iter().zip(&self.stds);
            values.extend(
                row.iter()
                    .zip(scales)
                    .map(|(value, (mean, std))| T::from_f64(f(*value, *mean, *std))),
            );
        }
        Matrix::from_parts(columns, values)
    }
}

/// A table split and standardised, with the map back to its own units.
///
/// ```
/// use ffjord_data::{ConstantColumns, Matrix, Prepared, SplitRule, prepare_as};
/// let table = Matrix::new(20, 1, (0..20).map(f64::from).collect())?;
/// let prepared: Prepared<f64> = prepare_as(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// // Back to the table's own units.
/// let test = prepared.standardizer.invert(&prepared.splits.test)?;
/// assert!((test.row(0)[0] - 18.0).abs() < 1e-12 && (test.row(1)[0] - 19.0).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared<T = f32> {
    /// The three splits, standardised.
    pub splits: Splits<T>,
    /// The standardisation, fitted to train and validation.
    pub standardizer: Standardizer,
}

/// Splits a table `[N, D]` by `rule` and standardises all parts by mean and standard deviation of train + validation.
///
/// Computed in double precision and rounded to single precision at the end. `names` `[D]` are used in errors.
///
/// # Errors
/// Those of [`SplitRule::ranges`] and [`Standardizer::fit`].
///
/// ```
/// use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare};
///
/// let table = Matrix::new(100, 2, (0..200).map(f64::from).collect())?;
/// let prepared = prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject)?;
/// assert_eq!(prepared.splits.train.rows(), 81);
/// assert_eq!(prepared.standardizer.means(), [89.0, 90.0]);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
pub fn prepare(
    table: &Matrix<f64>,
    names: Option<&[String]>,
    rule: &SplitRule,
    constant: ConstantColumns,
) -> Result<Prepared, DataError> {
    prepare_as(table, names, rule, constant)
}

/// As [`prepare`], with splits in the precision `T`: `f64` for models in double precision.
///
/// ```
/// use ffjord_data::{ConstantColumns, Matrix, SplitRule, prepare, prepare_as};
/// let table = Matrix::new(50, 1, (0..50).map(|row| f64::from(row).sqrt()).collect())?;
/// let (rule, constant) = (SplitRule::default(), ConstantColumns::Reject);
/// let double = prepare_as::<f64>(&table, None, &rule, constant)?;
/// assert_eq!(double.splits.train.cast::<f32>(), prepare(&table, None, &rule, constant)?.splits.train);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Those of [`prepare`].
pub fn prepare_as<T: Element>(
    table: &Matrix<f64>,
    names: Option<&[String]>,
    rule: &SplitRule,
    constant: ConstantColumns,
) -> Result<Prepared<T>, DataError> {
    let SplitRanges {
        train,
        validation,
        test,
    } = rule.ranges(table.rows())?;
    let columns = table.columns();
    // Tables can be large: the parts are read in place.
    let values = |rows: Range<usize>| &table.as_slice()[rows.start * columns..rows.end * columns];
    let standardizer = Standardizer::fit_values(values(0..validation.end), columns, names, constant)?;
    let part = |rows| {
        standardizer.map(values(rows).chunks_exact(columns), |value, mean, std| {
            (value - mean) / std
        })
    };
    let splits = Splits {
        train: part(train),
        validation: part(validation),
        test: part(test),
    };
    Ok(Prepared { splits, standardizer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_split_sizes() {
        let rule = SplitRule::default();
        for (rows, expected) in [
            (2_049_280, (1_659_917, 184_435, 204_928)),
            (36_488, (29_556, 3_284, 3_648)),
        ] {
            let SplitRanges {
                train,
                validation,
                test,
            } = rule.ranges(rows).unwrap();
            assert_eq!((train.len(), validation.len(), test.len()), expected);
        }
    }

    #[test]
    fn bad_fractions_are_named() {
        for given in [-0.1, 1.0, f64::NAN] {
            let rule = SplitRule {
                test: given,
                ..SplitRule::default()
            };
            assert!(matches!(
                rule.ranges(100),
                Err(DataError::Fraction { which: "test", .. })
            ));
        }
        assert!(matches!(
            SplitRule::default().ranges(0),
            Err(DataError::NoTrainingRows { rows: 0 })
        ));
        let whole = SplitRule {
            test: 0.0,
            validation: 0.0,
        }
        .ranges(3)
        .unwrap();
        assert_eq!(
            whole,
            SplitRanges {
                train: 0..3,
                validation: 3..3,
                test: 3..3
            }
        );
    }

    #[test]
    fn train_and_validation_become_standard_and_test_is_measured_by_them() {
        let values = (0..300).map(|i| f64::from(i * i % 97)).collect();
        let table = Matrix::new(100, 3, values).unwrap();
        let Prepared { splits, standardizer } =
            prepare(&table, None, &SplitRule::default(), ConstantColumns::Reject).unwrap();
        let fitted: Vec<f32> = [splits.train.as_slice(), splits.validation.as_slice()].concat();
        let fitted = Matrix::new(90, 3, fitted).unwrap();
        for (mean, std) in fitted.column_means().into_iter().zip(fitted.column_stds()) {
            assert!(mean.abs() < 1e-6 && (std - 1.0).abs() < 1e-6);
        }
        let restored = standardizer.invert(&splits.test.cast()).unwrap();
        for (value, original) in restored.as_slice().iter().zip(&table.as_slice()[270..]) {
            assert!((value - original).abs() < 1e-4);
        }
    }

    #[test]
    fn double_precision_is_rounded_where_it_is_asked_for() {
        let table = Matrix::new(100, 2, (0..200).map(|value| f64::from(value).sqrt()).collect()).unwrap();
        let rule = SplitRule::default();
        let single = prepare(&table, None, &rule, ConstantColumns::Reject).unwrap();
        let double: Prepared<f64> = prepare_as(&table, None, &rule, ConstantColumns::Reject).unwrap();
        for (single, double) in [
            (single.splits.train, double.splits.train),
            (single.splits.validation, double.splits.validation),
            (single.splits.test, double.splits.test),
        ] {
            assert_eq!(double.cast::<f32>(), single);
            assert_ne!(single.cast::<f64>(), double);
        }
    }

    #[test]
    fn constant_columns_are_named_or_kept() {
        // The mean of many 0.1 is not 0.1 in floating point; the column is constant all the same.
        let values = (0..300).flat_map(|i| [f64::from(i), 0.1]).collect();
        let table = Matrix::new(300, 2, values).unwrap();
        let names = ["a".to_owned(), "b".to_owned()];
        let rule = SplitRule::default();
        let error = prepare(&table, Some(&names), &rule, ConstantColumns::Reject).unwrap_err();
        assert!(matches!(&error, DataError::ConstantColumn { column: 1, name: Some(name), .. } if name == "b"));
        assert!(error.to_string().contains("column 1 (\"b\")"));
        let kept = prepare(&table, None, &rule, ConstantColumns::Keep).unwrap();
        assert_eq!(kept.standardizer.stds()[1], 1.0);
        assert!(kept.splits.train.iter_rows().all(|row| row[1].abs() < 1e-6));
        let one_name = prepare(&table, Some(&names[..1]), &rule, ConstantColumns::Keep);
        assert!(matches!(
            one_name,
            Err(DataError::ColumnCount { given: 1, expected: 2 })
        ));
    }
}

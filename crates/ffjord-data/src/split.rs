//! Which rows of an own table are trained on, which validate and which test.

use rand::Rng;
use thiserror::Error;

use crate::{DataError, Element, Matrix, SplitRanges, SplitRule, Splits, permutation};

/// Why rows cannot be told apart by their labels.
///
/// ```
/// use ffjord_data::{RowSplit, SplitError};
/// let refused = RowSplit::labelled(&["train".to_owned(), "holdout".to_owned()]).unwrap_err().to_string();
/// assert_eq!(refused, SplitError::UnknownLabel { row: 1, label: "holdout".to_owned() }.to_string());
/// assert!(refused.contains("accepted are train (or 0)"));
/// ```
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SplitError {
    /// A label that names no part.
    #[error(
        "row {row} (from 0, below any header) is labelled {label:?}: accepted are train (or 0), validation (valid, val, \
         or 1) and test (or 2)"
    )]
    UnknownLabel {
        /// The row.
        row: usize,
        /// What stands there.
        label: String,
    },
    /// No row is labelled as one of the parts.
    #[error("no row is labelled {part}: the column of data.split must name rows of train, validation and test")]
    EmptyPart {
        /// The part.
        part: &'static str,
    },
}

/// The rows of each part of a table, in the order in which they are used.
///
/// ```
/// use ffjord_data::{RowSplit, SplitRule};
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let split = RowSplit::shuffled(&SplitRule::default(), 100, &mut ChaCha8Rng::seed_from_u64(0))?;
/// assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (81, 9, 10));
/// assert_eq!(RowSplit::ordered(&SplitRule::default(), 100)?.test[0], 90);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
///
/// Labels of a column say which part a row belongs to:
///
/// ```
/// use ffjord_data::{Matrix, RowSplit};
/// let labels = ["test", "train", "val", "0"].map(str::to_owned);
/// let split = RowSplit::labelled(&labels)?;
/// assert_eq!((&split.train[..], &split.validation[..], &split.test[..]), (&[1, 3][..], &[2][..], &[0][..]));
/// let parts = split.apply(&Matrix::from_rows(&[[10.0], [11.0], [12.0], [13.0]]))?;
/// assert_eq!(parts.train.as_slice(), [11.0, 13.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowSplit {
    /// Rows to train on.
    pub train: Vec<u32>,
    /// Rows to validate on.
    pub validation: Vec<u32>,
    /// Rows to test on.
    pub test: Vec<u32>,
}

impl RowSplit {
    /// The rule applied to rows in an order that `rng` draws.
    ///
    /// # Errors
    /// Those of [`SplitRule::ranges`], and [`DataError::TooManyRows`].
    pub fn shuffled(rule: &SplitRule, rows: usize, rng: &mut impl Rng) -> Result<Self, DataError> {
        Self::cut(rule, &permutation(rows, rng)?)
    }

    /// The rule applied to the rows as they stand: the last ones are test.
    ///
    /// # Errors
    /// As [`shuffled`](Self::shuffled).
    pub fn ordered(rule: &SplitRule, rows: usize) -> Result<Self, DataError> {
        let end = u32::try_from(rows).map_err(|_| DataError::TooManyRows { rows })?;
        Self::cut(rule, &(0..end).collect::<Vec<u32>>())
    }

    fn cut(rule: &SplitRule, order: &[u32]) -> Result<Self, DataError> {
        let SplitRanges {
            train,
            validation,
            test,
        } = rule.ranges(order.len())?;
        Ok(Self {
            train: order[train].to_vec(),
            validation: order[validation].to_vec(),
            test: order[test].to_vec(),
        })
    }

    /// The parts that labels name: train or 0; validation, valid, val or 1; test or 2, in any case.
    ///
    /// # Errors
    /// [`DataError::Split`] for other labels, and where a part has no row.
    pub fn labelled(labels: &[String]) -> Result<Self, DataError> {
        let (mut train, mut validation, mut test) = (Vec::new(), Vec::new(), Vec::new());
        for (row, label) in (0..).zip(labels) {
            match label.trim().to_lowercase().as_str() {
                "train" | "training" | "0" | "0.0" => train.push(row),
                "validation" | "valid" | "val" | "1" | "1.0" => validation.push(row),
                "test" | "2" | "2.0" => test.push(row),
                _ => {
                    return Err(DataError::Split(SplitError::UnknownLabel {
                        row: row as usize,
                        label: label.chars().take(40).collect(),
                    }));
                }
            }
        }
        for (part, rows) in [("train", &train), ("validation", &validation), ("test", &test)] {
            if rows.is_empty() {
                return Err(DataError::Split(SplitError::EmptyPart { part }));
            }
        }
        Ok(Self {
            train,
            validation,
            test,
        })
    }

    /// The parts of a table.
    ///
    /// # Errors
    /// [`DataError::RowOutOfRange`] if the table has fewer rows.
    pub fn apply<T: Element>(&self, table: &Matrix<T>) -> Result<Splits<T>, DataError> {
        Ok(Splits {
            train: table.select(&self.train)?,
            validation: table.select(&self.validation)?,
            test: table.select(&self.test)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    #[test]
    fn shuffling_takes_every_row_once_and_follows_the_seed() {
        let split = |seed| {
            let rng = &mut ChaCha8Rng::seed_from_u64(seed);
            RowSplit::shuffled(&SplitRule::default(), 50, rng).unwrap()
        };
        let RowSplit {
            train,
            validation,
            test,
        } = split(3);
        let mut all = [train, validation, test].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<u32>>());
        assert_eq!(split(3), split(3));
        assert_ne!(split(3), split(4));
    }

    #[test]
    fn labels_are_words_or_numbers() {
        let labels = ["train", "VAL", "2", "0", " test "].map(String::from);
        let split = RowSplit::labelled(&labels).unwrap();
        assert_eq!(
            (split.train, split.validation, split.test),
            (vec![0, 3], vec![1], vec![2, 4])
        );
        let error = |labels: &[&str]| {
            let labels: Vec<String> = labels.iter().map(ToString::to_string).collect();
            RowSplit::labelled(&labels).unwrap_err().to_string()
        };
        assert!(error(&["train", "other"]).contains("row 1 (from 0, below any header) is labelled \"other\""));
        assert!(error(&["train", "test"]).contains("no row is labelled validation"));
    }
}

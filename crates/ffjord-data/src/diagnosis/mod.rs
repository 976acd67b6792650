//! What can be wrong with a table before anything is trained on it: typed findings, each with its consequence and its
//! remedy in one sentence.

mod columns;
mod dependence;
mod lattice;
#[cfg(test)]
mod tests;

pub use lattice::Lattice;

use crate::{Matrix, Standardizer};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

/// Something about a table that a density of it will suffer from. Columns and rows count from 0.
///
/// ```
/// use ffjord_data::Finding;
/// let names = ["time".to_owned(), "state".to_owned()];
/// let constant = Finding::Constant { column: 1, value: 2.5 };
/// assert!(constant.is_fatal() && !Finding::CountsRows { column: 0 }.is_fatal());
/// assert!(constant.describe(&names).contains("column `state` has the same value 2.5 in all rows"));
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Finding {
    /// A column takes one value only: it has no density.
    Constant {
        /// The column.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// The deviation of a column cannot be computed in double precision.
    OutOfRange {
        /// The column.
        column: usize,
        /// The value largest in magnitude.
        largest: f64,
    },
    /// A column counts the rows, as an index does.
    CountsRows {
        /// The column.
        column: usize,
    },
    /// All values of a column lie on a lattice so coarse that a density can put spikes on its points.
    OnLattice {
        /// The column.
        column: usize,
        /// The lattice.
        lattice: Lattice,
        /// How many different values there are.
        distinct: usize,
    },
    /// A column takes few different values, which lie on no lattice: levels of a category, numbers of few digits, rows that
    /// were repeated.
    FewValues {
        /// The column.
        column: usize,
        /// How many different values there are, among as many rows as were looked at.
        distinct: usize,
    },
    /// One value is so frequent that a density can put a spike on it.
    Spike {
        /// The column.
        column: usize,
        /// The value.
        value: f64,
        /// The part of the rows that have it, in (0, 1].
        share: f64,
    },
    /// Values that differ become the same once the column is scaled and rounded to the model's precision.
    LostDigits {
        /// The column.
        column: usize,
        /// How many different values there are.
        distinct: usize,
        /// How many are left.
        left: usize,
        /// Whether that is in single precision, and double precision would keep them apart.
        double_helps: bool,
        /// The row of the value farthest out.
        row: usize,
        /// That value.
        value: f64,
    },
    /// A column has the values of another one.
    Copy {
        /// The column.
        column: usize,
        /// The other one, which stands before it.
        of: usize,
    },
    /// A column is a linear combination of others, up to rounding.
    Dependent {
        /// The column.
        column: usize,
        /// The others, which stand before it.
        of: Vec<usize>,
    },
    /// Many rows stand in the table several times.
    RepeatedRows {
        /// The part of the rows that are the same as one before them, in (0, 1].
        share: f64,
    },
    /// There are few rows for so many columns.
    FewRows {
        /// Rows to train on.
        rows: usize,
        /// Columns.
        columns: usize,
    },
}

impl Finding {
    /// The column in which a density of the table is unbounded for this reason, so that a likelihood of it means nothing.
    pub fn unbounded(&self) -> Option<usize> {
        match self {
            Self::OnLattice { column, .. }
            | Self::FewValues { column, .. }
            | Self::Spike { column, .. }
            | Self::Copy { column, .. }
            | Self::Dependent { column, .. } => Some(*column),
            _ => None,
        }
    }

    /// Whether nothing can be trained on such a table.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::Constant { .. } | Self::OutOfRange { .. })
    }

    /// The finding, its consequence and its remedy in one sentence, with the `names` `[D]` of the columns.
    pub fn describe(&self, names: &[String]) -> String {
        let name = |column: &usize| names.get(*column).cloned().unwrap_or_else(|| column.to_string());
        let drop = |column: &usize| format!("--set 'data.drop=[{:?}]'", name(column));
        match self {
            Self::Constant { column, value } => format!(
                "column `{}` has the same value {value} in all rows, so it has no density: leave it out with {}",
                name(column),
                drop(column)
            ),
            Self::OutOfRange { column, largest } => format!(
                "column `{}` holds values up to {largest:e}, whose mean or deviation double precision cannot hold: \
                 multiply it by a constant in the file, so that its values are near 1, or leave it out with {}",
                name(column),
                drop(column)
            ),
            Self::CountsRows { column } => format!(
                "column `{}` goes on from row to row as an index or a clock does, or holds another whole number in every row, \
                 and is trained on as any other: leave it out with {}",
                name(column),
                drop(column)
            ),
            Self::OnLattice {
                column,
                lattice,
                distinct,
            } => format!(
                "column `{}` lies on a lattice of step {} ({distinct} different values), so that a density of it is \
                 unbounded and the likelihood means nothing: spread it with --set data.dequantize=true, or model the \
                 others given it with --set 'data.given=[{:?}]'",
                name(column),
                lattice::short(lattice.step),
                name(column)
            ),
            Self::FewValues { column, distinct } => format!(
                "column `{}` takes few values ({distinct} different ones) again and again, so that a density of it is \
                 unbounded on them: model the other columns given it with --set 'data.given=[{:?}]', leave it out with \
                 {}, or take every row once",
                name(column),
                name(column),
                drop(column)
            ),
            Self::Spike { column, value, share } => format!(
                "column `{}` is {value} in {:.0} % of the rows, so that a density of it is unbounded there: keep the \
                 other rows alone, or model the other columns given it with --set 'data.given=[{:?}]'",
                name(column),
                100.0 * share,
                name(column)
            ),
            Self::LostDigits {
                column,
                distinct,
                left,
                double_helps,
                row,
                value,
            } => format!(
                "column `{}` has {distinct} different values, of which {left} are left in {} after scaling, because of \
                 outliers such as {value:e} in row {row}: scale by the middle half of the values with \
                 --set data.scale=robust,{} or drop the row",
                name(column),
                if *double_helps {
                    "single precision"
                } else {
                    "the model's precision"
                },
                if *double_helps {
                    " compute with --set model.precision=f64,"
                } else {
                    ""
                },
            ),
            Self::Copy { column, of } => format!(
                "column `{}` is a copy of `{}`, so that a density of both is unbounded: leave it out with {}",
                name(column),
                name(of),
                drop(column)
            ),
            Self::Dependent { column, of } => format!(
                "column `{}` is a linear function of {}, so that a density of all of them is unbounded: leave it out \
                 with {}",
                name(column),
                crate::table::listed(of.iter().map(name)),
                drop(column)
            ),
            Self::RepeatedRows { share } => format!(
                "{:.0} % of the rows are the same as one before them in all columns, so that test rows are rows that were \
                 trained on: take every row once",
                100.0 * share
            ),
            Self::FewRows { rows, columns } => format!(
                "{rows} training rows are few for {columns} columns, so that a flow soon knows them by heart: give \
                 more rows, a small network (--set 'model.hidden=[16]'), noise in training (--set model.start.noise=0.15) \
                 or an early stop (--set training.patience=5)"
            ),
        }
    }
}

/// From this part of the rows on, repetitions are worth a word.
const REPEATED_ROWS: f64 = 0.05;

/// The part of the rows that are the same as one before them.
fn repeated_rows(table: &Matrix<f64>) -> f64 {
    let mut seen = HashSet::with_capacity(table.rows());
    // A number a row, since a copy of the table would need as much memory again.
    let hash = |row: &[f64]| {
        let mut hasher = DefaultHasher::new();
        // Zeros are the same with either sign.
        row.iter().for_each(|value| hasher.write_u64((value + 0.0).to_bits()));
        hasher.finish()
    };
    let repeated = table.iter_rows().filter(|row| !seen.insert(hash(row))).count();
    repeated as f64 / table.rows().max(1) as f64
}

/// How many rows a column should have at least: fewer, and their number is worth a word.
const ROWS_A_COLUMN: usize = 20;

/// Examines a whole table `[N, D]` in the order of its file, of which `train` rows are trained on.
///
/// With `scaled`, the map by which columns are scaled and whether they are rounded to single precision then, also what that
/// costs.
///
/// ```
/// use ffjord_data::{Finding, Matrix, diagnose};
///
/// let rows = (0..300).flat_map(|row| [f64::from(row * row % 97) + 0.1 * f64::from(row).sin(), 2.5]);
/// let table = Matrix::new(300, 2, rows.collect())?;
/// assert_eq!(diagnose(&table, 243, None), [Finding::Constant { column: 1, value: 2.5 }]);
/// # Ok::<(), ffjord_data::DataError>(())
/// ```
pub fn diagnose(table: &Matrix<f64>, train: usize, scaled: Option<(&Standardizer, bool)>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for column in 0..table.columns() {
        findings.extend(columns::examine(table, column, scaled));
    }
    if !findings.iter().any(Finding::is_fatal) {
        findings.extend(dependence::examine(table));
    }
    // Where every column has few values, rows meet by chance.
    let coarse = |finding: &Finding| matches!(finding, Finding::OnLattice { .. } | Finding::FewValues { .. });
    if findings.iter().filter(|finding| coarse(finding)).count() < table.columns() {
        let share = repeated_rows(table);
        if share > REPEATED_ROWS {
            findings.push(Finding::RepeatedRows { share });
        }
    }
    if train < ROWS_A_COLUMN * table.columns() {
        findings.push(Finding::FewRows {
            rows: train,
            columns: table.columns(),
        });
    }
    findings
}

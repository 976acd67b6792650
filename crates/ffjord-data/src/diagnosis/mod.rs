//! What can be wrong with a table before anything is trained on it: typed findings, each with its consequence and its
//! remedy in one sentence.

mod columns;
mod dependence;
mod lattice;

pub use lattice::Lattice;

use crate::{Matrix, Standardizer};
use std::collections::HashSet;

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
    // Zeros are the same with either sign.
    let bits = |row: &[f64]| -> Vec<u64> { row.iter().map(|value| (value + 0.0).to_bits()).collect() };
    let repeated = table.iter_rows().filter(|row| !seen.insert(bits(row))).count();
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers without a pattern, in (−0.5, 0.5).
    fn noise(row: usize, column: usize) -> f64 {
        let x = ((row * 7 + column * 131 + 1) as f64 * 12.9898).sin() * 43758.5453;
        x - x.round()
    }

    fn table(columns: usize, value: impl Fn(usize, usize) -> f64) -> Matrix<f64> {
        let values = (0..400).flat_map(|row| (0..columns).map(move |column| (row, column)));
        Matrix::new(400, columns, values.map(|(row, column)| value(row, column)).collect()).unwrap()
    }

    fn found(table: &Matrix<f64>) -> Vec<Finding> {
        diagnose(table, 324, None)
    }

    #[test]
    fn ordinary_tables_are_silent() {
        assert_eq!(found(&table(3, noise)), []);
        // Six decimals are a lattice, but none that a density could use.
        assert_eq!(
            found(&table(3, |row, column| (noise(row, column) * 1e6).round() / 1e6)),
            []
        );
        // Large offsets cost nothing, since scaling is done in double precision.
        assert_eq!(found(&table(2, |row, column| 1e9 + noise(row, column))), []);
    }

    #[test]
    fn lattices_spikes_and_indices_are_found() {
        let stars = |row: usize| (noise(row, 0) * 4.9).round() + 3.0;
        let cents = |row: usize| (noise(row, 1) * 100.0).round() / 100.0;
        let rained = |row: usize| if row.is_multiple_of(3) { 0.0 } else { noise(row, 2) };
        let columns = [&stars as &dyn Fn(usize) -> f64, &cents, &rained, &|row| row as f64];
        let found = found(&table(4, |row, column| columns[column](row)));
        let [
            Finding::OnLattice {
                column: 0,
                lattice: stars,
                ..
            },
            Finding::OnLattice {
                column: 1,
                lattice: cents,
                ..
            },
            Finding::Spike {
                column: 2,
                value: 0.0,
                share,
            },
            Finding::CountsRows { column: 3 },
        ] = found.as_slice()
        else {
            panic!("{found:?}");
        };
        assert_eq!(stars.step, 1.0);
        assert!((cents.step - 0.01).abs() < 1e-12 && (share - 1.0 / 3.0).abs() < 0.01);
        let names = ["stars", "cents", "rain", "index"].map(String::from);
        let words = ["`stars`", "step 0.01 (", "34 %", "data.drop=[\"index\"]"];
        for (finding, word) in found.iter().zip(words) {
            let said = finding.describe(&names);
            assert!(said.contains(word) && !finding.is_fatal(), "{said}");
        }
    }

    #[test]
    fn few_values_are_found_on_no_lattice_either() {
        let level = |row: usize| noise(row % 40, 5);
        let counts = |row: usize| (1.0 + (row * row % 13) as f64).ln();
        let found = found(&table(
            2,
            |row, column| if column == 0 { level(row) } else { counts(row) },
        ));
        let [
            Finding::FewValues {
                column: 0,
                distinct: 40,
            },
            Finding::FewValues { column: 1, .. },
        ] = found[..]
        else {
            panic!("{found:?}");
        };
        assert!(
            found[0]
                .describe(&["level".to_string()])
                .contains("`level` takes few values (40 different ones)")
        );
        // A spike of half the rows leaves the others as they are, and has no sign.
        let rained = table(1, |row, column| {
            if row.is_multiple_of(2) {
                -0.0
            } else {
                noise(row, column)
            }
        });
        let found = diagnose(&rained, 324, None);
        assert!(found[0].describe(&[]).contains("`0` is 0 in 50 %"), "{found:?}");
    }

    #[test]
    fn indices_are_found_in_any_order() {
        let index = |row: usize| (row * 7 % 400) as f64;
        let gaps = |row: usize| (1000 + row + row / 5) as f64;
        let times = |row: usize| 1.7e9 + 60.0 * row as f64;
        let columns = [&index as &dyn Fn(usize) -> f64, &gaps, &times];
        let found = found(&table(3, |row, column| columns[column](row)));
        assert_eq!(found, [0, 1, 2].map(|column| Finding::CountsRows { column }));
    }

    #[test]
    fn copies_and_sums_are_found() {
        let found = found(&table(4, |row, column| match column {
            2 => noise(row, 0),
            3 => 2.0 * noise(row, 0) - noise(row, 1) + 5.0,
            _ => noise(row, column),
        }));
        assert_eq!(
            found,
            [
                Finding::Copy { column: 2, of: 0 },
                Finding::Dependent {
                    column: 3,
                    of: vec![0, 1]
                }
            ]
        );
    }

    #[test]
    fn what_no_number_holds_is_fatal() {
        let large = table(2, |row, column| {
            noise(row, column) * if column == 1 { 1e200 } else { 1.0 }
        });
        let small = table(2, |row, column| {
            noise(row, column) * if column == 1 { 1e-200 } else { 1.0 }
        });
        for table in [large, small] {
            let found = found(&table);
            assert!(
                matches!(found[..], [Finding::OutOfRange { column: 1, .. }]),
                "{found:?}"
            );
            assert!(found[0].is_fatal());
        }
        let constant = found(&table(2, |row, column| if column == 0 { 0.1 } else { noise(row, 1) }));
        assert_eq!(constant, [Finding::Constant { column: 0, value: 0.1 }]);
    }

    #[test]
    fn clocks_and_repeated_rows_are_found() {
        for step in [60.0, 0.1, -3.0] {
            let clock = table(2, |row, column| match column {
                0 => 1.7e9 + step * row as f64,
                _ => noise(row, 1),
            });
            assert_eq!(found(&clock), [Finding::CountsRows { column: 0 }], "{step}");
        }
        let twice = table(2, |row, column| noise(row % 200, column));
        assert!(
            found(&twice)
                .iter()
                .any(|finding| matches!(finding, Finding::RepeatedRows { share: 0.5 }))
        );
        // Two flags meet by chance.
        let flags = table(2, |row, column| f64::from(noise(row, column) > 0.0));
        assert!(
            !found(&flags)
                .iter()
                .any(|finding| matches!(finding, Finding::RepeatedRows { .. }))
        );
    }

    #[test]
    fn an_outlier_that_takes_the_digits_is_named() {
        let table = table(2, |row, column| {
            if (row, column) == (17, 1) {
                1e9
            } else {
                noise(row, column)
            }
        });
        let scale = Standardizer::fit(&table, None, crate::ConstantColumns::Reject).unwrap();
        let found = diagnose(&table, 324, Some((&scale, true)));
        let [
            Finding::LostDigits {
                column: 1,
                distinct: 400,
                left,
                double_helps: true,
                row: 17,
                value: 1e9,
            },
        ] = found[..]
        else {
            panic!("{found:?}");
        };
        assert!(left < 100, "{left}");
        // Double precision has its limits, too, and is no remedy then.
        assert_eq!(diagnose(&table, 324, Some((&scale, false))), []);
        let mut farther = table.clone();
        farther.as_mut_slice()[2 * 17 + 1] = 1e30;
        let scale = Standardizer::fit(&farther, None, crate::ConstantColumns::Reject).unwrap();
        for single in [true, false] {
            let found = diagnose(&farther, 324, Some((&scale, single)));
            assert!(
                matches!(
                    found[..],
                    [Finding::LostDigits {
                        double_helps: false,
                        ..
                    }]
                ),
                "{found:?}"
            );
            let said = found[0].describe(&[]);
            assert!(said.contains("data.scale=robust") && !said.contains("f64"), "{said}");
        }
        let robust = Standardizer::robust(&table, None).unwrap();
        assert_eq!(diagnose(&table, 324, Some((&robust, true))), []);
        assert!(matches!(
            diagnose(&table, 30, None)[..],
            [Finding::FewRows { rows: 30, columns: 2 }]
        ));
    }
}

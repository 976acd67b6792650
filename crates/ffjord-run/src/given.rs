//! Which columns of a table are modelled, and which they are given.

use crate::error::{Result, RunError};
use crate::rows::Rows;
use ffjord_data::table::Table;
use ffjord_data::{Element, Matrix, Standardizer};
use serde::{Deserialize, Serialize};

/// The columns of a conditional run, p(rest | given), as its `data.json` keeps them.
///
/// The columns of a table without names are called by their number, from 0.
///
/// ```
/// use ffjord_data::table::Table;
/// use ffjord_run::{GivenColumns, Matrix};
/// let text = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
/// let (names, rest) = (text(&["speed"]), text(&["x", "y"]));
/// let columns = GivenColumns { names, rest, means: vec![100.0], stds: vec![20.0] };
/// // Found by name whatever the order.
/// let table = Table::new(Some(text(&["y", "speed", "x"])), Matrix::from_rows(&[[2.0, 90.0, 1.0]]));
/// let rows = columns.split(&table)?;
/// assert_eq!((rows.x.row(0), rows.given.ok_or("conditions")?.row(0)), (&[1.0, 2.0][..], &[90.0][..]));
/// assert_eq!(columns.standardizer()?.apply(&columns.conditions(&table)?)?.row(0), [-0.5]);
/// let unknown = columns.split(&Table::new(Some(text(&["x", "y"])), Matrix::from_rows(&[[1.0, 2.0]]))).unwrap_err();
/// assert!(unknown.to_string().contains("no column `speed`"), "{unknown}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GivenColumns {
    /// The condition's columns, in the order in which the flow takes them.
    pub names: Vec<String>,
    /// The columns that are modelled, in the order of a row.
    pub rest: Vec<String>,
    /// Means of the condition's columns in the table's units.
    pub means: Vec<f64>,
    /// Standard deviations of them.
    pub stds: Vec<f64>,
}

impl GivenColumns {
    /// The map from the table's units to those that the flow takes conditions in.
    ///
    /// # Errors
    /// When the scales cannot be used.
    pub fn standardizer(&self) -> Result<Standardizer> {
        Ok(Standardizer::new(self.means.clone(), self.stds.clone())?)
    }

    /// Rows and conditions out of one table that holds both, found by name whatever their order.
    ///
    /// # Errors
    /// [`RunError::UnknownColumn`] for a column that is not there, [`RunError::AmbiguousColumn`] for one that is there
    /// twice, [`RunError::SurplusColumn`] for one that the run does not know.
    pub fn split(&self, table: &Table) -> Result<Rows<f64>> {
        let names = table.column_names();
        let given = positions(&self.names, &names)?;
        let rest = positions(&self.rest, &names)?;
        let known = |name: &&String| self.names.contains(name) || self.rest.contains(name);
        if let Some(surplus) = names.iter().find(|name| !known(name)) {
            return Err(RunError::SurplusColumn {
                name: surplus.clone(),
                expected: listed(self.names.iter().chain(&self.rest)),
            });
        }
        Rows::new(select(&table.values, &rest)?, Some(select(&table.values, &given)?))
    }

    /// The conditions out of a table: its columns of their names, whatever else it holds; or all columns of a table
    /// without names that has as many as there are conditions.
    ///
    /// # Errors
    /// As [`split`](Self::split), but for surplus columns.
    pub fn conditions(&self, table: &Table) -> Result<Matrix<f64>> {
        if table.names.is_none() && table.values.columns() == self.names.len() {
            return Ok(table.values.clone());
        }
        select(&table.values, &positions(&self.names, &table.column_names())?)
    }

    /// The rows out of a table that holds no conditions: by name if it has names, else as they are.
    ///
    /// # Errors
    /// As [`split`](Self::split).
    pub fn rows(&self, table: &Table) -> Result<Matrix<f64>> {
        let Some(names) = &table.names else {
            return Ok(table.values.clone());
        };
        if let Some(surplus) = names.iter().find(|name| !self.rest.contains(name)) {
            return Err(RunError::SurplusColumn {
                name: surplus.clone(),
                expected: listed(&self.rest),
            });
        }
        select(&table.values, &positions(&self.rest, names)?)
    }
}

/// The positions of the columns to be modelled, and of those that they are given, which a setting names.
pub(crate) struct Cut {
    /// Columns that are modelled.
    pub rest: Vec<usize>,
    /// Columns that they are given.
    pub given: Vec<usize>,
}

impl Cut {
    /// The columns of a table with these names, of which `wanted` are given.
    ///
    /// # Errors
    /// [`RunError::UnknownColumn`], [`RunError::AmbiguousColumn`], [`RunError::RepeatedColumn`], and
    /// [`RunError::NothingToModel`] where no other column is left.
    pub fn new(wanted: &[String], names: &[String]) -> Result<Self> {
        let given = positions(wanted, names)?;
        if let Some(repeated) = (1..wanted.len()).find(|&at| wanted[..at].contains(&wanted[at])) {
            return Err(RunError::RepeatedColumn {
                name: wanted[repeated].clone(),
            });
        }
        let rest: Vec<usize> = (0..names.len()).filter(|column| !given.contains(column)).collect();
        if rest.is_empty() {
            return Err(RunError::NothingToModel { columns: listed(names) });
        }
        Ok(Self { rest, given })
    }

    /// Rows `[N, D]` and conditions `[N, C]`, if there are any, out of a table of all columns.
    pub fn apply<T: Element>(&self, table: &Matrix<T>) -> Result<(Matrix<T>, Option<Matrix<T>>)> {
        let given = (!self.given.is_empty()).then(|| select(table, &self.given));
        Ok((select(table, &self.rest)?, given.transpose()?))
    }
}

/// Where columns of these names stand.
fn positions(wanted: &[String], names: &[String]) -> Result<Vec<usize>> {
    let position = |name: &String| {
        let mut found = (0..names.len()).filter(|&column| names[column] == *name);
        match (found.next(), found.next()) {
            (Some(column), None) => Ok(column),
            (None, _) => Err(RunError::UnknownColumn {
                name: name.clone(),
                columns: listed(names),
            }),
            (Some(_), Some(_)) => Err(RunError::AmbiguousColumn { name: name.clone() }),
        }
    };
    wanted.iter().map(position).collect()
}

/// The columns `own` out of a table that may have those `known` beside them, and no others.
pub(crate) fn by_name(own: &[String], known: &[String], values: &Matrix<f64>, names: &[String]) -> Result<Matrix<f64>> {
    // Names that occur twice tell nothing, but the same names in the same order do.
    if own == names {
        return Ok(values.clone());
    }
    let place = |wanted: &String| {
        let mut found = (0..names.len()).filter(|&column| names[column] == *wanted);
        found.next().filter(|_| found.next().is_none())
    };
    let places: Vec<Option<usize>> = own.iter().map(place).collect();
    let missing = own.iter().zip(&places).filter(|(_, place)| place.is_none());
    let missing: Vec<&String> = missing.map(|(name, _)| name).collect();
    let unknown: Vec<&String> = names
        .iter()
        .filter(|name| !own.contains(name) && !known.contains(name))
        .collect();
    if !missing.is_empty() || !unknown.is_empty() {
        let part = |what: &str, names: Vec<&String>| match names.is_empty() {
            true => String::new(),
            false => format!("; {what}: {}", listed(names)),
        };
        return Err(RunError::OtherColumns {
            expected: listed(own),
            missing: part("missing (or there twice)", missing),
            unknown: part("unknown", unknown),
        });
    }
    let places: Vec<usize> = places.into_iter().flatten().collect();
    let values = values
        .iter_rows()
        .flat_map(|row| places.iter().map(|&place| row[place]));
    let values: Vec<f64> = values.collect();
    Ok(Matrix::new(values.len() / places.len().max(1), places.len(), values)?)
}

/// Some columns of a table, in this order.
fn select<T: Element>(table: &Matrix<T>, columns: &[usize]) -> Result<Matrix<T>> {
    let values = table
        .iter_rows()
        .flat_map(|row| columns.iter().map(|&column| row[column]));
    Ok(Matrix::new(table.rows(), columns.len(), values.collect())?)
}

/// Names in a sentence.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &[&str]) -> Table {
        let values = (0..2 * names.len()).map(|value| value as f64).collect();
        let owned = names.iter().map(ToString::to_string).collect();
        Table::new(Some(owned), Matrix::new(2, names.len(), values).unwrap())
    }

    fn columns() -> GivenColumns {
        GivenColumns {
            names: vec!["c".to_string(), "a".to_string()],
            rest: vec!["b".to_string()],
            means: vec![0.0; 2],
            stds: vec![1.0; 2],
        }
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let rows = columns().split(&table(&["b", "c", "a"])).unwrap();
        assert_eq!(
            (rows.x.row(1), rows.given.unwrap().row(1)),
            (&[3.0][..], &[4.0, 5.0][..])
        );
        let conditions = columns().conditions(&table(&["a", "x", "c"])).unwrap();
        assert_eq!(conditions.row(0), [2.0, 0.0]);
        assert_eq!(columns().rows(&table(&["b"])).unwrap().row(1), [1.0]);
        let unnamed = Table {
            names: None,
            ..table(&["x", "y"])
        };
        assert_eq!(columns().conditions(&unnamed).unwrap(), unnamed.values);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let columns = columns();
        assert!(matches!(
            columns.split(&table(&["a", "b"])),
            Err(RunError::UnknownColumn { name, .. }) if name == "c"
        ));
        assert!(matches!(
            columns.split(&table(&["a", "b", "c", "d"])),
            Err(RunError::SurplusColumn { name, .. }) if name == "d"
        ));
        assert!(matches!(
            columns.split(&table(&["a", "b", "c", "a"])),
            Err(RunError::AmbiguousColumn { name }) if name == "a"
        ));
        assert!(matches!(
            columns.rows(&table(&["a", "b"])),
            Err(RunError::SurplusColumn { name, .. }) if name == "a"
        ));
    }
}

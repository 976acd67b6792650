//! Which columns of a file become columns of a table.

use std::path::Path;

use thiserror::Error;

use super::LoadOptions;
use crate::DataError;

/// Why columns cannot be chosen as asked.
///
/// ```
/// use ffjord_data::{DataError, table::{self, LoadOptions, SelectionError}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("table.csv");
/// std::fs::write(&path, "x,y\n1,2\n3,4\n")?;
/// let options = LoadOptions { columns: vec!["z".to_owned()], ..LoadOptions::default() };
/// let refused = table::load(&path, &options).unwrap_err();
/// assert!(matches!(&refused, DataError::Columns { error: SelectionError::NoColumn { name, .. }, .. } if name == "z"));
/// assert!(refused.to_string().contains("there is no column `z`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelectionError {
    /// No column has this name or number.
    #[error("there is no column `{name}`: there are {present}")]
    NoColumn {
        /// The name or number that was asked for.
        name: String,
        /// The columns there are.
        present: String,
    },
    /// Several columns have this name.
    #[error("several columns are named `{name}`: call them by their numbers, from 0")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// A column is asked for twice, or asked for and left out.
    #[error("column `{name}` is named twice among data.columns and data.drop: name it once")]
    Repeated {
        /// The name.
        name: String,
    },
    /// No column is left.
    #[error("no column is left: data.drop and data.split name all of them ({present})")]
    NothingLeft {
        /// The columns there are.
        present: String,
    },
}

impl SelectionError {
    pub(super) fn in_file(self, path: &Path) -> DataError {
        DataError::Columns {
            path: path.to_owned(),
            error: self,
        }
    }
}

/// The columns of a file that are kept, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) kept: Vec<usize>,
    /// The column of labels.
    pub(crate) labels: Option<usize>,
    /// What the others are called.
    pub(crate) left_out: Vec<String>,
}

impl Selection {
    /// What `options` choose from `width` columns.
    pub(super) fn of(names: Option<&[String]>, width: usize, options: &LoadOptions) -> Result<Self, SelectionError> {
        let find = |wanted: &String| find(wanted, names, width);
        let name = |column: usize| names.map_or_else(|| column.to_string(), |names| names[column].clone());
        let labels = options.labels.as_ref().map(find).transpose()?;
        let drop = options.drop.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let chosen = options.columns.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let named = [&chosen[..], &drop[..]].concat();
        if let Some(twice) = (1..named.len()).find(|&at| named[..at].contains(&named[at])) {
            return Err(SelectionError::Repeated {
                name: name(named[twice]),
            });
        }
        let all = match chosen.is_empty() {
            true => (0..width).collect(),
            false => chosen,
        };
        let out = |column: &usize| drop.contains(column) || labels == Some(*column);
        let kept: Vec<usize> = all.into_iter().filter(|column| !out(column)).collect();
        if kept.is_empty() {
            return Err(SelectionError::NothingLeft {
                present: listed((0..width).map(name)),
            });
        }
        let left_out = (0..width).filter(|column| !kept.contains(column)).map(name).collect();
        Ok(Self { kept, labels, left_out })
    }

    /// The names of the kept columns; columns without names keep their numbers where some are left out.
    pub(super) fn names(&self, names: Option<&[String]>) -> Option<Vec<String>> {
        let in_order = self.kept.iter().enumerate().all(|(place, column)| place == *column);
        match names {
            Some(names) => Some(self.kept.iter().map(|&column| names[column].clone()).collect()),
            None if in_order && self.left_out.is_empty() => None,
            None => Some(self.kept.iter().map(ToString::to_string).collect()),
        }
    }
}

/// The column of a name or, where none has it, a number.
fn find(wanted: &String, names: Option<&[String]>, width: usize) -> Result<usize, SelectionError> {
    let mut called = (0..width).filter(|&column| names.is_some_and(|names| names[column] == *wanted));
    match (called.next(), called.next()) {
        (Some(column), None) => Ok(column),
        (Some(_), Some(_)) => Err(SelectionError::Ambiguous { name: wanted.clone() }),
        (None, _) => wanted
            .parse()
            .ok()
            .filter(|column| *column < width)
            .ok_or_else(|| SelectionError::NoColumn {
                name: wanted.clone(),
                present: match names {
                    Some(names) => listed(names.iter().cloned()),
                    None => format!("{width}, numbered from 0"),
                },
            }),
    }
}

/// Names in a sentence, the first ones of many.
pub(crate) fn listed(names: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 12;
    let count = names.len();
    let mut text = names.take(SHOWN).collect::<Vec<_>>().join(", ");
    if count > SHOWN {
        text += &format!(" and {} more", count - SHOWN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(names: Option<&[&str]>, options: &LoadOptions) -> Result<Selection, SelectionError> {
        let names: Option<Vec<String>> = names.map(|names| names.iter().map(ToString::to_string).collect());
        Selection::of(names.as_deref(), 3, options)
    }

    fn options(columns: &[&str], drop: &[&str]) -> LoadOptions {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        LoadOptions {
            columns: owned(columns),
            drop: owned(drop),
            ..LoadOptions::default()
        }
    }

    #[test]
    fn columns_are_named_or_numbered() {
        let abc = Some(&["a", "b", "c"][..]);
        assert_eq!(select(abc, &options(&["c", "0"], &[])).unwrap().kept, [2, 0]);
        let dropped = select(abc, &options(&[], &["b"])).unwrap();
        assert_eq!((dropped.kept, dropped.left_out), (vec![0, 2], vec!["b".to_owned()]));
        let numbered = select(None, &options(&[], &["1"])).unwrap();
        assert_eq!(numbered.names(None), Some(vec!["0".to_owned(), "2".to_owned()]));
        // A name that is a number is a name first.
        assert_eq!(select(Some(&["2", "1", "0"]), &options(&["0"], &[])).unwrap().kept, [2]);
        let labels = LoadOptions {
            labels: Some("c".to_owned()),
            ..LoadOptions::default()
        };
        let labelled = select(abc, &labels).unwrap();
        assert_eq!((labelled.kept, labelled.labels), (vec![0, 1], Some(2)));
    }

    #[test]
    fn what_cannot_be_chosen_is_named() {
        let abc = Some(&["a", "b", "c"][..]);
        let error = |columns: &[&str], drop: &[&str]| select(abc, &options(columns, drop)).unwrap_err().to_string();
        assert!(error(&["d"], &[]).contains("no column `d`: there are a, b, c"));
        assert!(error(&[], &["3"]).contains("no column `3`"));
        assert!(error(&["a", "a"], &[]).contains("`a` is named twice"));
        assert!(error(&["a"], &["0"]).contains("`a` is named twice"));
        assert!(error(&[], &["a", "b", "c"]).contains("no column is left"));
        let twice = select(Some(&["a", "a", "b"]), &options(&["a"], &[])).unwrap_err();
        assert!(twice.to_string().contains("several columns are named `a`"));
    }
}

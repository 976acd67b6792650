//! Works to cite for what a run used.

mod uses;

use crate::error::{LabError, Result};
use ffjord_run::config::RunConfig;
use serde::Deserialize;
use uses::uses;

const TABLE: &str = include_str!("references.toml");

/// A published work and what it is cited for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Work {
    /// Values of a configuration, such as `solver=dopri5`.
    of: Vec<String>,
    /// The entry.
    bibtex: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Values that need no reference.
    #[cfg_attr(not(test), expect(dead_code, reason = "a statement for the test, which reads it"))]
    none: Vec<String>,
    works: Vec<Work>,
}

impl Table {
    fn read() -> Result<Self> {
        toml::from_str(TABLE).map_err(|error| LabError::References(Box::new(error)))
    }
}

/// A work that a run used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// What it was used for, such as `solver=dopri5`.
    pub used: Vec<String>,
    /// The BibTeX entry.
    pub bibtex: String,
}

/// The works of exactly the methods and data that a run used, in the order of the table.
///
/// # Errors
/// [`LabError::References`] if the program was built with a damaged table.
pub fn references(config: &RunConfig) -> Result<Vec<Reference>> {
    let used = uses(config);
    let works = Table::read()?.works.into_iter();
    let chosen = works.filter_map(|work| {
        let used: Vec<String> = work.of.into_iter().filter(|value| used.contains(value)).collect();
        (!used.is_empty()).then(|| Reference {
            used,
            bibtex: work.bibtex.trim().to_string(),
        })
    });
    Ok(chosen.collect())
}

#[cfg(test)]
mod tests;

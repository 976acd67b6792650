//! What has been published, and which of our presets stands beside it.

use crate::error::{Result, StudyError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const TABLE_2: &str = include_str!("../../tables/table2.toml");
const TABLE_3: &str = include_str!("../../tables/table3.toml");
/// Stands for the benchmark's name in the names of presets.
const PLACEHOLDER: &str = "DATASET";

/// Published test likelihoods of several models on several benchmarks.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedTable {
    /// The benchmarks' names, one a row of the table.
    pub datasets: Vec<String>,
    /// The models.
    pub models: Vec<PublishedModel>,
}

/// A model in the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedModel {
    /// Its name on the command line.
    pub name: String,
    /// Its name in print.
    pub title: String,
    /// Where its numbers were published.
    pub source: String,
    presets: Vec<String>,
    /// Its test likelihoods by benchmark.
    #[serde(default)]
    pub published: BTreeMap<String, PublishedLikelihood>,
}

/// A published test likelihood.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedLikelihood {
    /// Mean negative log-likelihood in nats; of table 3 the negative bound, in the table's unit.
    pub nll: f64,
    /// The error that was published with it, in the same unit.
    pub error: Option<f64>,
}

impl PublishedModel {
    /// Our presets of this model for a benchmark.
    pub fn presets(&self, dataset: &str) -> Vec<String> {
        let named = self.presets.iter();
        named.map(|preset| preset.replace(PLACEHOLDER, dataset)).collect()
    }
}

/// Which rows and models of a table are wanted; all where none is named.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// The benchmark.
    pub row: Option<String>,
    /// The model.
    pub model: Option<String>,
}

impl PublishedTable {
    /// Table 2, with later results on the same data.
    ///
    /// # Errors
    /// [`StudyError::PublishedTable`] if the program was built with a damaged table.
    pub fn table_2() -> Result<Self> {
        toml::from_str(TABLE_2).map_err(|source| StudyError::PublishedTable {
            number: 2,
            source: Box::new(source),
        })
    }

    /// Table 3: variational autoencoders.
    ///
    /// # Errors
    /// [`StudyError::PublishedTable`] if the program was built with a damaged table.
    pub fn table_3() -> Result<Self> {
        toml::from_str(TABLE_3).map_err(|source| StudyError::PublishedTable {
            number: 3,
            source: Box::new(source),
        })
    }

    /// The part of the table that is wanted.
    ///
    /// # Errors
    /// [`StudyError::UnknownTableEntry`] lists the names that there are.
    pub fn select(mut self, selection: &Selection) -> Result<Self> {
        if let Some(row) = &selection.row {
            let accepted = self.datasets.join(", ");
            self.datasets.retain(|dataset| dataset == row);
            require("row", row, accepted, self.datasets.is_empty())?;
        }
        if let Some(model) = &selection.model {
            let accepted: Vec<&str> = self.models.iter().map(|model| model.name.as_str()).collect();
            let accepted = accepted.join(", ");
            self.models.retain(|candidate| &candidate.name == model);
            require("model", model, accepted, self.models.is_empty())?;
        }
        Ok(self)
    }
}

fn require(what: &'static str, given: &str, accepted: String, none_left: bool) -> Result<()> {
    if none_left {
        return Err(StudyError::UnknownTableEntry {
            what,
            given: given.to_string(),
            accepted,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffjord_data::{Benchmark, ImageSet};
    use ffjord_run::config::Preset;

    #[test]
    fn every_benchmark_and_preset_of_the_table_exists() -> Result<()> {
        let table = PublishedTable::table_2()?;
        for dataset in &table.datasets {
            assert!(
                dataset.parse::<Benchmark>().is_ok() || dataset.parse::<ImageSet>().is_ok(),
                "{dataset}"
            );
        }
        for model in &table.models {
            let unknown = model.published.keys().find(|name| !table.datasets.contains(name));
            assert_eq!(unknown, None, "{}", model.name);
            // A pattern may stand for a preset that some of the benchmarks lack.
            for pattern in &model.presets {
                let names = table
                    .datasets
                    .iter()
                    .map(|dataset| pattern.replace(PLACEHOLDER, dataset));
                assert!(names.into_iter().any(|name| Preset::find(&name).is_ok()), "{pattern}");
            }
        }
        Ok(())
    }

    #[test]
    fn every_cell_of_table_3_has_its_presets() -> Result<()> {
        let table = PublishedTable::table_3()?;
        for model in &table.models {
            assert_eq!(model.published.len(), table.datasets.len(), "{}", model.name);
            for preset in table.datasets.iter().flat_map(|dataset| model.presets(dataset)) {
                Preset::find(&preset)?;
            }
        }
        let of = |name: &str| table.models.iter().find(|model| model.name == name);
        let row = |name| -> Vec<f64> {
            let published = of(name).map(|model| &model.published);
            table
                .datasets
                .iter()
                .filter_map(|dataset| Some(published?.get(dataset)?.nll))
                .collect()
        };
        assert_eq!(row("ffjord"), [82.82, 98.33, 4.39, 104.03]);
        assert_eq!(row("sylvester"), [83.32, 99.00, 4.45, 104.62]);
        Ok(())
    }

    #[test]
    fn the_numbers_are_those_of_the_paper() -> Result<()> {
        let table = PublishedTable::table_2()?;
        let of = |name: &str| {
            table
                .models
                .iter()
                .find(|model| model.name == name)
                .map(|model| &model.published)
        };
        let nats = |name: &str| -> Vec<f64> {
            let row = table.datasets.iter().filter_map(|dataset| of(name)?.get(dataset));
            row.map(|published| published.nll).collect()
        };
        assert_eq!(nats("ffjord"), [-0.46, -8.59, 14.92, 10.43, -157.40, 0.99, 3.40]);
        assert_eq!(nats("maf"), [-0.24, -10.08, 17.70, 11.75, -155.69, 1.89, 4.31]);
        assert_eq!(nats("flow-matching"), [2.99]);
        Ok(())
    }

    #[test]
    fn names_that_do_not_exist_are_answered_with_those_that_do() -> Result<()> {
        let select = |row: Option<&str>, model: Option<&str>| {
            PublishedTable::table_2()?.select(&Selection {
                row: row.map(String::from),
                model: model.map(String::from),
            })
        };
        let one = select(Some("gas"), Some("ffjord"))?;
        assert_eq!((one.datasets.len(), one.models.len()), (1, 1));
        let row = select(Some("iris"), None).map_err(|error| error.to_string());
        assert!(row.is_err_and(|text| text.contains("`iris`") && text.contains("power, gas, hepmass")));
        let model = select(None, Some("ddsf")).map_err(|error| error.to_string());
        assert!(model.is_err_and(|text| text.contains("`ddsf`") && text.contains("tan, maf-ddsf")));
        Ok(())
    }
}

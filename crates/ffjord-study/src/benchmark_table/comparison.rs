//! Our results, gathered by what was run, beside the published ones.

use super::published::{PublishedLikelihood, PublishedTable};
use ffjord_run::{RunResult, mean_and_standard_error};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A cell of the table: a benchmark, a model, what was published and what was run here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The benchmark.
    pub dataset: String,
    /// The model's name on the command line.
    pub model: String,
    /// The model's name in print.
    pub title: String,
    /// Where the published number stands.
    pub source: String,
    /// The published likelihood.
    pub published: Option<PublishedLikelihood>,
    /// Our runs of it, one entry for all seeds of the same preset, settings and data; empty if there are none.
    pub ours: Vec<Measured>,
}

/// What runs that differ in their seed alone came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The preset.
    pub preset: String,
    /// What `--set` changed of it.
    pub settings: Vec<String>,
    /// The weights that training began with, unless they were random: seconds do not count what those took.
    pub from: Option<PathBuf>,
    /// Which data they are: the published split, or what differs from it.
    pub data: String,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// Mean negative log-likelihood of the test rows, in nats, of images in bits per dimension; mean over seeds.
    pub nll: f64,
    /// Its standard error over test rows, in the same unit, mean over seeds.
    pub standard_error: f64,
    /// Its standard error over seeds, in the same unit, where there are several.
    pub standard_error_over_seeds: Option<f64>,
    /// Test rows.
    pub rows: usize,
    /// Seconds of training, mean over seeds.
    pub training_seconds: f64,
    /// The machines.
    pub hardware: Vec<String>,
    /// The commits.
    pub commits: Vec<String>,
    /// The files that the numbers were read from.
    pub files: Vec<PathBuf>,
}

/// Runs with equal keys differ in their seed alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    preset: String,
    settings: Vec<String>,
    from: Option<PathBuf>,
    data: String,
    rows: usize,
}

/// Puts results beside the cells of the table that they belong to.
///
/// Of several results of one seed the latest counts: a run may lie in its folder and, copied, elsewhere.
pub fn compare(table: &PublishedTable, results: &[(PathBuf, RunResult)]) -> Vec<Comparison> {
    let mut cells = Vec::new();
    for dataset in &table.datasets {
        for model in &table.models {
            let presets = model.presets(dataset);
            cells.push(Comparison {
                dataset: dataset.clone(),
                model: model.name.clone(),
                title: model.title.clone(),
                source: model.source.clone(),
                published: model.published.get(dataset).copied(),
                ours: presets.iter().flat_map(|preset| measured(preset, results)).collect(),
            });
        }
    }
    cells
}

/// All runs of a preset.
fn measured(preset: &str, results: &[(PathBuf, RunResult)]) -> Vec<Measured> {
    let mut groups: BTreeMap<Key, BTreeMap<u64, (&Path, &RunResult)>> = BTreeMap::new();
    for (path, result) in results.iter().filter(|(_, result)| result.preset == preset) {
        let key = Key {
            preset: preset.to_string(),
            settings: result.settings.clone(),
            from: result.from.clone(),
            data: data(result),
            rows: result.test.likelihood.rows,
        };
        let seeds = groups.entry(key).or_default();
        let known = seeds.get(&result.seed);
        // Dates are in UTC and of one format: their order is that of their texts.
        if known.is_none_or(|(_, known)| known.provenance.date < result.provenance.date) {
            seeds.insert(result.seed, (path, result));
        }
    }
    groups.into_iter().map(|(key, runs)| summary(key, &runs)).collect()
}

/// Which data a run had.
fn data(result: &RunResult) -> String {
    match &result.split {
        Some(split) if split.published => "published split".to_string(),
        Some(split) => {
            let difference = split.difference.as_deref().unwrap_or("not the published split");
            format!("{}: {difference}", split.dataset)
        }
        None if result.bits_per_dimension.is_some() => "the publisher's images for testing".to_string(),
        None => "not recorded".to_string(),
    }
}

/// The likelihood in the table's unit, and its standard error.
fn likelihood(result: &RunResult) -> (f64, f64) {
    let nats = &result.test.likelihood;
    let bits = result.bits_per_dimension;
    bits.map_or((nats.nll, nats.standard_error), |bits| (bits.mean, bits.standard_error))
}

fn summary(key: Key, runs: &BTreeMap<u64, (&Path, &RunResult)>) -> Measured {
    let mean_of = |value: &dyn Fn(&RunResult) -> f64| {
        let values: Vec<f64> = runs.values().map(|(_, result)| value(result)).collect();
        mean_and_standard_error(&values)
    };
    let each = |text: &dyn Fn(&RunResult) -> String| -> Vec<String> {
        let mut texts: Vec<String> = runs.values().map(|(_, result)| text(result)).collect();
        texts.sort();
        texts.dedup();
        texts
    };
    let (nll, standard_error_over_seeds) = mean_of(&|result| likelihood(result).0);
    Measured {
        preset: key.preset,
        settings: key.settings,
        from: key.from,
        data: key.data,
        seeds: runs.keys().copied().collect(),
        nll,
        standard_error: mean_of(&|result| likelihood(result).1).0,
        standard_error_over_seeds,
        rows: key.rows,
        training_seconds: mean_of(&|result| result.training.seconds).0,
        hardware: each(&|result| result.provenance.hardware.clone()),
        commits: each(&|result| result.provenance.commit.clone().unwrap_or_else(|| "none".to_string())),
        files: runs.values().map(|(path, _)| path.to_path_buf()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Result;
    use ffjord_run::BitsRecord;
    use serde_json::json;

    fn result(preset: &str, seed: u64, nll: f64, date: &str, difference: Option<&str>) -> Result<(PathBuf, RunResult)> {
        let value = json!({
            "preset": preset,
            "seed": seed,
            "provenance": { "commit": "abc", "hardware": "two cores", "date": date, "version": "0.1.0" },
            "split": { "dataset": "power", "published": difference.is_none(), "difference": difference },
            "training": { "iterations": 10, "seconds": 5.0 },
            "test": { "likelihood": { "nll": nll, "standard_error": 0.1, "rows": 50, "nfe": 20.0 } },
        });
        Ok((
            PathBuf::from(format!("{preset}-{seed}-{date}")),
            serde_json::from_value(value)?,
        ))
    }

    fn ours(results: &[(PathBuf, RunResult)], model: &str) -> Result<Vec<Measured>> {
        let cells = compare(&PublishedTable::table_2()?, results);
        let cell = cells
            .into_iter()
            .find(|cell| cell.dataset == "power" && cell.model == model);
        Ok(cell.map(|cell| cell.ours).unwrap_or_default())
    }

    #[test]
    fn seeds_of_one_run_are_one_entry() -> Result<()> {
        let results = [
            result("power-quick", 0, 1.0, "2026-01-01", None)?,
            result("power-quick", 1, 3.0, "2026-01-02", None)?,
            result("power-maf", 0, 7.0, "2026-01-02", None)?,
        ];
        let ffjord = ours(&results, "ffjord")?;
        assert_eq!(ffjord.len(), 1);
        assert_eq!((ffjord[0].nll, &ffjord[0].seeds[..]), (2.0, &[0, 1][..]));
        assert_eq!(ffjord[0].standard_error_over_seeds, Some(1.0));
        assert_eq!(ours(&results, "maf")?[0].standard_error_over_seeds, None);
        assert!(ours(&results, "tan")?.is_empty());
        Ok(())
    }

    #[test]
    fn of_one_seed_the_latest_result_counts() -> Result<()> {
        let results = [
            result("power-quick", 0, 1.0, "2026-01-02", None)?,
            result("power-quick", 0, 3.0, "2026-01-01", None)?,
        ];
        let ffjord = ours(&results, "ffjord")?;
        assert_eq!((ffjord.len(), ffjord[0].nll), (1, 1.0));
        Ok(())
    }

    #[test]
    fn images_are_told_in_bits() -> Result<()> {
        let mut results = [result("mnist-glow", 0, 1500.0, "2026-01-01", None)?];
        (results[0].1.split, results[0].1.bits_per_dimension) = (
            None,
            Some(BitsRecord {
                mean: 1.25,
                standard_error: 0.01,
            }),
        );
        let cells = compare(&PublishedTable::table_2()?, &results);
        let cell = cells
            .iter()
            .find(|cell| (cell.dataset.as_str(), cell.model.as_str()) == ("mnist", "glow"));
        let ours: Vec<_> = cell.iter().flat_map(|cell| &cell.ours).collect();
        assert_eq!((ours.len(), ours[0].nll, ours[0].standard_error), (1, 1.25, 0.01));
        assert!(ours[0].data.contains("images for testing"));
        Ok(())
    }

    #[test]
    fn runs_from_other_weights_are_an_entry_of_their_own() -> Result<()> {
        let mut results = [
            result("power-quick", 0, 1.0, "2026-01-01", None)?,
            result("power-quick", 0, 0.5, "2026-01-02", None)?,
        ];
        results[1].1.from = Some(PathBuf::from("runs/first"));
        let from: Vec<Option<PathBuf>> = ours(&results, "ffjord")?.into_iter().map(|entry| entry.from).collect();
        assert_eq!(from, [None, Some(PathBuf::from("runs/first"))]);
        Ok(())
    }

    #[test]
    fn other_data_are_an_entry_of_their_own_and_say_so() -> Result<()> {
        let results = [
            result("power-quick", 0, 1.0, "2026-01-02", None)?,
            result("power-quick", 0, 3.0, "2026-01-01", Some("own draw"))?,
        ];
        let labels: Vec<String> = ours(&results, "ffjord")?.into_iter().map(|entry| entry.data).collect();
        assert_eq!(labels, ["power: own draw", "published split"]);
        Ok(())
    }
}

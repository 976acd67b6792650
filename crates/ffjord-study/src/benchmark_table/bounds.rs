//! Results of variational autoencoders in the form that the table's cells are gathered from.

use ffjord_run::vae::VaeResult;
use ffjord_run::{Likelihood, RunResult, TestRecord};
use std::path::PathBuf;

/// Results with the negative bound in the place of a negative log-likelihood: in nats, and for grey images in bits per
/// dimension.
pub fn bounds_as_results(results: Vec<(PathBuf, VaeResult)>) -> Vec<(PathBuf, RunResult)> {
    results
        .into_iter()
        .map(|(path, result)| (path, as_result(result)))
        .collect()
}

fn as_result(result: VaeResult) -> RunResult {
    let bound = result.test.bound;
    // Both scale alike.
    let factor = result.bits_per_dimension.map_or(1.0, |bits| bits / bound.negative_elbo);
    let VaeResult {
        preset,
        settings,
        seed,
        provenance,
        split,
        training,
        ..
    } = result;
    RunResult {
        preset,
        settings,
        from: None,
        seed,
        provenance,
        split: Some(split),
        training,
        test: TestRecord {
            likelihood: Likelihood {
                nll: factor * bound.negative_elbo,
                standard_error: factor * bound.standard_error,
                rows: bound.images,
                nfe: bound.nfe,
            },
        },
        bits_per_dimension: None,
        validation_curve: Vec::new(),
        test_curve: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark_table::{PublishedTable, compare, markdown_3};
    use crate::error::Result;
    use serde_json::json;

    fn result(preset: &str, seed: u64, bits: Option<f64>) -> Result<(PathBuf, VaeResult)> {
        let value = json!({
            "preset": preset,
            "seed": seed,
            "provenance": { "commit": "abc", "hardware": "two cores", "date": "2026-01-01", "version": "0.1.0" },
            "split": { "dataset": "frey-faces", "published": true, "difference": null },
            "training": { "iterations": 10, "seconds": 5.0 },
            "test": { "bound": { "negative_elbo": 100.0, "standard_error": 2.0, "reconstruction": 80.0,
                "divergence": 20.0, "images": 50, "nfe": 0.0 }, "importance": null },
            "bits_per_dimension": bits,
        });
        Ok((PathBuf::from(preset), serde_json::from_value(value)?))
    }

    #[test]
    fn grey_images_stand_in_bits_beside_the_published_ones() -> Result<()> {
        let results = vec![
            result("vae-frey-planar", 0, Some(4.0))?,
            result("vae-caltech-ffjord-fast", 0, None)?,
        ];
        let cells = compare(&PublishedTable::table_3()?, &bounds_as_results(results));
        assert_eq!(cells.len(), 20);
        let ours = |dataset: &str, model: &str| {
            let cell = cells.iter().find(|cell| cell.dataset == dataset && cell.model == model);
            cell.and_then(|cell| Some((cell.ours.first()?.nll, cell.ours.first()?.standard_error)))
        };
        assert_eq!(ours("frey", "planar"), Some((4.0, 0.08)));
        assert_eq!(ours("caltech", "ffjord"), Some((100.0, 2.0)));
        assert_eq!(ours("caltech", "iaf"), None);
        let text = markdown_3(&cells);
        assert!(
            text.contains("## FREY (bits per dimension)") && text.contains("4.39 ± 0.01 | not run"),
            "{text}"
        );
        Ok(())
    }
}

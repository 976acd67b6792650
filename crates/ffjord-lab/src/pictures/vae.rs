//! Pictures of variational autoencoders: training, reconstructions, samples, traversals, interpolations.

use crate::error::{LabError, Result};
use candle_core::{DType, Tensor};
use ffjord_flow::Pass;
use ffjord_plot::{CurvePanel, ImageGrid, Scale, Series, image_grid, training_curves};
use ffjord_run::RunFolder;
use ffjord_run::config::RunConfig;
use ffjord_run::vae::{VaeData, latent_units};
use ffjord_train::{Purpose, Streams, read_metrics, to_tensor};
use ffjord_vae::Vae;
use serde_json::Value;
use std::path::Path;

/// Images of a row, and at most of a picture.
const ACROSS: usize = 10;
const MOST: usize = 100;
/// Test images whose reconstructions are shown, and pairs that are interpolated between.
const PAIRS: usize = 8;
/// Latent dimensions of a traversal, and how far it goes in standard deviations of the prior.
const UNITS: usize = 10;
const FAR: f64 = 3.0;
/// Iterations over which curves are smoothed.
const WINDOW: usize = 51;

/// Draws everything into the folder's `plots/`.
///
/// # Errors
/// When a solve fails or a picture cannot be written.
pub fn draw(config: &RunConfig, data: &VaeData, vae: &Vae, folder: &RunFolder, streams: &Streams) -> Result<()> {
    let plots = folder.plots();
    std::fs::create_dir_all(&plots).map_err(LabError::io("create", &plots))?;
    training(&folder.metrics(), &plots.join("training.png"))?;
    let count = config.evaluation.samples.min(MOST);
    if count == 0 {
        return Ok(());
    }
    let save = |images: &Tensor, name: &str| -> Result<()> {
        let grid = ImageGrid {
            shape: data.format.shape,
            across: ACROSS,
        };
        let numbers: Vec<f32> = images.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?;
        image_grid(&numbers, grid)?.save(plots.join(name))?;
        Ok(())
    };
    let mut rng = streams.rng(Purpose::Sample, 0, 0);
    save(&vae.sample(count, &mut Pass::sampling(&mut rng))?, "samples.png")?;

    // Rows of test images, each above what the decoder makes of one latent state of theirs.
    let shown = (ACROSS * (MOST / ACROSS / 2)).min(data.test.rows());
    let x = images(data, vae, shown)?;
    let mut rng = streams.rng(Purpose::Sample, 1, 0);
    let evaluated = vae.evaluate(&x, &mut Pass::evaluation(&mut rng))?;
    let z = evaluated.latent.value.detach();
    let means = vae.observe(&z)?;
    let mut rows = Vec::new();
    for first in (0..shown).step_by(ACROSS) {
        let length = ACROSS.min(shown - first);
        // A short last row would shift those below it.
        if length == ACROSS || first == 0 {
            rows.push(x.narrow(0, first, length)?);
            rows.push(means.narrow(0, first, length)?);
        }
    }
    save(&Tensor::cat(&rows, 0)?, "reconstructions.png")?;

    traversals(config, data, vae, &z.narrow(0, 0, 1)?, &|images| {
        save(images, "traversals.png")
    })?;

    // Straight lines between latent states of neighbours in the test set.
    let pairs = PAIRS.min(shown / 2);
    let mut lines = Vec::new();
    for pair in 0..pairs {
        let (from, to) = (z.narrow(0, 2 * pair, 1)?, z.narrow(0, 2 * pair + 1, 1)?);
        for step in 0..ACROSS {
            let share = step as f64 / (ACROSS - 1) as f64;
            lines.push(((&from * (1.0 - share))? + (&to * share)?)?);
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    save(&vae.observe(&Tensor::cat(&lines, 0)?)?, "interpolations.png")
}

/// What the decoder makes of one image's latent state with one dimension moved through the prior: a row for each of the
/// dimensions that are used most, the most used one first.
fn traversals(
    config: &RunConfig,
    data: &VaeData,
    vae: &Vae,
    z: &Tensor,
    save: &dyn Fn(&Tensor) -> Result<()>,
) -> Result<()> {
    let units = latent_units(vae, (&data.test, data.format.shape), config.evaluation.batch)?;
    let mut order: Vec<usize> = (0..vae.latent()).collect();
    order.sort_by(|a, b| units.divergence[*b].total_cmp(&units.divergence[*a]));
    let start = z.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    let mut numbers = Vec::new();
    for &unit in order.iter().take(UNITS) {
        for step in 0..ACROSS {
            let mut moved = start.clone();
            moved[unit] = FAR * (2.0 * step as f64 / (ACROSS - 1) as f64 - 1.0);
            numbers.extend(moved);
        }
    }
    let rows = numbers.len() / vae.latent();
    let (dtype, device) = vae.number_type();
    let z = Tensor::from_vec(numbers, (rows, vae.latent()), &device)?.to_dtype(dtype)?;
    save(&vae.observe(&z)?)
}

/// The first test images `[N, C, H, W]`.
fn images(data: &VaeData, vae: &Vae, count: usize) -> Result<Tensor> {
    let (dtype, device) = vae.number_type();
    let [channels, height, width] = data.format.shape;
    let rows = to_tensor(&data.test.slice(0..count)?, dtype, &device)?;
    Ok(rows.reshape((count, channels, height, width))?)
}

/// The bound and its two terms, β, and evaluations over the iterations.
fn training(metrics: &Path, file: &Path) -> Result<()> {
    let lines = read_metrics(metrics)?;
    let of = |kind: &str, y: &dyn Fn(&Value) -> Option<f64>| -> Vec<(f64, f64)> {
        let of_kind = lines.iter().filter(|line| line["kind"] == kind);
        of_kind
            .filter_map(|line| Some((line["iteration"].as_f64()?, y(line)?)))
            .collect()
    };
    let term = |name: &'static str| move |line: &Value| line["terms"][name].as_f64();
    let reconstruction = of("train", &term("reconstruction"));
    let divergence = of("train", &term("divergence"));
    let bound = of("train", &|line| {
        Some(term("reconstruction")(line)? + term("divergence")(line)?)
    });
    if bound.is_empty() {
        return Ok(());
    }
    let validation = of("validation", &|line| line["nll"].as_f64());
    let forward = of("train", &|line| line["nfe_forward"].as_f64());
    let backward = of("train", &|line| line["nfe_backward"].as_f64());
    let norm = of("train", &|line| line["gradient_norm"].as_f64());
    let mut series = vec![Series::new("training batches", &bound).smoothed(WINDOW)];
    if !validation.is_empty() {
        series.push(Series::new("validation", &validation));
    }
    let mut panels = vec![
        CurvePanel::new(series)
            .title("negative evidence lower bound (β = 1)")
            .labels("iteration", "nats"),
        CurvePanel::new(vec![
            Series::new("reconstruction", &reconstruction).smoothed(WINDOW),
            Series::new("divergence", &divergence).smoothed(WINDOW),
        ])
        .title("its terms")
        .labels("iteration", "nats"),
    ];
    if forward.iter().any(|(_, evaluations)| *evaluations > 0.0) {
        let series = vec![
            Series::new("forward", &forward).smoothed(WINDOW),
            Series::new("backward", &backward).smoothed(WINDOW),
        ];
        let panel = CurvePanel::new(series).title("evaluations of the posterior's vector field");
        panels.push(panel.labels("iteration", "NFE"));
    }
    let panel = CurvePanel::new(vec![Series::new("before clipping", &norm).smoothed(WINDOW)]);
    panels.push(
        panel
            .title("gradient norm")
            .labels("iteration", "norm")
            .scale(Scale::Log),
    );
    training_curves(&panels, "training")?.save(file)?;
    Ok(())
}

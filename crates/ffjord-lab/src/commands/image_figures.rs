//! `figure 3`, `4`, `6` and `7`: what image flows make, and what their training costs.

use super::experiment;
use crate::error::{LabError, Result};
use crate::pictures::beside_test_images;
use crate::terminal::say;
use crate::workspace::default_cache;
use ffjord_run::{RunData, RunFolder};
use ffjord_study::image_training::{Axes, ImageRun, write};
use ffjord_train::{Alone, Streams};
use std::path::Path;
use std::process::ExitCode;

/// Runs of one preset that a figure compares.
struct Compared {
    number: u32,
    axes: Axes,
    preset: &'static str,
    /// What all have.
    common: &'static [&'static str],
    /// A folder's name, a label, and what makes the run what it is.
    runs: &'static [(&'static str, &'static str, &'static [&'static str])],
}

/// Figure 4: the released code's network, with and without the trace at its bottleneck.
const BOTTLENECK: &[(&str, &str, &[&str])] = &[
    (
        "gaussian",
        "Gaussian",
        &["solver.train.bottleneck=false", "solver.train.trace=gaussian"],
    ),
    (
        "gaussian-bottleneck",
        "Gaussian, at the bottleneck",
        &["solver.train.bottleneck=true", "solver.train.trace=gaussian"],
    ),
    (
        "rademacher",
        "Rademacher",
        &["solver.train.bottleneck=false", "solver.train.trace=rademacher"],
    ),
    (
        "rademacher-bottleneck",
        "Rademacher, at the bottleneck",
        &["solver.train.bottleneck=true", "solver.train.trace=rademacher"],
    ),
];
const SCALES: &[(&str, &str, &[&str])] = &[
    ("single", "one scale", &["model.image.multiscale=false"]),
    ("multiscale", "several scales", &["model.image.multiscale=true"]),
];
/// Little of all that is not training.
const DIGITS_4: &[&str] = &[
    "model.image.field=encoder-decoder",
    "model.image.strides=[1, 2, -2, 1]",
    "model.hidden=[12, 3, 12]",
    "model.layer=ignore",
    "regularisation.jacobian=0.0",
    "training.batch=32",
    "training.iterations=300",
    "training.validate_every=300",
    "training.validation_rows=20",
    "data.test_images=20",
    "solver.test.trace=rademacher",
    "evaluation.tighter_rows=0",
    "evaluation.samples=0",
];
const DIGITS_6: &[&str] = &[
    "model.image.field=convolutional",
    "model.hidden=[12, 12]",
    "model.layer=concat",
    "regularisation.kinetic=0.0",
    "regularisation.jacobian=0.0",
    "solver.train.method=dopri5",
    "solver.train.control={ kind = \"adaptive\", rtol = 1e-3, atol = 1e-3 }",
    "training.batch=32",
    "training.iterations=200",
    "training.validate_every=200",
    "training.validation_rows=20",
    "data.test_images=20",
    "solver.test.trace=rademacher",
    "evaluation.tighter_rows=0",
    "evaluation.samples=0",
];

/// Figure 4.
///
/// # Errors
/// As [`compared`].
pub(super) fn bottleneck(out: &Path, quick: bool) -> Result<ExitCode> {
    let (preset, common) = match quick {
        true => ("digits-quick", DIGITS_4),
        false => ("mnist-encoder-decoder", &[][..]),
    };
    compared(
        &Compared {
            number: 4,
            axes: Axes::BitsOverIterations,
            preset,
            common,
            runs: BOTTLENECK,
        },
        out,
    )
}

/// Figure 6.
///
/// # Errors
/// As [`compared`].
pub(super) fn scales(out: &Path, quick: bool) -> Result<ExitCode> {
    let (preset, common) = match quick {
        true => ("digits-quick", DIGITS_6),
        false => ("mnist-multiscale", &[][..]),
    };
    compared(
        &Compared {
            number: 6,
            axes: Axes::EvaluationsOverBits,
            preset,
            common,
            runs: SCALES,
        },
        out,
    )
}

/// Trains what is not trained yet into folders of `out`, and writes the figure.
///
/// # Errors
/// When a run cannot be trained or read, or a file cannot be written.
fn compared(figure: &Compared, out: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let (mut runs, mut stop) = (Vec::new(), None);
    for (name, label, own) in figure.runs {
        let settings: Vec<String> = figure
            .common
            .iter()
            .chain(own.iter())
            .map(ToString::to_string)
            .collect();
        let folder = out.join(name);
        if !folder.join("result.json").is_file() {
            let mut arguments = experiment::Arguments::train(figure.preset, folder.clone());
            arguments.set(settings.iter().cloned());
            let code = experiment::run_until(&arguments, &Alone, &mut stop)?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
        }
        let run = ImageRun::read(&RunFolder::existing(&folder)?, label, &settings)?;
        say!(
            "{label}: {:.3} bits per dimension, {:.1} evaluations at last",
            run.bits,
            run.evaluations
        );
        runs.push(run);
    }
    write(out, figure.number, figure.preset, figure.axes, &runs)?;
    say!("{}", out.join(format!("figure{}.png", figure.number)).display());
    Ok(ExitCode::SUCCESS)
}

/// Figures 3 and 7: images for testing above samples of a run, which is trained if there is none.
///
/// # Errors
/// When a run cannot be trained or loaded or is none of images, or the picture cannot be written.
pub(super) fn samples(number: u32, run: Option<&Path>, out: &Path, quick: bool) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let preset = if quick { "digits-quick" } else { "mnist-multiscale" };
    let folder = match run {
        Some(run) => RunFolder::existing(run)?,
        None => {
            let run = out.join("run");
            if !run.join("result.json").is_file() {
                let code = experiment::run(&experiment::Arguments::train(preset, run.clone()), &Alone)?;
                if code != ExitCode::SUCCESS {
                    return Ok(code);
                }
            }
            RunFolder::existing(&run)?
        }
    };
    let config = folder.located_config()?;
    let streams = Streams::new(config.seed);
    let data = RunData::load(&config, &streams, &default_cache())?;
    let file = out.join(format!("figure{number}.png"));
    beside_test_images(&config, &data, &folder, &file, &streams)?;
    say!("{}", file.display());
    Ok(ExitCode::SUCCESS)
}

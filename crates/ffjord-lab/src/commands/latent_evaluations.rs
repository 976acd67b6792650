//! `figure 5`: trains autoencoders of several latent dimensions and draws the evaluations of their posteriors.

use super::experiment;
use crate::error::{LabError, Result};
use crate::terminal::say;
use ffjord_run::RunFolder;
use ffjord_study::latent_evaluations::{LatentRun, write};
use ffjord_train::Alone;
use std::path::Path;
use std::process::ExitCode;

const LATENT: [usize; 4] = [16, 32, 48, 64];
const PRESET: &str = "vae-mnist-ffjord";
const QUICK: &str = "vae-digits-quick";
/// An estimated trace, a tolerance tight enough to tell flows apart, and little of all that is not training. The posterior
/// stays the preset's: on features of dense networks the paper's has vector fields that grow stiff.
const QUICK_SETTINGS: &[&str] = &[
    "solver.train.trace=rademacher",
    "solver.test.trace=rademacher",
    "solver.train.control={ kind = \"adaptive\", rtol = 1e-5, atol = 1e-5 }",
    "training.schedule={ kind = \"constant\", rate = 1e-3 }",
    "training.iterations=1300",
    "training.validate_every=260",
    "data.test_images=50",
    "vae.importance.samples=0",
    "evaluation.samples=0",
];

/// Trains what is not trained yet into `out/latentD`, and writes the figure.
///
/// # Errors
/// When a run cannot be trained or read, or a file cannot be written.
pub(super) fn run(out: &Path, quick: bool) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let (preset, settings) = if quick {
        (QUICK, QUICK_SETTINGS)
    } else {
        (PRESET, &[][..])
    };
    let settings: Vec<String> = settings.iter().copied().map(String::from).collect();
    let (mut runs, mut stop) = (Vec::new(), None);
    for latent in LATENT {
        let folder = out.join(format!("latent{latent}"));
        if !folder.join("result.json").is_file() {
            let mut arguments = experiment::Arguments::train(preset, folder.clone());
            arguments.set(settings.iter().cloned().chain([format!("vae.latent={latent}")]));
            let code = experiment::run_until(&arguments, &Alone, &mut stop)?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
        }
        let run = LatentRun::read(&RunFolder::existing(&folder)?, latent)?;
        say!(
            "{latent} latent dimensions: NFE {:.1} at first, {:.1} at last",
            run.at_first,
            run.at_last
        );
        runs.push(run);
    }
    write(out, preset, &settings, &runs)?;
    say!("{}", out.join("figure5.png").display());
    Ok(ExitCode::SUCCESS)
}

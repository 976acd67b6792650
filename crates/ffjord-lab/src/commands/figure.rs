//! `figure`: figures of the paper from a trained model.

use super::{experiment, image_figures, latent_evaluations, toy_figures};
use crate::error::{LabError, Result};
use crate::terminal::say;
use clap::Args;
use ffjord_run::RunFolder;
use ffjord_run::config::Precision;
use ffjord_study::density_integral::{Quadrature, integrate, row, write};
use ffjord_train::Alone;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is trained where no run is given.
const PRESET: &str = "toy-8gaussians-fast";
/// Tolerances are the powers of ten with these exponents.
const EXPONENTS: std::ops::RangeInclusive<i32> = 1..=9;

/// Arguments of `figure`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The figure's number in the paper: 1, density and samples along a flow's path; 2, densities of FFJORD beside Glow's;
    /// 3 and 7, samples of image flows; 4, training with and without the trace at a bottleneck,
    /// Gaussian and Rademacher probes; 5, evaluations in training for autoencoders of 16, 32, 48 and 64 latent dimensions;
    /// 6, evaluations against bits per dimension of one scale and several; 8, |∫ p dx − 1| against the solver's tolerance
    /// in both precisions
    number: u32,
    /// Figures 1 to 7 in minutes: of few iterations, and of the digits that come with the program
    #[arg(long)]
    quick: bool,
    /// Figures 3 and 7: the run folder of a model of images (default: mnist-multiscale is trained into OUT/run); figures 1 and
    /// 8: of a two-dimensional one (default: toy-8gaussians-fast)
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// The folder for figureN.json, figureN.md and figureN.png, and for what is trained (default: runs/figureN)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Points a side of the grid that the density is integrated over
    #[arg(long, value_name = "N", default_value = "240", value_parser = clap::value_parser!(u32).range(2..=2000))]
    points: u32,
}

/// Runs the command.
///
/// # Errors
/// When there is no such figure, the run cannot be trained or loaded, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let named = || PathBuf::from(format!("runs/figure{}", arguments.number));
    let out = arguments.out.clone().unwrap_or_else(named);
    match arguments.number {
        1 => toy_figures::path(arguments.run.as_deref(), &out, arguments.quick),
        2 => toy_figures::beside_glow(&out, arguments.quick),
        number @ (3 | 7) => image_figures::samples(number, arguments.run.as_deref(), &out, arguments.quick),
        4 => image_figures::bottleneck(&out, arguments.quick),
        6 => image_figures::scales(&out, arguments.quick),
        5 => latent_evaluations::run(&out, arguments.quick),
        8 => density_integral(arguments, &out),
        given => Err(LabError::UnknownFigure { given }),
    }
}

fn density_integral(arguments: &Arguments, out: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(out).map_err(LabError::io("create", out))?;
    let folder = match &arguments.run {
        Some(run) => RunFolder::existing(run)?,
        None => {
            let run = out.join("run");
            let code = experiment::run(&experiment::Arguments::train(PRESET, run.clone()), &Alone)?;
            if code != ExitCode::SUCCESS {
                return Ok(code);
            }
            RunFolder::existing(&run)?
        }
    };
    let grid = Quadrature {
        half_side: 6.0,
        points: arguments.points as usize,
    };
    let mut integrals = Vec::new();
    for precision in [Precision::F32, Precision::F64] {
        for exponent in EXPONENTS {
            let integral = integrate(&folder, precision, 10f64.powi(-exponent), grid)?;
            say!("{}", row(&integral));
            integrals.push(integral);
        }
    }
    write(out, &folder, grid, &integrals)?;
    say!("{}", out.join("figure8.png").display());
    Ok(ExitCode::SUCCESS)
}

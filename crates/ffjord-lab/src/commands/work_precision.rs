//! `work-precision`: error against evaluations for every method.

use crate::error::{LabError, Result};
use crate::provenance::Provenance;
use crate::terminal::say;
use crate::work_precision::{Curve, TrainedFlow, curve, draw, markdown, problems, reference_solver};
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_ode::Method;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `work-precision`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder whose model is the flow (default: a small one, trained here on the pinwheel)
    #[arg(long, value_name = "RUN")]
    run: Option<PathBuf>,
    /// The seed of that training and of the rows
    #[arg(long, default_value = "0")]
    seed: u64,
    /// Writes every point, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The folder for `work-precision.md` and `work-precision.png`
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
}

/// Runs the command.
///
/// # Errors
/// When a model cannot be loaded, a reference solve fails, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    // What is wrong with a run is found before the minutes that the problems take.
    let flow = match &arguments.run {
        Some(run) => TrainedFlow::open(run, arguments.seed)?,
        None => TrainedFlow::train(arguments.seed)?,
    };
    let mut curves = classical()?;
    curves.extend(flow.curves(&Method::ALL)?);
    let table = markdown(&curves);
    say!("{table}");
    std::fs::create_dir_all(&arguments.out).map_err(LabError::io("create", &arguments.out))?;
    let (text, picture) = (
        arguments.out.join("work-precision.md"),
        arguments.out.join("work-precision.png"),
    );
    write_atomic(&text, table.as_bytes())?;
    draw(&curves)?.save(&picture)?;
    say!("{}\n{}", text.display(), picture.display());
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "seed": arguments.seed,
            "flow": arguments.run.as_ref().map_or("trained in place".to_string(), |run| run.display().to_string()),
            "curves": curves,
        });
        write_atomic(path, format!("{}\n", serde_json::to_string(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Every method on every problem of DETEST.
fn classical() -> Result<Vec<Curve>> {
    let mut curves = Vec::new();
    for problem in problems() {
        let rhs = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| (problem.rhs)(t, y, dy);
        let solve = |solver: &ffjord_ode::Solver| solver.solve(&rhs, &problem.y0, 0.0, problem.end());
        let reference = solve(&reference_solver()?).map_err(|error| LabError::Reference {
            path: PathBuf::from(problem.name),
            reason: error.to_string(),
        })?;
        for method in Method::ALL {
            curves.push(curve(problem.name, method, |solver| {
                // A solve that fails, as at a loose tolerance it may, is no point of the curve.
                let Ok(solution) = solve(solver) else {
                    return Ok(None);
                };
                let errors = solution.state.iter().zip(&reference.state);
                let error = errors.map(|(a, b)| (a - b).abs() / (1.0 + b.abs())).fold(0.0, f64::max);
                Ok(Some((solution.stats.nfe as f64, error)))
            })?);
        }
    }
    Ok(curves)
}

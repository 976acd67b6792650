//! `trace-variance`: the variance of every trace estimator against its cost, on a trained model.

use crate::error::Result;
use crate::terminal::say;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::{Provenance, Trained};
use ffjord_study::trace_variance::{Measured, bottleneck, jacobians, measure};
use ffjord_trace::LinearOperator;
use ffjord_train::Streams;
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `trace-variance`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A run folder, a .safetensors file in one, or a checkpoint of the original implementation (.pth)
    run: PathBuf,
    /// Samples of the model at whose places the Jacobians are taken
    #[arg(long, value_name = "N", default_value = "32")]
    rows: NonZeroUsize,
    /// Independent draws of every estimator
    #[arg(long, value_name = "N", default_value = "200")]
    repetitions: NonZeroUsize,
    /// Writes everything that was measured, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the model cannot be loaded, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trained = Trained::open(&arguments.run)?;
    let model = trained.model();
    model.require_solves("trace-variance")?;
    model.require_unconditional("trace-variance")?;
    let (streams, rows) = (Streams::new(0), arguments.rows.get());
    let repetitions = arguments.repetitions.get();
    let matrices = jacobians(model, rows, &streams)?;
    say!(
        "{} Jacobians of dimension {}: {rows} samples of the model at the start, middle and end of every continuous \
         block; {repetitions} draws each",
        matrices.batch(),
        matrices.dimension()
    );
    let mut measured = measure(&matrices, "jacobian", repetitions, &streams)?;
    let narrow = bottleneck(model, rows, &streams)?;
    if let Some(narrow) = &narrow {
        measured.extend(measure(narrow, "bottleneck", repetitions, &streams)?);
    }
    say!(
        "{:<12}{:<26}{:>10}{:>14}{:>14}",
        "trace of",
        "estimator",
        "products",
        "variance",
        "reported"
    );
    measured.iter().for_each(print);
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "model": arguments.run,
            "rows": rows,
            "repetitions": repetitions,
            "matrices": matrices.batch(),
            "dimension": matrices.dimension(),
            "bottleneck": narrow.as_ref().map(LinearOperator::dimension),
            "measured": measured,
        });
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn print(one: &Measured) {
    if let Some(refusal) = &one.refusal {
        say!("{:<12}{:<26}{:>10}  {refusal}", one.of, one.estimator, "–");
        return;
    }
    let number = |value: Option<f64>| value.map_or("–".to_string(), |value| format!("{value:.3e}"));
    say!(
        "{:<12}{:<26}{:>10.1}{:>14}{:>14}",
        one.of,
        one.estimator,
        one.products,
        number(one.variance),
        number(one.reported)
    );
}

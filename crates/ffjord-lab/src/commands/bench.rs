//! `bench`: times whole workloads beside the product ceiling of the machine.

use crate::bench::{Ceiling, Measurement, Method, Repetitions, all, print_header, print_row, training_seconds};
use crate::error::{LabError, Result};
use crate::provenance::Provenance;
use crate::terminal::say;
use clap::Args;
use ffjord_train::write_atomic;
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Fewer repetitions, and only the small workloads
    #[arg(long)]
    quick: bool,
    /// Writes everything that was measured, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Only workloads and solvers whose line contains this, such as `W1` or `dopri5`
    #[arg(long, value_name = "W", default_value = "")]
    filter: String,
    /// Rows that share one solve
    #[arg(long, value_name = "N", default_value = "128")]
    block_rows: NonZeroUsize,
}

/// Runs the command.
///
/// # Errors
/// When nothing fits the filter, a solve fails, or the file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let repetitions = if arguments.quick {
        Repetitions {
            least: 3,
            most: 15,
            seconds: 1.0,
        }
    } else {
        Repetitions {
            least: 3,
            most: 50,
            seconds: 5.0,
        }
    };
    let selected: Vec<_> = all()
        .into_iter()
        .filter(|workload| workload.is_quick() || !arguments.quick)
        .flat_map(|workload| Method::ALL.map(|method| (workload.clone(), method)))
        .filter(|(workload, method)| {
            let line = format!("{} {}", workload.name, method.name()).to_lowercase();
            line.contains(&arguments.filter.to_lowercase())
        })
        .collect();
    if selected.is_empty() {
        return Err(LabError::NoWorkload {
            given: arguments.filter.clone(),
            accepted: all()
                .iter()
                .map(|workload| workload.name.clone())
                .collect::<Vec<_>>()
                .join("; "),
        });
    }
    let block_rows = arguments.block_rows.get();
    let threads = rayon::current_num_threads();
    let load_before = load_average();
    let ceiling = Ceiling::measure()?;
    say!(
        "{} threads; 2000³ product in f32: {:.1} GFLOP/s by the kernels, {:.1} by candle",
        threads,
        ceiling.kernels_gflops,
        ceiling.candle_gflops
    );
    print_header();
    let mut measurements = Vec::new();
    for (workload, method) in &selected {
        let measurement = Measurement::take(workload, *method, block_rows, repetitions, ceiling.gflops())?;
        print_row(&measurement);
        measurements.push(measurement);
    }
    let scaling = scaling(block_rows, repetitions)?;
    if let Some(path) = &arguments.json {
        let report = json!({
            "provenance": Provenance::now(),
            "threads": threads,
            "load_average": { "before": load_before, "after": load_average() },
            "ceiling": ceiling,
            "measurements": measurements,
            "thread_scaling": scaling,
        });
        write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Programs that ran or waited over the last minute, where the system tells (Linux): beside other programs than this
/// one, seconds and ceiling are not those of the machine.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Times one workload on pools of one and of two threads.
fn scaling(block_rows: usize, repetitions: Repetitions) -> Result<Value> {
    let workloads = all();
    let workload = &workloads[1];
    let mut seconds = [0.0; 2];
    for (threads, seconds) in (1..).zip(&mut seconds) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        *seconds = pool.install(|| training_seconds(workload, Method::Rk4, block_rows, repetitions))?;
    }
    let [one, two] = seconds;
    say!(
        "{}, {}: {:.2} ms with one thread, {:.2} ms with two: {:.2} times as fast",
        workload.name,
        Method::Rk4.name(),
        one * 1e3,
        two * 1e3,
        one / two
    );
    Ok(json!({
        "workload": workload.name,
        "solver": Method::Rk4.name(),
        "seconds_with_one_thread": one,
        "seconds_with_two_threads": two,
        "speedup": one / two,
    }))
}

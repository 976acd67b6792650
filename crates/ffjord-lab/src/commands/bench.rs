//! `bench`: times whole workloads beside the product ceiling of the machine.

use crate::error::Result;
use crate::terminal::say;
use clap::Args;
use ffjord_run::{DeviceName, Provenance};
use ffjord_study::bench::{
    Ceiling, Division, Measurement, Method, Repetitions, ThreadScaling, Workload, add_to_history, all, convolutions,
    header, load_average, read_history, row, select, thread_scaling,
};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Fewer repetitions, and only the small workloads
    #[arg(long)]
    quick: bool,
    /// Adds everything that was measured to the runs in this file, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Convolutions of images on one thread and both of their gradients, as parts of the product ceiling, and nothing else
    #[arg(long, conflicts_with_all = ["device", "block_rows", "accumulate_rows", "tape_mb", "quick"])]
    convolutions: bool,
    /// Only workloads and solvers whose line contains this, such as `W1` or `dopri5`
    #[arg(long, value_name = "W", default_value = "")]
    filter: String,
    /// Where flows are solved: cpu, cuda or cuda:N with the number of a card
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceName,
    /// Rows that share one solve (default: what suits the workload)
    #[arg(long, value_name = "N")]
    block_rows: Option<NonZeroUsize>,
    /// Rows whose gradient is computed at a time (default: what suits the workload)
    #[arg(long, value_name = "N")]
    accumulate_rows: Option<NonZeroUsize>,
    /// Memory for evaluations that are kept for the gradient, in MB (default: what suits the workload)
    #[arg(long, value_name = "MB")]
    tape_mb: Option<usize>,
}

impl Arguments {
    fn division(&self, workload: &Workload) -> Division {
        let usual = workload.division(self.device);
        Division {
            block_rows: self.block_rows.map_or(usual.block_rows, usize::from),
            accumulate_rows: self.accumulate_rows.map_or(usual.accumulate_rows, usize::from),
            tape_mb: self.tape_mb.unwrap_or(usual.tape_mb),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When nothing fits the filter, a solve fails, or the file holds something else or cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.convolutions {
        return of_convolutions(arguments);
    }
    let repetitions = if arguments.quick {
        Repetitions {
            warm_up: 2,
            least: 3,
            most: 15,
            seconds: 1.0,
        }
    } else {
        Repetitions {
            warm_up: 2,
            least: 3,
            most: 50,
            seconds: 5.0,
        }
    };
    let device = arguments.device;
    let selected = select(&arguments.filter, &Method::ALL, |workload| {
        workload.is_for(device) && (workload.is_quick() || !arguments.quick)
    })?;
    // A card that is not there is told before the processor is measured.
    drop(device.backend()?);
    // A file that holds something else is told before anything is measured.
    arguments.json.as_deref().map(read_history).transpose()?;
    let threads = rayon::current_num_threads();
    let load_before = load_average();
    let ceiling = Ceiling::measure()?;
    say!(
        "{} threads; 2000³ product in f32: {:.1} GFLOP/s by the kernels, {:.1} by candle",
        threads,
        ceiling.kernels_gflops,
        ceiling.candle_gflops
    );
    say!("{}", header());
    let on_cpu = device.is_cpu().then(|| ceiling.gflops());
    let mut measurements = Vec::new();
    for (workload, method) in &selected {
        let division = arguments.division(workload);
        let measurement = Measurement::take(workload, *method, division, device, repetitions, on_cpu)?;
        say!("{}", row(&measurement));
        measurements.push(measurement);
    }
    let scaling = match device.is_cpu() {
        true => Some(scaling(arguments, repetitions)?),
        false => None,
    };
    if let Some(path) = &arguments.json {
        let run = json!({
            "provenance": Provenance::now(),
            "quick": arguments.quick,
            "filter": arguments.filter,
            "threads": threads,
            "load_average": { "before": load_before, "after": load_average() },
            "ceiling": ceiling,
            "measurements": measurements,
            "thread_scaling": scaling,
        });
        add_to_history(path, run)?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Times convolutions.
fn of_convolutions(arguments: &Arguments) -> Result<ExitCode> {
    arguments.json.as_deref().map(read_history).transpose()?;
    let load_before = load_average();
    let speeds = convolutions(|name| name.contains(&arguments.filter))?;
    say!(
        "parts of the product ceiling on one thread\n| convolution | forward | adjoint | weights |\n|---|---|---|---|"
    );
    for speed in &speeds {
        let part = |part: f64| format!("{:.0} %", 100.0 * part);
        let [forward, adjoint, weights] = [speed.forward, speed.adjoint, speed.weights].map(part);
        say!("| {} | {forward} | {adjoint} | {weights} |", speed.name);
    }
    if let Some(path) = &arguments.json {
        let run = json!({
            "provenance": Provenance::now(),
            "load_average": { "before": load_before, "after": load_average() },
            "convolutions": speeds,
        });
        add_to_history(path, run)?;
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Times one workload on pools of one and of two threads.
fn scaling(arguments: &Arguments, repetitions: Repetitions) -> Result<ThreadScaling> {
    let workloads = all();
    let workload = &workloads[1];
    let scaling = thread_scaling(workload, arguments.division(workload), repetitions)?;
    say!(
        "{}, {}: {:.2} ms with one thread, {:.2} ms with two: {:.2} times as fast",
        scaling.workload,
        scaling.solver,
        scaling.seconds_with_one_thread * 1e3,
        scaling.seconds_with_two_threads * 1e3,
        scaling.speedup
    );
    Ok(scaling)
}

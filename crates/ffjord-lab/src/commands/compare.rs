//! `compare`: times training beside the same training on other projects' software.

use crate::error::Result;
use crate::terminal::say;
use clap::Args;
use ffjord_files::write_atomic;
use ffjord_run::{DeviceName, Provenance};
use ffjord_study::StudyError;
use ffjord_study::bench::{Method, load_average, select};
use ffjord_study::compare::{
    AutoencoderContest, AutoencoderKind, Contest, FlowContest, Python, Rival, compare, header, markdown, row,
};
use serde_json::json;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

/// Steps with which image workloads are timed: XLA takes seconds for each.
const IMAGE_METHOD: Method = Method::Rk4 { steps: 2 };

/// Makes what is compared.
type Maker = Box<dyn FnOnce() -> Result<Box<dyn Contest>>>;

fn contains(line: &str, filter: &str) -> bool {
    line.to_lowercase().contains(&filter.to_lowercase())
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A Python with jax, diffrax, optax, torch, torchdiffeq and numpy
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Only workloads and solvers whose line contains this, such as `W1` or `dopri5`
    #[arg(long, value_name = "W", default_value = "")]
    filter: String,
    /// Only rivals whose name contains this, such as `xla`, `diffrax` or `torch`
    #[arg(long, value_name = "NAME", default_value = "")]
    beside: String,
    /// Where both sides compute: cpu, cuda or cuda:N with the number of a card
    #[arg(long, value_name = "DEVICE", default_value_t)]
    device: DeviceName,
    /// How often each side takes its turn
    #[arg(long, value_name = "N", default_value = "5")]
    rounds: NonZeroUsize,
    /// Writes everything that was measured, with commit and machine
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes the table
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When nothing fits a filter, a rival cannot be run, a solve fails, or a file cannot be written.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let device = arguments.device;
    drop(device.backend()?);
    let rivals: Vec<Rival> = Rival::ALL
        .into_iter()
        .filter(|rival| rival.is_for(device))
        .filter(|rival| contains(rival.name(), &arguments.beside))
        .collect();
    if rivals.is_empty() {
        return Err(StudyError::NoRival {
            given: arguments.beside.clone(),
            accepted: Rival::ALL.map(Rival::name).join("; "),
        }
        .into());
    }
    let methods = [Method::RK4, Method::Dopri5, IMAGE_METHOD];
    let autoencoders: Vec<AutoencoderKind> = AutoencoderKind::ALL
        .into_iter()
        .filter(|kind| device.is_cpu() && contains(&format!("{} {}", kind.name(), kind.solver()), &arguments.filter))
        .collect();
    let flows = select(&arguments.filter, &methods, |workload| {
        // The rivals have no conditions.
        workload.is_for(device) && !workload.is_conditional()
    });
    let flows = match flows {
        Err(StudyError::NoWorkload { .. }) if !autoencoders.is_empty() => Vec::new(),
        flows => flows?,
    };
    // Images by few steps; at the tolerance of the original settings, which takes minutes, the flow of several scales alone.
    let flows = flows.into_iter().filter(|(workload, method)| {
        workload.is_convolutional() == (*method == IMAGE_METHOD)
            || workload.is_multiscale() && *method == Method::Dopri5
    });
    // Each is made when its turn has come: all at once would need the memory of all.
    let flows = flows.map(|(workload, method)| -> Maker {
        Box::new(move || Ok(Box::new(FlowContest::new(&workload, method, device)?)))
    });
    let autoencoders = autoencoders
        .into_iter()
        .map(|kind| -> Maker { Box::new(move || Ok(Box::new(AutoencoderContest::new(kind)?))) });
    let python = Python {
        program: &arguments.python,
        device,
    };
    let load_before = load_average();
    say!("{}", header());
    let mut comparisons = Vec::new();
    let rounds = arguments.rounds.get();
    for make in flows.chain(autoencoders) {
        let contest = make()?;
        for comparison in compare(contest.as_ref(), &rivals, &python, rounds)? {
            say!("{}", row(&comparison));
            comparisons.push(comparison);
        }
        // What has been measured is not lost to a failure further down.
        if let Some(path) = &arguments.json {
            let report = json!({
                "provenance": Provenance::now(),
                "threads": rayon::current_num_threads(),
                "rounds": rounds,
                "load_average": { "before": load_before, "after": load_average() },
                "comparisons": comparisons,
            });
            write_atomic(path, format!("{}\n", serde_json::to_string_pretty(&report)?).as_bytes())?;
        }
        if let Some(path) = &arguments.markdown {
            write_atomic(path, markdown(&comparisons).as_bytes())?;
        }
    }
    for path in arguments.json.iter().chain(&arguments.markdown) {
        say!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

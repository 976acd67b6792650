//! `parity`: compares this implementation with a folder of reference vectors.

use crate::error::Result;
use crate::terminal::say;
use clap::{Args, ValueEnum};
use ffjord_study::parity::{self, Comparison, Subject, compare, reference_files, subjects};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `parity`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The folder with `.safetensors` files
    directory: PathBuf,
    /// What evaluates the networks; the kernels are compared in double and in single precision
    #[arg(long, value_enum, default_value_t = Path::Generic)]
    path: Path,
    /// Prints every quantity
    #[arg(long)]
    verbose: bool,
}

/// What evaluates the networks.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Path {
    /// candle's tensor operations
    Generic,
    /// The fused kernels
    Fused,
}

impl From<Path> for parity::Path {
    fn from(path: Path) -> Self {
        match path {
            Path::Generic => Self::Generic,
            Path::Fused => Self::Fused,
        }
    }
}

/// Runs the command; fails if a file cannot be compared or an error exceeds its limit.
///
/// # Errors
/// When the folder cannot be read or holds no reference file.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let files = reference_files(&arguments.directory)?;
    let (mut failures, mut total) = (0, 0);
    // A file that cannot be read is reported where it is compared.
    let of_file = |path: &PathBuf| {
        let subjects = subjects(path, arguments.path.into());
        subjects.unwrap_or_else(|_| Subject::all(arguments.path.into()))
    };
    let all = files
        .iter()
        .flat_map(|path| of_file(path).into_iter().map(move |subject| (path, subject)));
    for (path, subject) in all {
        total += 1;
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let name = format!("{name} ({:?})", subject.dtype);
        match compare(path, subject) {
            Ok(comparisons) => {
                let passed = comparisons.iter().all(Comparison::passes);
                failures += usize::from(!passed);
                say!(
                    "{} {name}  {}",
                    if passed { "ok    " } else { "FAILED" },
                    line(&comparisons, arguments.verbose)
                );
            }
            Err(error) => {
                failures += 1;
                say!("FAILED {name}  {error}");
            }
        }
    }
    say!("{} passed, {failures} failed", total - failures);
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Every quantity with its error; the parameters' gradients as one, unless all are asked for.
fn line(comparisons: &[Comparison], verbose: bool) -> String {
    if verbose {
        let each = comparisons
            .iter()
            .map(|c| format!("\n    {:<60} {:.1e} (limit {:.0e})", c.quantity, c.error, c.limit));
        return each.collect();
    }
    let mut shown: Vec<(String, f64)> = Vec::new();
    for comparison in comparisons {
        let group = match comparison.quantity.split_once("gparam.") {
            Some((label, _)) => format!("{label}gparam"),
            None => comparison.quantity.clone(),
        };
        match shown.iter_mut().find(|(name, _)| *name == group) {
            Some((_, error)) => {
                *error = if error.is_nan() || comparison.error.is_nan() {
                    f64::NAN
                } else {
                    error.max(comparison.error)
                };
            }
            None => shown.push((group, comparison.error)),
        }
    }
    shown
        .iter()
        .map(|(name, error)| format!("{name} {error:.1e}"))
        .collect::<Vec<_>>()
        .join("  ")
}

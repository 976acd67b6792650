//! The command line.

use std::ffi::OsString;

use clap::{Args, Parser, Subcommand};

use crate::ci::{self, Step};
use crate::error::XtaskError;
use crate::launch::{self, Launch};
use crate::{invocation, lab};

/// Development and experiment commands of the workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Trains a preset and writes a run folder with weights, metrics, results and pictures (`--list` names the presets)
    Experiment(Forwarded),
    /// Draws a run's pictures again, or the likelihoods of several runs against seconds of training
    Plot(Forwarded),
    /// Lists run folders: what they are of, how far they are, and what came out
    Runs(Forwarded),
    /// Shows a run on the terminal while it goes on: its curves, speed, time left and messages
    Watch(Forwarded),
    /// Makes one page of HTML of a run, of several side by side, or of the whole project
    Report(Forwarded),
    /// Runs a small version of everything within an hour, and makes the page of it
    Reproduce(Forwarded),
    /// Prints BibTeX for exactly the methods and data that a run used
    Cite(Forwarded),
    /// Evaluates the log-likelihood of a file's rows under a run or checkpoint
    Eval(Forwarded),
    /// Draws samples from a run
    Sample(Forwarded),
    /// Says whether a run's model fits rows that it was not trained on
    Check(Forwarded),
    /// Lists, fetches, imports and verifies the tabular benchmarks
    Data(Forwarded),
    /// Says what of CUDA is there, what does not fit together, and what to install
    Doctor(Forwarded),
    /// Asks a card everything at once: agreement with the processor, same bits, speed, other software beside it
    GpuCheck(Forwarded),
    /// Compares this implementation with a folder of reference vectors
    Parity(Forwarded),
    /// Compares every adjoint with finite differences on a run's model: error, evaluations, seconds, memory
    Gradcheck(Forwarded),
    /// Measures the variance of every trace estimator against its cost on a trained model
    TraceVariance(Forwarded),
    /// Makes a figure of the paper from a trained model: its numbers, a table and a plot
    Figure(Forwarded),
    /// Puts a table of the paper beside the results of our runs, as Markdown and JSON
    Table(Forwarded),
    /// Measures error against evaluations for every solver, on classical problems and on a trained flow
    WorkPrecision(Forwarded),
    /// Times training, likelihoods and sampling beside the machine's product ceiling
    Bench(Forwarded),
    /// Kills, damages and fills up what the program works on, and counts what comes of it
    Robustness(Forwarded),
    /// Measures what training in several processes costs, and draws it for many by a model
    Scale(Forwarded),
    /// Times training beside the same training on PyTorch and JAX, in turn on this machine
    Compare(Forwarded),
    /// Runs a command of the laboratory in several processes on this machine: `launch -n 4 -- experiment …`
    Launch(Launch),
    /// Runs the laboratory as one of the processes that MPI connects: `mpirun -n 4 cargo xtask mpi experiment …`
    Mpi(Forwarded),
    /// Checks format, lints, tests and documentation, and stops at the first failure
    Ci {
        /// Runs this step alone
        #[arg(long, value_enum)]
        step: Option<Step>,
    },
}

/// Everything after the command's name; `ffjord-lab` parses it, also `--help`.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
struct Forwarded {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Cli {
    /// Parses the arguments, the program's name first, and runs the command; the result is the exit code.
    pub(crate) fn parse_and_run(arguments: impl IntoIterator<Item = OsString>) -> Result<u8, XtaskError> {
        let cli = Self::parse_from(arguments);
        invocation::ignore_interrupts()?;
        match cli.command {
            Command::Experiment(forwarded) => lab::run("experiment", &forwarded.arguments),
            Command::Plot(forwarded) => lab::run("plot", &forwarded.arguments),
            Command::Runs(forwarded) => lab::run("runs", &forwarded.arguments),
            Command::Watch(forwarded) => lab::run("watch", &forwarded.arguments),
            Command::Report(forwarded) => lab::run("report", &forwarded.arguments),
            Command::Reproduce(forwarded) => lab::run("reproduce", &forwarded.arguments),
            Command::Cite(forwarded) => lab::run("cite", &forwarded.arguments),
            Command::Eval(forwarded) => lab::run("eval", &forwarded.arguments),
            Command::Sample(forwarded) => lab::run("sample", &forwarded.arguments),
            Command::Check(forwarded) => lab::run("check", &forwarded.arguments),
            Command::Data(forwarded) => lab::run("data", &forwarded.arguments),
            Command::Doctor(forwarded) => lab::run("doctor", &forwarded.arguments),
            Command::GpuCheck(forwarded) => lab::run("gpu-check", &forwarded.arguments),
            Command::Parity(forwarded) => lab::run("parity", &forwarded.arguments),
            Command::Gradcheck(forwarded) => lab::run("gradcheck", &forwarded.arguments),
            Command::TraceVariance(forwarded) => lab::run("trace-variance", &forwarded.arguments),
            Command::Figure(forwarded) => lab::run("figure", &forwarded.arguments),
            Command::Table(forwarded) => lab::run("table", &forwarded.arguments),
            Command::WorkPrecision(forwarded) => lab::run("work-precision", &forwarded.arguments),
            Command::Bench(forwarded) => lab::run("bench", &forwarded.arguments),
            Command::Robustness(forwarded) => lab::run("robustness", &forwarded.arguments),
            Command::Scale(forwarded) => lab::run("scale", &forwarded.arguments),
            Command::Compare(forwarded) => lab::run("compare", &forwarded.arguments),
            Command::Launch(launch) => launch.run(),
            Command::Mpi(forwarded) => launch::mpi(&forwarded.arguments),
            Command::Ci { step } => ci::run(step),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn forwarded(arguments: &[&str]) -> Vec<OsString> {
        let all = ["xtask", "experiment"].iter().chain(arguments);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Experiment(forwarded) => forwarded.arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent_and_every_command_has_a_sentence() {
        Cli::command().debug_assert();
        assert!(
            Cli::command()
                .get_subcommands()
                .all(|command| command.get_about().is_some())
        );
    }

    #[test]
    fn arguments_of_the_laboratory_are_not_touched() {
        let cases: [&[&str]; 6] = [
            &[],
            &["toy-8gaussians", "--seed", "3", "--set", "lr=1e-3", "--set=tol=1e-5"],
            &["--help"],
            &["--list", "-h", "-V", "--version"],
            &["name with spaces", "", "-n", "-5"],
            &["run", "--", "-x", "--"],
        ];
        for case in cases {
            assert_eq!(forwarded(case), case);
        }
    }

    #[test]
    fn steps_of_ci_are_checked() {
        assert!(Cli::try_parse_from(["xtask", "ci", "--step", "clippy"]).is_ok());
        let error = Cli::try_parse_from(["xtask", "ci", "--step", "lint"])
            .unwrap_err()
            .to_string();
        assert!(
            ["fmt", "clippy", "test", "doc"].iter().all(|step| error.contains(step)),
            "{error}"
        );
    }
}

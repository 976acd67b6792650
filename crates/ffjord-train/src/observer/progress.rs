//! Progress on the terminal.

use super::{FailureReport, IterationReport, Observer, ValidationReport};
use crate::error::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Arguments;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Seconds between lines where standard error is not a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// A progress bar with loss, evaluations, end time and gradient norm; plain lines where there is no terminal.
///
/// ```
/// # use candle_core::DType;
/// # use ffjord_data::ToyDensity;
/// # use ffjord_flow::{Cnf, Flow};
/// # let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).tolerance(1e-2).build()?)?;
/// # let moons = ffjord_train::FreshSamples::new(8, DType::F32, |rows, rng| ToyDensity::Moons.sample(rows, rng));
/// use ffjord_train::{MaximumLikelihood, Progress, Trainer, TrainerOptions};
/// let summary = Trainer::new(&flow, &MaximumLikelihood::default(), &moons, TrainerOptions::new(2, 1e-3))?
///     .observe(Progress::new())
///     .run()?;
/// assert_eq!(summary.iterations, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    terminal: bool,
    last_line: Option<Instant>,
    average_loss: Option<f64>,
}

impl Progress {
    /// Progress on standard error.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bar: ProgressBar::new(0),
            terminal: std::io::stderr().is_terminal(),
            last_line: None,
            average_loss: None,
        }
    }

    fn say(&self, line: &str) {
        if self.terminal {
            self.bar.println(line);
        } else {
            tell(format_args!("{line}"));
        }
    }
}

/// Writes a line on standard error. That nobody hears it, because its file's disk is full or its pipe is closed, is no reason
/// to end a training, as `eprintln!` would.
fn tell(line: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Progress {
    fn started(&mut self, iteration: u64, total: u64) -> Result<()> {
        self.bar.set_length(total);
        self.bar.set_position(iteration);
        // The template is a constant of this file; should indicatif refuse it, the default bar serves as well.
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg} [{elapsed_precise}<{eta_precise}]");
        self.bar
            .set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.reset_eta();
        Ok(())
    }

    fn iteration(&mut self, report: &IterationReport) -> Result<()> {
        let average = self
            .average_loss
            .map_or(report.loss, |average| 0.95 * average + 0.05 * report.loss);
        self.average_loss = Some(average);
        let end_times: Vec<String> = report.end_times.iter().map(|time| format!("{time:.2}")).collect();
        let line = format!(
            "loss {average:.3} (last {:.3})  NFE {:.0}+{:.0}  T {}  |g| {:.2}  {:.0} s",
            report.loss,
            report.forward_evaluations,
            report.backward_evaluations,
            end_times.join(" "),
            report.gradient_norm,
            report.seconds,
        );
        if self.terminal {
            self.bar.set_position(report.iteration);
            self.bar.set_message(line);
        } else if self.last_line.is_none_or(|last| last.elapsed() >= LINE_INTERVAL) {
            self.last_line = Some(Instant::now());
            tell(format_args!(
                "iteration {}/{}  {line}",
                report.iteration,
                self.bar.length().unwrap_or_default()
            ));
        }
        Ok(())
    }

    fn validation(&mut self, report: &ValidationReport) -> Result<()> {
        let mark = if report.best { "  (best)" } else { "" };
        let test = report.test_nll.map(|nll| format!(", test rows {nll:.4}"));
        let test = test.unwrap_or_default();
        self.say(&format!(
            "validation after {} iterations, {:.0} s of training: NLL {:.4} ± {:.4} nats{test}{mark}",
            report.iteration, report.seconds, report.nll, report.standard_error
        ));
        Ok(())
    }

    fn failure(&mut self, report: &FailureReport) -> Result<()> {
        self.say(&format!("failure in iteration {}: {}", report.iteration, report.cause));
        Ok(())
    }

    fn ended(&mut self, message: &str) -> Result<()> {
        self.bar.finish_and_clear();
        tell(format_args!("{message}"));
        Ok(())
    }
}

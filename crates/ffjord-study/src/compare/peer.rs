//! A rival as a process that trains when it is asked to.

use super::{Program, Rival};
use crate::bench::{FirstStep, Repetitions, peak_mb_of};
use crate::error::{Result, StudyError};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::fmt::Write as _;
use std::fs::{File, read_to_string};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// How far losses and gradients' norms may lie apart, relative to 1 plus their size: both sides compute in single
/// precision, and the rivals' gradients are those of a second solve.
const AGREEMENT: f64 = 5e-3;

/// Lines at the end of a failed program's messages that are shown.
const SHOWN_LINES: usize = 3;

/// A running rival; it ends when this is dropped.
#[derive(Debug)]
pub struct Peer {
    rival: Rival,
    child: Child,
    /// Taken away to let the program end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Its messages; a pipe that nobody reads would stop it once it is full.
    messages: PathBuf,
    description: Description,
}

/// What a rival says of itself once it is ready.
#[derive(Debug, Clone, Deserialize)]
pub struct Description {
    pub(super) loss: f64,
    pub(super) gradient_norm: f64,
    pub(super) forward_evaluations: Option<f64>,
    pub(super) backward_evaluations: Option<f64>,
    pub(super) versions: String,
}

impl Peer {
    /// Starts a rival's program on what is in `folder` and waits until it is compiled and warm.
    ///
    /// # Errors
    /// When Python or a package is missing, or the program fails.
    pub fn start(rival: Rival, (program, argument): Program, python: &Path, folder: &Path) -> Result<Self> {
        let messages = folder.join(format!("{}.log", rival.name()));
        let log = File::create(&messages).map_err(StudyError::io("create", &messages))?;
        let mut child = Command::new(python)
            .arg(folder.join(program))
            .arg(folder)
            .args(argument)
            // The allocator otherwise returns large blocks to the system and gets them back page by page, which costs
            // PyTorch a fifth of its time.
            .env("MALLOC_MMAP_THRESHOLD_", "4000000000")
            .env("MALLOC_TRIM_THRESHOLD_", "4000000000")
            .env("OMP_NUM_THREADS", rayon::current_num_threads().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(StudyError::io("run", python))?;
        let pipes = child.stdin.take().zip(child.stdout.take());
        let Some((input, output)) = pipes else {
            return Err(StudyError::Rival {
                rival: rival.name(),
                reason: "its pipes are missing".to_string(),
            });
        };
        let mut output = BufReader::new(output);
        let description = read(rival, &messages, &mut output)?;
        Ok(Self {
            rival,
            child,
            input: Some(input),
            output,
            messages,
            description,
        })
    }

    /// Which rival this is.
    pub fn rival(&self) -> Rival {
        self.rival
    }

    /// What it said of itself.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// The largest resident memory of its process so far in MB (10⁶ bytes), where the system tells.
    pub fn peak_mb(&self) -> Option<f64> {
        peak_mb_of(self.child.id())
    }

    /// Compares its first iteration with ours.
    ///
    /// # Errors
    /// When loss or gradient are another's.
    pub fn check(&self, ours: FirstStep) -> Result<()> {
        for (what, theirs, ours) in [
            ("loss", self.description.loss, ours.loss),
            ("gradient's norm", self.description.gradient_norm, ours.gradient_norm),
        ] {
            let difference = (theirs - ours).abs();
            if difference.is_nan() || difference > AGREEMENT * (1.0 + ours.abs()) {
                return Err(StudyError::Rival {
                    rival: self.rival.name(),
                    reason: format!(
                        "its {what} is {theirs}, ours {ours}: it computes something else, and times would mean nothing"
                    ),
                });
            }
        }
        Ok(())
    }

    /// Seconds of each iteration that it trains now.
    ///
    /// # Errors
    /// When the program fails.
    pub fn time(&mut self, repetitions: Repetitions) -> Result<Vec<f64>> {
        if let Some(input) = &mut self.input {
            // A program that has ended is noticed by its missing answer.
            let _ = writeln!(input, "{} {}", repetitions.least, repetitions.seconds);
        }
        read(self.rival, &self.messages, &mut self.output)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        // Both fail only for a process that is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line of a rival's output.
fn read<T: DeserializeOwned>(rival: Rival, messages: &Path, output: &mut impl BufRead) -> Result<T> {
    let mut line = String::new();
    let read = output.read_line(&mut line);
    if matches!(read, Ok(length) if length > 0) {
        return Ok(serde_json::from_str(&line)?);
    }
    let messages = read_to_string(messages).unwrap_or_default();
    let mut reason = "it ended early".to_string();
    let lines: Vec<&str> = messages.trim().lines().collect();
    for line in &lines[lines.len().saturating_sub(SHOWN_LINES)..] {
        let _ = write!(reason, "\n  {line}");
    }
    Err(StudyError::Rival {
        rival: rival.name(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(python: &str) -> Result<String> {
        let folder = tempfile::tempdir().map_err(StudyError::io("create", Path::new("a folder")))?;
        Ok(
            Peer::start(Rival::Torch, ("torch_peer.py", None), Path::new(python), folder.path())
                .map_or_else(|error| error.to_string(), |_| String::new()),
        )
    }

    #[test]
    fn a_missing_python_is_named() -> Result<()> {
        assert!(failure("no-such-python")?.contains("cannot run no-such-python"));
        Ok(())
    }

    #[test]
    #[cfg(unix)]
    fn the_messages_of_a_program_that_ends_are_shown() -> Result<()> {
        let message = failure("cat")?;
        assert!(
            message.contains("torchdiffeq") && message.contains("it ended early"),
            "{message}"
        );
        assert!(message.contains("torch_peer.py"), "{message}");
        Ok(())
    }
}

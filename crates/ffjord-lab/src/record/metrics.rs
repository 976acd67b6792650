//! A run's `metrics.jsonl`, read while the run may still be writing it.

use crate::error::{LabError, Result};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Of a long file the last so many bytes tell how far a run is: some hundred lines.
const TAIL: u64 = 64 * 1024;

/// One iteration; numbers that were not finite are NaN.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Iterations done.
    pub iteration: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// The loss in nats, penalties included.
    pub loss: f64,
    /// Its terms before weighting.
    pub terms: Vec<(String, f64)>,
    /// Evaluations of the vector field, forward and for the gradient.
    pub evaluations: (f64, f64),
    /// The gradient's norm before clipping.
    pub gradient_norm: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// The sum of the end times.
    pub end_time: f64,
}

/// One validation.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// Iterations done.
    pub iteration: u64,
    /// Seconds of training so far.
    pub seconds: f64,
    /// Mean negative log-likelihood, or negative bound, of the validation rows, in nats.
    pub nll: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// That of watched test rows.
    pub test_nll: Option<f64>,
    /// Whether it was the best so far.
    pub best: bool,
}

/// One failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The iteration.
    pub iteration: u64,
    /// Why, in words.
    pub cause: String,
}

/// The lines of a file of metrics, as far as they are whole, and where reading goes on.
#[derive(Debug, Default)]
pub struct Metrics {
    /// The iterations.
    pub train: Vec<Trained>,
    /// The validations.
    pub validations: Vec<Validated>,
    /// The failures.
    pub failures: Vec<Failed>,
    /// Whole lines that could not be understood.
    pub unread: usize,
    path: PathBuf,
    /// Bytes read, up to the end of a line.
    position: u64,
    /// The last line that was read, by which a file that was replaced is found out.
    last: Vec<u8>,
}

impl Metrics {
    /// All that the file has now; nothing where there is none yet.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let mut metrics = Self {
            path: path.to_path_buf(),
            ..Self::default()
        };
        metrics.follow()?;
        Ok(metrics)
    }

    /// The last lines alone, which tell how far a run is.
    ///
    /// # Errors
    /// As [`Metrics::read`].
    pub fn tail(path: &Path) -> Result<Self> {
        let mut metrics = Self::default();
        let Some(mut file) = opened(path)? else {
            return Ok(metrics);
        };
        let read = |file: &mut File| -> std::io::Result<(Vec<u8>, bool)> {
            let start = file.metadata()?.len().saturating_sub(TAIL);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok((bytes, start > 0))
        };
        let (bytes, cut) = read(&mut file).map_err(LabError::io("read", path))?;
        // The first line was begun before.
        let begin = if cut {
            bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(bytes.len(), |end| end + 1)
        } else {
            0
        };
        metrics.take(&bytes[begin..]);
        Ok(metrics)
    }

    /// Reads what was added since. A run that goes on from a checkpoint writes a shorter file in the place of this one,
    /// which is then read anew. Says whether anything changed.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn follow(&mut self) -> Result<bool> {
        let Some(mut file) = opened(&self.path)? else {
            return Ok(self.forget());
        };
        let mut since = |start: u64| -> std::io::Result<Vec<u8>> {
            let mut bytes = Vec::new();
            file.seek(SeekFrom::Start(start))?;
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        let known = self.position - self.last.len() as u64;
        let mut bytes = since(known).map_err(LabError::io("read", &self.path))?;
        if bytes.starts_with(&self.last) {
            let added = bytes.split_off(self.last.len());
            return Ok(self.take(&added));
        }
        self.forget();
        let bytes = since(0).map_err(LabError::io("read", &self.path))?;
        self.take(&bytes);
        Ok(true)
    }

    /// Whether there was anything to forget.
    fn forget(&mut self) -> bool {
        let path = std::mem::take(&mut self.path);
        let known = self.position > 0;
        *self = Self {
            path,
            ..Self::default()
        };
        known
    }

    /// Takes the whole lines; a last one without its end is left for the next time.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in bytes[..whole].split_inclusive(|byte| *byte == b'\n') {
            self.last = line.to_vec();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let known = serde_json::from_slice(line).is_ok_and(|value| self.line(&value));
            self.unread += usize::from(!known);
        }
        self.position += whole as u64;
        whole > 0
    }

    fn line(&mut self, line: &Value) -> bool {
        let Some(iteration) = line["iteration"].as_u64() else {
            return false;
        };
        let number = |name: &str| line[name].as_f64().unwrap_or(f64::NAN);
        match line["kind"].as_str() {
            Some("train") => {
                let terms = line["terms"].as_object().into_iter().flatten();
                let times = line["end_times"].as_array().into_iter().flatten();
                self.train.push(Trained {
                    iteration,
                    seconds: number("seconds"),
                    loss: number("loss"),
                    terms: terms
                        .map(|(name, value)| (name.clone(), value.as_f64().unwrap_or(f64::NAN)))
                        .collect(),
                    evaluations: (number("nfe_forward"), number("nfe_backward")),
                    gradient_norm: number("gradient_norm"),
                    learning_rate: number("learning_rate"),
                    end_time: times.filter_map(Value::as_f64).sum(),
                });
            }
            Some("validation") => self.validations.push(Validated {
                iteration,
                seconds: number("seconds"),
                nll: number("nll"),
                standard_error: number("standard_error"),
                test_nll: line["test_nll"].as_f64(),
                best: line["best"].as_bool().unwrap_or_default(),
            }),
            Some("failure") => self.failures.push(Failed {
                iteration,
                cause: line["cause"].as_str().unwrap_or_default().to_string(),
            }),
            _ => return false,
        }
        true
    }

    /// Iterations done and seconds of training so far.
    pub fn done(&self) -> (u64, f64) {
        let train = self.train.last().map(|line| (line.iteration, line.seconds));
        train.unwrap_or((0, 0.0))
    }
}

fn opened(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LabError::io("open", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn line(iteration: u64, loss: f64) -> String {
        format!("{{\"kind\":\"train\",\"iteration\":{iteration},\"loss\":{loss},\"seconds\":{iteration}}}\n")
    }

    #[test]
    fn a_file_is_followed_while_it_grows_shrinks_and_has_half_a_line()
    -> std::result::Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("metrics.jsonl");
        let mut metrics = Metrics::read(&path)?;
        assert!(!metrics.follow()?);
        let lines: Vec<String> = (1..=4).map(|iteration| line(iteration, 0.5)).collect();
        fs::write(&path, format!("{}{}{}", lines[0], lines[1], &lines[2][..20]))?;
        assert!(metrics.follow()?);
        assert_eq!((metrics.train.len(), metrics.unread), (2, 0));
        assert!(!metrics.follow()?);
        fs::write(&path, lines[..3].concat())?;
        assert!(metrics.follow()?);
        assert_eq!(metrics.done(), (3, 3.0));
        // Resumed after iteration 1, with other numbers that make the file as long as it was.
        let other = [line(1, 0.5), line(2, 0.7), line(3, 0.7)].concat();
        fs::write(&path, &other)?;
        assert!(metrics.follow()?);
        let losses: Vec<f64> = metrics.train.iter().map(|line| line.loss).collect();
        assert_eq!(losses, [0.5, 0.7, 0.7]);
        fs::write(&path, &lines[0])?;
        metrics.follow()?;
        assert_eq!(metrics.done().0, 1);
        fs::write(&path, format!("{}no JSON\n", lines[0]))?;
        metrics.follow()?;
        assert_eq!((metrics.train.len(), metrics.unread), (1, 1));
        fs::remove_file(&path)?;
        assert!(metrics.follow()?);
        assert_eq!(metrics.done().0, 0);
        Ok(())
    }

    #[test]
    fn the_end_of_a_long_file_tells_how_far_a_run_is() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("metrics.jsonl");
        let text: String = (1..=5000).map(|iteration| line(iteration, 0.1)).collect();
        assert!(text.len() as u64 > 2 * TAIL);
        fs::write(&path, text)?;
        let tail = Metrics::tail(&path)?;
        assert_eq!((tail.done().0, tail.unread), (5000, 0));
        assert!(tail.train.len() < 2500);
        Ok(())
    }
}

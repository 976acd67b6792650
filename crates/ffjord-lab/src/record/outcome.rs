//! What came out of a run.

use crate::error::{LabError, Result};
use ffjord_run::{Provenance, RunError};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;

/// A run's `result.json`, of a model of any kind; earlier programs said less in it, so that every part may be absent.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome(Value);

/// A measured number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// What was measured.
    pub name: &'static str,
    /// The number.
    pub value: f64,
    /// Its standard error over rows or images.
    pub standard_error: Option<f64>,
    /// The unit of both.
    pub unit: &'static str,
}

impl Outcome {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or is no JSON.
    pub fn open(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(LabError::io("read", path))?;
        let refuse = |error: serde_json::Error| RunError::RunFolder {
            path: path.to_path_buf(),
            reason: format!("this result cannot be read: {error}"),
        };
        Ok(Self(serde_json::from_str(&text).map_err(refuse)?))
    }

    /// The number at a path of keys parted by dots.
    pub fn number(&self, keys: &str) -> Option<f64> {
        self.at(keys)?.as_f64()
    }

    /// The text at a path of keys parted by dots.
    pub fn text(&self, keys: &str) -> Option<&str> {
        self.at(keys)?.as_str()
    }

    /// The texts of a list at a path of keys parted by dots.
    pub fn texts(&self, keys: &str) -> Vec<&str> {
        let list = self.at(keys).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn at(&self, keys: &str) -> Option<&Value> {
        keys.split('.').try_fold(&self.0, |value, key| value.get(key))
    }

    /// The preset.
    pub fn preset(&self) -> Option<&str> {
        self.text("preset")
    }

    /// What `--set` changed of it.
    pub fn settings(&self) -> Vec<String> {
        let list = self.at("settings").and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.map(ToString::to_string).collect()
    }

    /// Where it comes from.
    pub fn provenance(&self) -> Option<Provenance> {
        Provenance::deserialize(self.at("provenance")?).ok()
    }

    /// Whether the data are the published split, and what differs if they are not; none where there is no published one.
    pub fn split(&self) -> Option<(bool, Option<&str>)> {
        Some((self.at("split.published")?.as_bool()?, self.text("split.difference")))
    }

    /// The test likelihood, or the negative bound of a variational autoencoder, in nats.
    pub fn nats(&self) -> Option<Measure> {
        let (name, value, error) = match self.number("test.bound.negative_elbo") {
            Some(bound) => ("test negative ELBO", bound, "test.bound.standard_error"),
            None => (
                "test NLL",
                self.number("test.likelihood.nll")?,
                "test.likelihood.standard_error",
            ),
        };
        Some(Measure {
            name,
            value,
            standard_error: self.number(error),
            unit: "nats",
        })
    }

    /// The same in bits per dimension, for images.
    pub fn bits(&self) -> Option<Measure> {
        let nats = self.nats()?;
        let (value, standard_error) = match self.number("bits_per_dimension.mean") {
            Some(mean) => (mean, self.number("bits_per_dimension.standard_error")),
            None => {
                // Of a bound, bits are in proportion to nats.
                let bits = self.number("bits_per_dimension")?;
                (bits, nats.standard_error.map(|error| error * bits / nats.value))
            }
        };
        Some(Measure {
            value,
            standard_error,
            unit: "bits/dim",
            ..nats
        })
    }

    /// What the run is compared by: bits per dimension for images, nats for all else.
    pub fn measure(&self) -> Option<Measure> {
        self.bits().or_else(|| self.nats())
    }

    /// Evaluations of the vector field in a test solve.
    pub fn evaluations(&self) -> Option<f64> {
        let evaluations = self
            .number("test.likelihood.nfe")
            .or_else(|| self.number("test.bound.nfe"));
        // Discrete flows have none.
        evaluations.filter(|evaluations| *evaluations > 0.0)
    }

    /// Test rows or images.
    pub fn rows(&self) -> Option<f64> {
        self.number("test.likelihood.rows")
            .or_else(|| self.number("test.bound.images"))
    }
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.standard_error {
            Some(error) => write!(f, "{:.4} ± {error:.4} {}", self.value, self.unit),
            None => write!(f, "{:.4} {}", self.value, self.unit),
        }
    }
}

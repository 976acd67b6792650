//! Named tensors in which optimisers and averages save themselves.

use crate::error::{Result, TrainError};
use candle_core::{DType, Device, Tensor};
use std::collections::BTreeMap;

/// Type and shape in words, for messages.
pub(crate) fn describe(tensor: &Tensor) -> String {
    format!("{} {:?}", tensor.dtype().as_str(), tensor.dims())
}

/// Reads entries of a saved state and collects what does not fit, so that nothing is loaded unless everything does.
pub(crate) struct SavedState<'a> {
    entries: &'a BTreeMap<String, Tensor>,
    problems: Vec<String>,
}

impl<'a> SavedState<'a> {
    /// A reader of `entries`, among which may be others too.
    pub(crate) fn new(entries: &'a BTreeMap<String, Tensor>) -> Self {
        Self {
            entries,
            problems: Vec::new(),
        }
    }

    /// The entry of a count, to be saved.
    pub(crate) fn count(name: &str, value: u64) -> Result<(String, Tensor)> {
        Ok((
            name.to_string(),
            Tensor::new(value.min(i64::MAX as u64) as i64, &Device::Cpu)?,
        ))
    }

    /// A count; 0 with a problem noted if it is not there.
    pub(crate) fn read_count(&mut self, name: &str) -> u64 {
        let Some(tensor) = self.find(name) else { return 0 };
        let count = if tensor.dtype() == DType::I64 {
            tensor.to_scalar::<i64>().ok()
        } else {
            None
        };
        count.and_then(|count| u64::try_from(count).ok()).unwrap_or_else(|| {
            self.problems.push(format!(
                "`{name}` is {}, but a count (one i64, not negative) is needed",
                describe(tensor)
            ));
            0
        })
    }

    /// A tensor of the type and shape of `like`; nothing, with a problem noted, if there is none.
    pub(crate) fn tensor(&mut self, name: &str, like: &Tensor) -> Option<&'a Tensor> {
        let tensor = self.find(name)?;
        if tensor.dtype() == like.dtype() && tensor.shape() == like.shape() {
            return Some(tensor);
        }
        self.problems.push(format!(
            "`{name}` is {}, but {} is needed",
            describe(tensor),
            describe(like)
        ));
        None
    }

    /// Fails if there were problems.
    pub(crate) fn finish(self) -> Result<()> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(TrainError::StateMismatch {
                problems: self.problems,
            })
        }
    }

    fn find(&mut self, name: &str) -> Option<&'a Tensor> {
        let found = self.entries.get(name);
        if found.is_none() {
            self.problems.push(format!("`{name}` is missing"));
        }
        found
    }
}

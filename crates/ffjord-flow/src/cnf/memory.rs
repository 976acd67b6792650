//! Tapes between solves, so that a training iteration writes into the memory of the one before.

use super::fused::FusedTape;
use ffjord_kernels::Real;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The tapes of a flow that are not in use, in both number types.
#[derive(Debug, Default)]
pub(super) struct TapeMemory {
    pub(super) single: TapePool<f32>,
    pub(super) double: TapePool<f64>,
}

impl TapeMemory {
    /// Forgets tapes of other sizes than these stacked rows, which batches of other sizes left behind.
    pub(super) fn keep_only(&self, stacked_rows: &[usize]) {
        self.single.keep_only(stacked_rows);
        self.double.keep_only(stacked_rows);
    }
}

/// Tapes that are not in use, by the stacked rows that they hold.
///
/// Fresh memory costs a page fault for every 4 KiB: on tapes of a whole solve that takes much of the time that they save.
pub(super) struct TapePool<T: Real> {
    tapes: Mutex<BTreeMap<usize, Vec<FusedTape<T>>>>,
}

impl<T: Real> Default for TapePool<T> {
    fn default() -> Self {
        Self {
            tapes: Mutex::default(),
        }
    }
}

impl<T: Real> fmt::Debug for TapePool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TapePool")
    }
}

impl<T: Real> TapePool<T> {
    /// A tape for this many stacked rows, if one is free; what it holds is of no meaning.
    pub(super) fn take(&self, stacked_rows: usize) -> Option<FusedTape<T>> {
        let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
        tapes.get_mut(&stacked_rows)?.pop()
    }

    /// Takes a tape back that is not needed any more.
    pub(super) fn put(&self, stacked_rows: usize, tape: FusedTape<T>) {
        let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
        tapes.entry(stacked_rows).or_default().push(tape);
    }

    fn keep_only(&self, stacked_rows: &[usize]) {
        let mut tapes = self.tapes.lock().unwrap_or_else(PoisonError::into_inner);
        tapes.retain(|rows, _| stacked_rows.contains(rows));
    }
}

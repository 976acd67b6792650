//! Memory between evaluations, so that a training iteration writes into the memory of the one before.

use super::fused::FusedTape;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// The tapes of a flow's solves that are not in use, in both number types.
#[derive(Debug, Default)]
pub(super) struct TapeMemory {
    pub(super) single: Pool<FusedTape<f32>>,
    pub(super) double: Pool<FusedTape<f64>>,
}

impl TapeMemory {
    /// Forgets tapes of other sizes than these stacked rows, which batches of other sizes left behind.
    pub(super) fn keep_only(&self, stacked_rows: &[usize]) {
        self.single.keep_only(stacked_rows);
        self.double.keep_only(stacked_rows);
    }
}

/// Memory that is not in use, by the (stacked) rows that it holds.
///
/// Fresh memory costs a page fault for every 4 KiB: on tapes of a whole solve that takes much of the time that they save.
pub(super) struct Pool<M> {
    free: Mutex<BTreeMap<usize, Vec<M>>>,
}

impl<M> Default for Pool<M> {
    fn default() -> Self {
        Self { free: Mutex::default() }
    }
}

impl<M> fmt::Debug for Pool<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}

impl<M> Pool<M> {
    /// Memory for this many rows, if some is free; what it holds is of no meaning.
    pub(super) fn take(&self, rows: usize) -> Option<M> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.get_mut(&rows)?.pop()
    }

    /// Takes memory back that is not needed any more.
    pub(super) fn put(&self, rows: usize, memory: M) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.entry(rows).or_default().push(memory);
    }

    /// Forgets memory for other numbers of rows than these.
    pub(super) fn keep_only(&self, rows: &[usize]) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.retain(|held, _| rows.contains(held));
    }
}

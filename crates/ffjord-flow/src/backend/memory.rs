//! Memory between evaluations, so that a training iteration writes into the memory of the one before.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Memory of one type, by the rows that it holds.
type ByRows = BTreeMap<usize, Vec<Box<dyn Any + Send>>>;

/// Memory of any kind that is not in use, by its type and the (stacked) rows that it holds.
///
/// Fresh memory costs a page fault for every 4 KiB: on tapes of a whole solve that takes much of the time that they save.
#[derive(Default)]
pub(super) struct Memory {
    free: Mutex<BTreeMap<TypeId, ByRows>>,
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Memory {
    /// Memory for this many rows, if some is free; what it holds is of no meaning.
    pub(super) fn take<M: Send + 'static>(&self, rows: usize) -> Option<Box<M>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.get_mut(&TypeId::of::<M>())?.get_mut(&rows)?.pop()?.downcast().ok()
    }

    /// Takes memory back that is not needed any more.
    pub(super) fn put<M: Send + 'static>(&self, rows: usize, memory: Box<M>) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let of_type = free.entry(TypeId::of::<M>()).or_default();
        of_type.entry(rows).or_default().push(memory);
    }

    /// Forgets memory of this type for other numbers of rows than these.
    pub(super) fn keep_only<M: 'static>(&self, rows: &[usize]) {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_type) = free.get_mut(&TypeId::of::<M>()) {
            of_type.retain(|held, _| rows.contains(held));
        }
    }
}

//! What a program allocates.

use peakmem_alloc::{PeakMemAlloc, PeakMemAllocTrait};
use std::alloc::System;

/// The system's allocator with a count of the bytes it has handed out.
#[global_allocator]
static ALLOCATOR: PeakMemAlloc<System> = PeakMemAlloc::new(System);

/// Watches allocations from its beginning on.
pub struct Watch;

impl Watch {
    /// Begins to watch; one at a time.
    pub fn begin() -> Self {
        ALLOCATOR.reset_peak_memory();
        Self
    }

    /// The greatest number of bytes held at a time beyond those of the beginning.
    pub fn peak(&self) -> usize {
        ALLOCATOR.get_peak_memory()
    }
}

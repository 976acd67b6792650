//! What a program allocates.

use peak_alloc::PeakAlloc;

/// The system's allocator with a count of the bytes it has handed out.
#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Watches allocations from its beginning on.
pub struct Watch {
    before: usize,
}

impl Watch {
    /// Begins to watch; one at a time.
    pub fn begin() -> Self {
        ALLOCATOR.reset_peak_usage();
        Self {
            before: ALLOCATOR.current_usage(),
        }
    }

    /// The greatest number of bytes held at a time beyond those of the beginning.
    pub fn peak(&self) -> usize {
        ALLOCATOR.peak_usage().saturating_sub(self.before)
    }
}

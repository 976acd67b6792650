//! Buffers that start at a cache line.

use crate::Real;

const CACHE_LINE: usize = 64;

/// A fixed-size buffer of numbers whose first element lies at the start of a cache line, so that no vector load of a
/// packed panel or of a padded row straddles two lines.
///
/// ```
/// use ffjord_kernels::linalg::AlignedBuffer;
/// let mut buffer = AlignedBuffer::<f32>::zeros(5);
/// buffer[4] = 1.0;
/// assert_eq!(buffer[..], [0.0, 0.0, 0.0, 0.0, 1.0]);
/// assert_eq!(buffer.as_ptr() as usize % 64, 0);
/// ```
#[derive(Debug)]
pub struct AlignedBuffer<T> {
    storage: Vec<T>,
    start: usize,
    len: usize,
}

impl<T: Real> AlignedBuffer<T> {
    /// A buffer of `len` zeros.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        let slack = CACHE_LINE / size_of::<T>();
        let storage = vec![T::ZERO; len + slack];
        // `align_offset` may decline by returning `usize::MAX`; the buffer then works without being aligned.
        let start = storage.as_ptr().align_offset(CACHE_LINE).min(slack);
        Self { storage, start, len }
    }
}

impl<T> Default for AlignedBuffer<T> {
    fn default() -> Self {
        Self {
            storage: Vec::new(),
            start: 0,
            len: 0,
        }
    }
}

impl<T: Real> Clone for AlignedBuffer<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::zeros(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl<T> std::ops::Deref for AlignedBuffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.storage[self.start..self.start + self.len]
    }
}

impl<T> std::ops::DerefMut for AlignedBuffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.storage[self.start..self.start + self.len]
    }
}

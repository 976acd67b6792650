//! Between the channel planes of the caller and the pixels of the kernels.

use crate::Real;

/// Images `[…, channels, pixels]` to `[…, pixels, channels]`.
pub(super) fn to_pixels<T: Real>(channels: usize, image_len: usize, from: &[T], to: &mut [T]) {
    transpose(channels, image_len, from, to);
}

/// Images `[…, pixels, channels]` to `[…, channels, pixels]`.
pub(super) fn to_planes<T: Real>(channels: usize, image_len: usize, from: &[T], to: &mut [T]) {
    transpose(image_len / channels, image_len, from, to);
}

/// Every matrix `[rows, len / rows]` transposed.
fn transpose<T: Real>(rows: usize, len: usize, from: &[T], to: &mut [T]) {
    let columns = len / rows;
    if rows == 1 || columns == 1 {
        to.copy_from_slice(from);
        return;
    }
    for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
        for (column, to) in to.chunks_exact_mut(rows).enumerate() {
            for (to, row) in to.iter_mut().zip(from.chunks_exact(columns)) {
                *to = row[column];
            }
        }
    }
}

//! Sums over rows: the bias gradient.

use super::Rows;
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// `sums[j] += Σᵣ A[r, j]` over all rows of A and all columns, padding included.
///
/// # Panics
/// If `sums` has not one entry for each number of a row.
pub fn add_column_sums<T: Real>(level: SimdLevel, a: Rows<'_, T>, sums: &mut [T]) {
    assert_eq!(sums.len(), a.stride, "a sum for each column");
    level.dispatch(ColumnSums { a, sums });
}

struct ColumnSums<'a, T> {
    a: Rows<'a, T>,
    sums: &'a mut [T],
}

impl<T: Real> Kernel for ColumnSums<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        for row in self.a.data.chunks_exact(self.a.stride) {
            for (sum, &x) in self.sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

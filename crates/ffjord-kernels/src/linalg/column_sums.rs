//! Sums over rows: the bias gradient.

use super::Rows;
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// `sums[j] += Σᵣ A[r, j]` over all rows of A and all columns, padding included.
///
/// ```
/// use ffjord_kernels::linalg::{Rows, add_column_sums};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let mut sums = [10.0f32, 0.0];
/// add_column_sums(SimdLevel::detect(), Rows { data: &[1.0, 2.0, 3.0, 4.0], stride: 2 }, &mut sums);
/// assert_eq!(sums, [14.0, 6.0]);
/// ```
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

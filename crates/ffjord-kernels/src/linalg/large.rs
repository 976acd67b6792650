//! Products that do not fit into the cache, by the `gemm` crate.

use super::{Rows, RowsMut};
use crate::Real;

/// `C[i, j] += Σᵣ X[r, i] · Y[r, j]` with C `[m, n]`; the number of rows is that of the shorter operand.
///
/// # Panics
/// If the rows of X, Y or C are shorter than `m` or `n`, or C has less than `m` rows.
pub(super) fn accumulate_outer<T: Real>((m, n): (usize, usize), x: Rows<'_, T>, y: Rows<'_, T>, c: RowsMut<'_, T>) {
    let RowsMut {
        data: c,
        stride: c_stride,
    } = c;
    let rows = (x.data.len() / x.stride).min(y.data.len() / y.stride);
    assert!(
        m <= x.stride && n <= y.stride && n <= c_stride,
        "rows that hold the product"
    );
    assert!(
        m == 0 || (m - 1) * c_stride + n <= c.len(),
        "a result with a row for each column of X"
    );
    if m == 0 || n == 0 || rows == 0 {
        return;
    }
    let [x_stride, y_stride, c_stride] = [x.stride, y.stride, c_stride].map(usize::cast_signed);
    // SAFETY: `gemm` reads element (i, r) of Xᵀ at `i + r · x_stride` and (r, j) of Y at `r · y_stride + j`, and reads
    // and writes element (i, j) of C at `i · c_stride + j`, for i < m, j < n and r < rows. Both operands hold `rows`
    // whole rows of at least m and n numbers, and C ends behind its last element, as asserted above; C is borrowed
    // mutably, so it overlaps neither. `T` is `f32` or `f64` (`Real` is sealed), which `gemm` tells apart by type.
    unsafe {
        gemm::gemm(
            m,
            n,
            rows,
            c.as_mut_ptr(),
            1,
            c_stride,
            true,
            x.data.as_ptr(),
            x_stride,
            1,
            y.data.as_ptr(),
            1,
            y_stride,
            T::ONE,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

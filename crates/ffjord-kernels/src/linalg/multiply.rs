//! Rows times a packed matrix.

use super::PackedMatrix;
use super::tile::{eight_rows_times_panel, six_rows_times_panel};
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};

/// A row-major matrix that is only read: rows of `stride` numbers, of which the leading ones count.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    /// The numbers, row after row.
    pub data: &'a [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

/// A row-major matrix to write to.
#[derive(Debug)]
pub struct RowsMut<'a, T> {
    /// The numbers, row after row.
    pub data: &'a mut [T],
    /// Numbers from one row to the next.
    pub stride: usize,
}

/// `C[r, :] = A[r, :] · B + bias` for every row of A, single-threaded.
///
/// A is `[R, K]`, B is packed `[K, N]`, `bias` is empty (zero) or has [`PanelLayout::padded`](super::PanelLayout)
/// entries. C is `[R, ≥ N]`: as many of the padded columns are written as its stride holds, the padding as zeros
/// where the bias is zero. A row's result does not depend on the other rows.
///
/// # Panics
/// If A or C holds less than R whole rows, where R is the row count of C, or a row is shorter than the product needs.
pub fn multiply<T: Real>(level: SimdLevel, a: Rows<'_, T>, b: &PackedMatrix<T>, bias: &[T], c: RowsMut<'_, T>) {
    let columns = b.layout().padded();
    assert!(
        bias.is_empty() || bias.len() == columns,
        "a bias for each padded column"
    );
    assert!(a.stride >= b.depth(), "a row of A holds the depth of the product");
    assert!(
        c.stride >= b.layout().columns(),
        "a row of C holds the columns of the product"
    );
    level.dispatch(Multiply { a, b, bias, c });
}

struct Multiply<'a, T: Real> {
    a: Rows<'a, T>,
    b: &'a PackedMatrix<T>,
    bias: &'a [T],
    c: RowsMut<'a, T>,
}

impl<T: Real> Kernel for Multiply<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        // Panels are the outer loop: one panel stays in the first-level cache while all rows stream past it. The
        // widths are constants of the instruction set, so only three of these arms are compiled for each.
        let vector = S::VECTOR_BYTES / size_of::<T>();
        for (first, width) in self.b.layout().panels() {
            let narrow = width < 2 * vector;
            match width {
                32 if !narrow => self.panel(first, six_rows_times_panel::<T, S, 32>),
                16 if !narrow => self.panel(first, six_rows_times_panel::<T, S, 16>),
                16 if vector == 16 => self.panel(first, eight_rows_times_panel::<T, S, 16>),
                8 if !narrow && vector == 4 => self.panel(first, six_rows_times_panel::<T, S, 8>),
                8 if vector >= 8 => self.panel(first, eight_rows_times_panel::<T, S, 8>),
                4 if vector == 2 => self.panel(first, six_rows_times_panel::<T, S, 4>),
                4 if vector >= 4 => self.panel(first, eight_rows_times_panel::<T, S, 4>),
                _ => self.panel(first, eight_rows_times_panel::<T, S, 2>),
            }
        }
    }
}

impl<T: Real> Multiply<'_, T> {
    #[inline(always)]
    fn panel<const M: usize, const N: usize>(
        &mut self,
        first: usize,
        tile: impl Fn([&[T]; M], &[[T; N]], &[T; N]) -> [[T; N]; M],
    ) {
        let (panel, _) = self.b.panel(first, N).as_chunks::<N>();
        let mut start = [T::ZERO; N];
        if !self.bias.is_empty() {
            start.copy_from_slice(&self.bias[first..first + N]);
        }
        let valid = N.min(self.c.stride - first);
        let tiles = self
            .c
            .data
            .chunks_mut(M * self.c.stride)
            .zip(self.a.data.chunks(M * self.a.stride));
        for (c, a) in tiles {
            let rows = c.len() / self.c.stride;
            // A tile with too few rows repeats its last one; what that computes is not stored.
            let a: [&[T]; M] = std::array::from_fn(|i| &a[i.min(rows - 1) * self.a.stride..]);
            let sums = tile(a, panel, &start);
            if valid == N && rows == M {
                for (c, sums) in c.chunks_exact_mut(self.c.stride).zip(&sums) {
                    c[first..first + N].copy_from_slice(sums);
                }
            } else {
                for (c, sums) in c.chunks_exact_mut(self.c.stride).zip(&sums) {
                    c[first..first + valid].copy_from_slice(&sums[..valid]);
                }
            }
        }
    }
}

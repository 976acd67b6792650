//! Matrices stored in the order in which the register tiles read them.

use super::AlignedBuffer;
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use std::hint::black_box;

/// How the columns of a matrix are cut into panels at one [`SimdLevel`].
///
/// As many panels of two vectors as fit, then one that is as narrow as the remaining columns allow. The last panel is
/// filled with zeros up to its width, so a product writes whole vectors and rows need no scalar tails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelLayout {
    columns: usize,
    full: usize,
    last: usize,
    width: usize,
}

impl PanelLayout {
    /// The layout of `columns` columns of `T` at `level`.
    #[must_use]
    pub fn new<T: Real>(level: SimdLevel, columns: usize) -> Self {
        let vector = level.vector_bytes() / size_of::<T>();
        let width = 2 * vector;
        let rest = columns % width;
        // Half a 512-bit vector is as fast as a whole one where those run at half rate; the others need no such panel.
        let last = match rest {
            0 => 0,
            _ if rest <= vector / 2 && level.vector_bytes() == 64 => vector / 2,
            _ if rest <= vector => vector,
            _ => width,
        };
        Self {
            columns,
            full: columns / width,
            last,
            width,
        }
    }

    /// The number of columns without padding.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The number of columns with padding: the row stride of activations.
    #[must_use]
    pub fn padded(&self) -> usize {
        self.full * self.width + self.last
    }

    /// First column and width of every panel.
    #[inline]
    pub(super) fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self { full, width, last, .. } = *self;
        (0..full)
            .map(move |panel| (panel * width, width))
            .chain((last > 0).then_some((full * width, last)))
    }
}

/// A matrix of shape `[K, N]`, packed into column panels.
///
/// A panel holds its K rows one after another. `PackedMatrix` is the right-hand side of
/// [`multiply`](crate::linalg::multiply).
#[derive(Clone, Debug)]
pub struct PackedMatrix<T: Real> {
    depth: usize,
    layout: PanelLayout,
    data: AlignedBuffer<T>,
}

impl<T: Real> PackedMatrix<T> {
    /// A packed matrix of zeros with `depth` rows and `columns` columns.
    #[must_use]
    pub fn zeros(level: SimdLevel, depth: usize, columns: usize) -> Self {
        let layout = PanelLayout::new::<T>(level, columns);
        Self {
            depth,
            layout,
            data: AlignedBuffer::zeros(depth * layout.padded()),
        }
    }

    /// The number of rows K.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// How the columns are cut.
    #[must_use]
    pub fn layout(&self) -> PanelLayout {
        self.layout
    }

    /// The K rows of the panel that starts at `column`, one after another.
    #[inline(always)]
    pub(super) fn panel(&self, column: usize, width: usize) -> &[T] {
        &self.data[column * self.depth..(column + width) * self.depth]
    }

    /// The entry at row k and column n.
    ///
    /// # Panics
    /// If there is no such row or column.
    #[must_use]
    pub fn entry(&self, k: usize, n: usize) -> T {
        assert!(k < self.depth && n < self.layout.columns, "an entry of the matrix");
        let whole = self.layout.full * self.layout.width;
        let width = if n < whole { self.layout.width } else { self.layout.last };
        let first = if n < whole { n / width * width } else { whole };
        self.panel(first, width)[k * width + n - first]
    }

    /// Sets every entry, `entry(k, n)` at row k and column n; the padding stays zero.
    pub fn fill_with(&mut self, entry: impl Fn(usize, usize) -> T) {
        let (depth, columns) = (self.depth, self.layout.columns);
        for (first, width) in self.layout.panels() {
            let panel = &mut self.data[first * depth..(first + width) * depth];
            for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                for (n, slot) in (first..columns).zip(row) {
                    *slot = entry(k, n);
                }
            }
        }
    }

    /// Becomes `source · diag(scale)`; `scale` has one entry for every padded column.
    ///
    /// # Panics
    /// If `source` has another shape or `scale` another length.
    pub fn assign_columns_scaled(&mut self, level: SimdLevel, source: &Self, scale: &[T]) {
        assert_eq!(
            (self.depth, self.layout),
            (source.depth, source.layout),
            "matrices of one shape"
        );
        assert_eq!(scale.len(), self.layout.padded(), "one factor for each padded column");
        level.dispatch(Scaled {
            to: self,
            from: source,
            by: Scale::Columns(scale),
        });
    }

    /// Becomes `diag(scale) · source`; `scale` has at least one entry for every row.
    ///
    /// # Panics
    /// If `source` has another shape or `scale` is shorter than the rows are many.
    pub fn assign_rows_scaled(&mut self, level: SimdLevel, source: &Self, scale: &[T]) {
        assert_eq!(
            (self.depth, self.layout),
            (source.depth, source.layout),
            "matrices of one shape"
        );
        let scale = &scale[..self.depth];
        level.dispatch(Scaled {
            to: self,
            from: source,
            by: Scale::Rows(scale),
        });
    }

    /// Becomes `first + t (second − first)`.
    ///
    /// # Panics
    /// If the three matrices differ in shape.
    pub fn assign_interpolated(&mut self, first: &Self, second: &Self, t: T) {
        assert_eq!(
            (self.depth, self.layout),
            (first.depth, first.layout),
            "matrices of one shape"
        );
        assert_eq!(
            (self.depth, self.layout),
            (second.depth, second.layout),
            "matrices of one shape"
        );
        for ((to, &a), &b) in self.data.iter_mut().zip(first.data.iter()).zip(second.data.iter()) {
            *to = a + (b - a) * t;
        }
    }
}

/// A packed matrix as another times factors.
struct Scaled<'a, T: Real> {
    to: &'a mut PackedMatrix<T>,
    from: &'a PackedMatrix<T>,
    by: Scale<'a, T>,
}

/// What a matrix is multiplied with.
enum Scale<'a, T> {
    /// A factor for each padded column.
    Columns(&'a [T]),
    /// A factor for each row.
    Rows(&'a [T]),
}

impl<T: Real> Kernel for Scaled<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        for (first, width) in self.to.layout.panels() {
            match width {
                32 => self.panel::<32>(first),
                16 => self.panel::<16>(first),
                8 => self.panel::<8>(first),
                4 => self.panel::<4>(first),
                _ => self.panel::<2>(first),
            }
        }
    }
}

impl<T: Real> Scaled<'_, T> {
    /// The panel of `N` columns that starts at `first`.
    #[inline(always)]
    fn panel<const N: usize>(&mut self, first: usize) {
        let depth = self.to.depth;
        let (to, _) = self.to.data[first * depth..(first + N) * depth].as_chunks_mut::<N>();
        let (from, _) = self.from.panel(first, N).as_chunks::<N>();
        match self.by {
            Scale::Columns(scale) => {
                let mut factors = [T::ONE; N];
                factors.copy_from_slice(&scale[first..first + N]);
                for (to, from) in to.iter_mut().zip(from) {
                    *to = times(from, |i| factors[i]);
                }
            }
            Scale::Rows(scale) => {
                for ((to, from), &factor) in to.iter_mut().zip(from).zip(scale) {
                    *to = times(from, |_| factor);
                }
            }
        }
    }
}

/// A row times its factors.
///
/// The row passes through [`black_box`]: otherwise the compiler unrolls the row, and makes vectors of the entries that
/// several rows have in one column, gathered and scattered one by one.
#[inline(always)]
fn times<T: Real, const N: usize>(row: &[T; N], factor: impl Fn(usize) -> T) -> [T; N] {
    let row = black_box(row);
    std::array::from_fn(|i| row[i] * factor(i))
}

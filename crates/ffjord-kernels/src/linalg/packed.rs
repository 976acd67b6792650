//! Matrices stored in the order in which the register tiles read them.

use super::AlignedBuffer;
use crate::Real;
use crate::simd::{Isa, Kernel, SimdLevel};
use std::hint::black_box;

/// How the columns of a matrix are cut into panels at one [`SimdLevel`].
///
/// As many panels of the widest kind as fit (four vectors with AVX-512, which has registers for them, else two), then at
/// most two that are as narrow as the remaining columns allow. The last panel is filled with zeros up to its width, so a
/// product writes whole vectors and rows need no scalar tails.
///
/// ```
/// use ffjord_kernels::linalg::PanelLayout;
/// use ffjord_kernels::simd::SimdLevel;
/// for level in SimdLevel::available() {
///     let layout = PanelLayout::new::<f32>(level, 21);
///     let vector = level.vector_bytes() / 4;
///     assert!(layout.columns() == 21 && layout.padded() >= 21 && layout.padded() % vector == 0);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PanelLayout {
    columns: usize,
    widest: usize,
    full: usize,
    narrower: [usize; 2],
}

impl PanelLayout {
    /// The layout of `columns` columns of `T` at `level`.
    #[must_use]
    pub fn new<T: Real>(level: SimdLevel, columns: usize) -> Self {
        let vector = level.vector_bytes() / size_of::<T>();
        let many_registers = level.vector_bytes() == 64;
        let widest = if many_registers { 4 * vector } else { 2 * vector };
        // Half a 512-bit vector is as fast as a whole one where those run at half rate; the others need no such panel.
        let last = |rest| match rest {
            0 => 0,
            _ if rest <= vector / 2 && many_registers => vector / 2,
            _ if rest <= vector => vector,
            _ => 2 * vector,
        };
        let rest = columns % widest;
        let (more, narrower) = match rest {
            _ if rest > widest - vector => (1, [0, 0]),
            _ if rest > 2 * vector => (0, [2 * vector, last(rest - 2 * vector)]),
            _ => (0, [last(rest), 0]),
        };
        Self {
            columns,
            widest,
            full: columns / widest + more,
            narrower,
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
        self.full * self.widest + self.narrower.iter().sum::<usize>()
    }

    /// First column and width of every panel.
    #[inline]
    pub(crate) fn panels(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let Self {
            full, widest, narrower, ..
        } = *self;
        let wide = (0..full).map(move |panel| (panel * widest, widest));
        let [first, second] = narrower;
        let narrow = [(full * widest, first), (full * widest + first, second)];
        wide.chain(narrow.into_iter().filter(|&(_, width)| width > 0))
    }

    /// First column and width of the panel with column `n`.
    fn panel_of(&self, n: usize) -> (usize, usize) {
        let full = self.full * self.widest;
        match self.narrower {
            _ if n < full => (n / self.widest * self.widest, self.widest),
            [first, _] if n < full + first => (full, first),
            [first, second] => (full + first, second),
        }
    }
}

/// A matrix of shape `[K, N]`, packed: the right-hand side of [`multiply`](crate::linalg::multiply).
///
/// It is cut into column panels, which hold their K rows one after another. The rows of a matrix with too few columns for
/// a vector are interleaved.
///
/// ```
/// use ffjord_kernels::linalg::PackedMatrix;
/// use ffjord_kernels::simd::SimdLevel;
///
/// let level = SimdLevel::detect();
/// let mut first = PackedMatrix::<f64>::zeros(level, 2, 3);
/// first.fill_with(|k, n| (10 * k + n) as f64);
/// assert_eq!((first.entry(1, 2), first.depth(), first.layout().columns()), (12.0, 2, 3));
///
/// // What a layer's weights at a time are made of: rows or columns scaled, or a mean of two matrices.
/// let mut other = PackedMatrix::zeros(level, 2, 3);
/// other.assign_rows_scaled(level, &first, &[1.0, 5.0]);
/// assert_eq!((other.entry(0, 2), other.entry(1, 2)), (2.0, 60.0));
/// other.assign_columns_scaled(level, &first, &vec![2.0; first.layout().padded()]);
/// assert_eq!(other.entry(1, 0), 20.0);
/// let mut mean = PackedMatrix::zeros(level, 2, 3);
/// mean.assign_interpolated(&first, &other, 0.5);
/// assert_eq!((mean.entry(1, 2), mean.level()), (18.0, level));
/// ```
#[derive(Clone, Debug)]
pub struct PackedMatrix<T: Real> {
    level: SimdLevel,
    depth: usize,
    layout: PanelLayout,
    order: Order,
    data: AlignedBuffer<T>,
}

/// The order of a packed matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Panel after panel.
    Panels,
    /// A vector for every `rows` rows: these rows' entries of the first column, then of the second. The last vector
    /// reaches back where the depth is no multiple of `rows`. Zeros in place of rows that were there before, and of
    /// columns that the matrix has not.
    Interleaved {
        /// Rows in a vector, a power of two.
        rows: usize,
        /// The length of a vector.
        vector: usize,
    },
}

impl Order {
    fn new<T: Real>(level: SimdLevel, depth: usize, columns: usize) -> Self {
        let vector = level.vector_bytes() / size_of::<T>();
        let rows = vector / columns.max(1).next_power_of_two();
        // Adding up two numbers for each product costs what is gained.
        if rows > 2 && rows <= depth {
            Self::Interleaved { rows, vector }
        } else {
            Self::Panels
        }
    }
}

impl<T: Real> PackedMatrix<T> {
    /// A packed matrix of zeros with `depth` rows and `columns` columns.
    #[must_use]
    pub fn zeros(level: SimdLevel, depth: usize, columns: usize) -> Self {
        let layout = PanelLayout::new::<T>(level, columns);
        let order = Order::new::<T>(level, depth, columns);
        let numbers = match order {
            Order::Panels => depth * layout.padded(),
            Order::Interleaved { rows, vector } => depth.div_ceil(rows) * vector,
        };
        Self {
            level,
            depth,
            layout,
            order,
            data: AlignedBuffer::zeros(numbers),
        }
    }

    /// The number of rows K.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// The level that the matrix is packed for.
    #[must_use]
    pub fn level(&self) -> SimdLevel {
        self.level
    }

    /// How the columns are cut.
    #[must_use]
    pub fn layout(&self) -> PanelLayout {
        self.layout
    }

    /// Whether the rows of a column panel lie one after another, and not several in a vector.
    pub(crate) fn is_in_panels(&self) -> bool {
        self.order == Order::Panels
    }

    #[inline(always)]
    pub(super) fn order(&self) -> Order {
        self.order
    }

    /// The K rows of the panel that starts at `column`, one after another.
    #[inline(always)]
    pub(crate) fn panel(&self, column: usize, width: usize) -> &[T] {
        &self.data[column * self.depth..(column + width) * self.depth]
    }

    /// The vectors of a matrix with [`Order::Interleaved`].
    #[inline(always)]
    pub(super) fn interleaved<const L: usize>(&self) -> &[[T; L]] {
        self.data.as_chunks::<L>().0
    }

    /// The entry at row k and column n.
    ///
    /// # Panics
    /// If there is no such row or column.
    #[must_use]
    pub fn entry(&self, k: usize, n: usize) -> T {
        assert!(k < self.depth && n < self.layout.columns, "an entry of the matrix");
        self.data[self.position(k, n)]
    }

    /// Where entry (k, n) lies.
    fn position(&self, k: usize, n: usize) -> usize {
        match self.order {
            Order::Panels => {
                let (first, width) = self.layout.panel_of(n);
                first * self.depth + k * width + n - first
            }
            Order::Interleaved { rows, vector } => k / rows * vector + n * rows + k - self.first_row(k / rows, rows),
        }
    }

    /// The first of the rows in interleaved vector `index`.
    fn first_row(&self, index: usize, rows: usize) -> usize {
        (index * rows).min(self.depth - rows)
    }

    /// Sets every entry, `entry(k, n)` at row k and column n; the padding stays zero.
    pub fn fill_with(&mut self, entry: impl Fn(usize, usize) -> T) {
        let (depth, columns) = (self.depth, self.layout.columns);
        match self.order {
            Order::Panels => {
                for (first, width) in self.layout.panels() {
                    let panel = &mut self.data[first * depth..(first + width) * depth];
                    for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                        for (n, slot) in (first..columns).zip(row) {
                            *slot = entry(k, n);
                        }
                    }
                }
            }
            Order::Interleaved { .. } => {
                for k in 0..depth {
                    for n in 0..columns {
                        let position = self.position(k, n);
                        self.data[position] = entry(k, n);
                    }
                }
            }
        }
    }

    /// Sets every entry of matrices of one shape, `entries(k, n)` those of all of them at row k and column n; the padding
    /// stays zero.
    ///
    /// # Panics
    /// If there are not `N` matrices of one shape.
    pub(crate) fn fill_together<const N: usize>(matrices: &mut [Self], entries: impl Fn(usize, usize) -> [T; N]) {
        assert_eq!(matrices.len(), N, "an entry for each matrix");
        let Some((first, others)) = matrices.split_first() else {
            return;
        };
        others.iter().for_each(|other| first.check_shape(other));
        let (depth, layout) = (first.depth, first.layout);
        for k in 0..depth {
            for n in 0..layout.columns {
                let position = matrices[0].position(k, n);
                for (matrix, entry) in matrices.iter_mut().zip(entries(k, n)) {
                    matrix.data[position] = entry;
                }
            }
        }
    }

    /// Becomes `source · diag(scale)`; `scale` has one entry for every padded column.
    ///
    /// # Panics
    /// If `source` has another shape or `scale` another length.
    pub fn assign_columns_scaled(&mut self, level: SimdLevel, source: &Self, scale: &[T]) {
        self.check_shape(source);
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
        self.check_shape(source);
        let scale = &scale[..self.depth];
        level.dispatch(Scaled {
            to: self,
            from: source,
            by: Scale::Rows(scale),
        });
    }

    fn check_shape(&self, other: &Self) {
        assert_eq!(
            (self.level, self.depth, self.layout),
            (other.level, other.depth, other.layout),
            "matrices of one shape, packed for one level"
        );
    }

    /// Becomes `first + t (second − first)`.
    ///
    /// # Panics
    /// If the three matrices differ in shape.
    pub fn assign_interpolated(&mut self, first: &Self, second: &Self, t: T) {
        self.check_shape(first);
        self.check_shape(second);
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
        if let Order::Interleaved { rows, vector } = self.to.order {
            return self.interleaved(rows, vector);
        }
        for (first, width) in self.to.layout.panels() {
            match width {
                64 => self.panel::<64>(first),
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
    /// All vectors of interleaved rows.
    #[inline(always)]
    fn interleaved(&mut self, rows: usize, vector: usize) {
        let starts = (0..self.from.depth.div_ceil(rows)).map(|index| self.from.first_row(index, rows));
        let from = self.from.data.chunks_exact(vector);
        for ((to, from), start) in self.to.data.chunks_exact_mut(vector).zip(from).zip(starts) {
            let columns = to.chunks_exact_mut(rows).zip(from.chunks_exact(rows));
            match self.by {
                Scale::Columns(scale) => {
                    for ((to, from), &factor) in columns.zip(scale) {
                        for (to, &from) in to.iter_mut().zip(from) {
                            *to = from * factor;
                        }
                    }
                }
                Scale::Rows(scale) => {
                    let scale = &scale[start..start + rows];
                    for (to, from) in columns {
                        for ((to, &from), &factor) in to.iter_mut().zip(from).zip(scale) {
                            *to = from * factor;
                        }
                    }
                }
            }
        }
    }

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

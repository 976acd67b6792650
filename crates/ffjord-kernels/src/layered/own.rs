//! What every row has of a dense layer for itself: a bias, and an update of low rank.

use super::memory::Extent;
use crate::Real;
use crate::kernel::{Stack, StackMut};
use crate::simd::{Isa, Kernel, SimdLevel};

/// Where a row's own part of one layer lies among the numbers that the row is given: U `[inputs, rank]`, V
/// `[rank, outputs]` and b `[outputs]`, which add `(x U) V + b` to the layer's output; with rank 0 only b is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnLayer {
    pub(crate) offset: usize,
    pub(crate) rank: usize,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

/// All rows' numbers, and how many each has.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnRows<'a, T> {
    pub(super) numbers: &'a [T],
    pub(super) each: usize,
}

/// Numbers from one row of a layer's input and output to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strides {
    pub(super) input: usize,
    pub(super) output: usize,
}

impl OwnLayer {
    /// The numbers of the part.
    pub(crate) fn len(&self) -> usize {
        self.rank * (self.inputs + self.outputs) + self.outputs
    }

    /// U, V and b among a row's numbers.
    fn split<'a, T>(&self, row: &'a [T]) -> (&'a [T], &'a [T], &'a [T]) {
        let part = &row[self.offset..self.offset + self.len()];
        let (u, rest) = part.split_at(self.rank * self.inputs);
        let (v, bias) = rest.split_at(self.rank * self.outputs);
        (u, v, bias)
    }

    fn split_mut<'a, T>(&self, row: &'a mut [T]) -> (&'a mut [T], &'a mut [T], &'a mut [T]) {
        let part = &mut row[self.offset..self.offset + self.len()];
        let (u, rest) = part.split_at_mut(self.rank * self.inputs);
        let (v, bias) = rest.split_at_mut(self.rank * self.outputs);
        (u, v, bias)
    }

    /// Adds `(x U) V + b` to the values y and `(dx U) V` to the tangents; `room` has a number for each rank.
    pub(super) fn add<T: Real>(
        self,
        level: SimdLevel,
        extent: Extent,
        (own, room): (OwnRows<'_, T>, &mut [T]),
        strides: Strides,
        x: Stack<'_, T>,
        y: StackMut<'_, T>,
    ) {
        level.dispatch(Add {
            layer: self,
            extent,
            own,
            inner: &mut room[..self.rank],
            strides,
            x,
            y,
        });
    }

    /// Adds to the cotangents x̄ of values, and of tangents where they are there, what those of y give, and to `gradient`
    /// those of the own numbers, `[R, G]`; `room` has two numbers for each rank.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn add_reverse<T: Real>(
        self,
        level: SimdLevel,
        extent: Extent,
        (own, gradient): (OwnRows<'_, T>, &mut [T]),
        strides: Strides,
        (x, y): (Stack<'_, T>, Stack<'_, T>),
        of_x: StackMut<'_, T>,
        room: &mut [T],
    ) {
        let (inner, of_inner) = room[..2 * self.rank].split_at_mut(self.rank);
        level.dispatch(AddReverse {
            layer: self,
            inner,
            of_inner,
            extent,
            own,
            gradient,
            strides,
            x,
            y,
            of_x,
        });
    }
}

struct Add<'a, T> {
    layer: OwnLayer,
    extent: Extent,
    own: OwnRows<'a, T>,
    inner: &'a mut [T],
    strides: Strides,
    x: Stack<'a, T>,
    y: StackMut<'a, T>,
}

impl<T: Real> Kernel for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self {
            layer,
            extent,
            own,
            inner,
            strides,
            x,
            mut y,
        } = self;
        for (row, numbers) in own.numbers.chunks_exact(own.each).enumerate() {
            let (u, v, bias) = layer.split(numbers);
            // The row's matrices are read once from memory and then from the cache, by values and tangents in turn.
            for stacked in 0..=extent.tangents {
                let at = extent.row(stacked, row);
                let y = &mut at.of_mut(&mut y, strides.output)[..layer.outputs];
                if stacked == 0 {
                    add::<T, S>(y, T::ONE, bias);
                }
                project::<T, S>(&at.of(x, strides.input)[..layer.inputs], u, inner);
                for (&s, v) in inner.iter().zip(v.chunks_exact(layer.outputs)) {
                    add::<T, S>(y, s, v);
                }
            }
        }
    }
}

struct AddReverse<'a, T> {
    layer: OwnLayer,
    inner: &'a mut [T],
    of_inner: &'a mut [T],
    extent: Extent,
    own: OwnRows<'a, T>,
    gradient: &'a mut [T],
    strides: Strides,
    x: Stack<'a, T>,
    y: Stack<'a, T>,
    of_x: StackMut<'a, T>,
}

impl<T: Real> Kernel for AddReverse<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(self) {
        let Self {
            layer,
            inner,
            of_inner,
            extent,
            own,
            gradient,
            strides,
            x,
            y,
            mut of_x,
        } = self;
        let rows = own
            .numbers
            .chunks_exact(own.each)
            .zip(gradient.chunks_exact_mut(own.each));
        for (row, (numbers, gradient)) in rows.enumerate() {
            let (u, v, _) = layer.split(numbers);
            let (of_u, of_v, of_bias) = layer.split_mut(gradient);
            for stacked in 0..=extent.tangents {
                let at = extent.row(stacked, row);
                let (x, y) = (
                    &at.of(x, strides.input)[..layer.inputs],
                    &at.of(y, strides.output)[..layer.outputs],
                );
                if stacked == 0 {
                    add::<T, S>(of_bias, T::ONE, y);
                }
                if layer.rank == 0 {
                    continue;
                }
                project::<T, S>(x, u, inner);
                let matrices = v.chunks_exact(layer.outputs).zip(of_v.chunks_exact_mut(layer.outputs));
                for ((v, of_v), (&s, of_s)) in matrices.zip(inner.iter().zip(of_inner.iter_mut())) {
                    *of_s = dot::<T, S>(v, y);
                    add::<T, S>(of_v, s, y);
                }
                for (of_u, &x) in of_u.chunks_exact_mut(layer.rank).zip(x) {
                    add::<T, S>(of_u, x, of_inner);
                }
                // The tangents of the state are constants, and have no cotangents.
                if stacked == 0 || !of_x.tangents.is_empty() {
                    let of_x = at.of_mut(&mut of_x, strides.input);
                    for (of_x, u) in of_x.iter_mut().zip(u.chunks_exact(layer.rank)) {
                        *of_x += dot::<T, S>(u, of_inner);
                    }
                }
            }
        }
    }
}

/// One row of the values, or of a tangent.
#[derive(Clone, Copy, Debug)]
enum StackedRow {
    Value(usize),
    /// Counted over the rows of all tangents.
    Tangent(usize),
}

impl Extent {
    /// Row `row` of the values, for `stacked` 0, or of tangent `stacked − 1`.
    #[inline(always)]
    fn row(self, stacked: usize, row: usize) -> StackedRow {
        match stacked.checked_sub(1) {
            None => StackedRow::Value(row),
            Some(tangent) => StackedRow::Tangent(tangent * self.rows + row),
        }
    }
}

impl StackedRow {
    #[inline(always)]
    fn of<T: Real>(self, stack: Stack<'_, T>, stride: usize) -> &[T] {
        match self {
            Self::Value(row) => &stack.value[row * stride..][..stride],
            Self::Tangent(row) => &stack.tangents[row * stride..][..stride],
        }
    }

    #[inline(always)]
    fn of_mut<'a, T>(self, stack: &'a mut StackMut<'_, T>, stride: usize) -> &'a mut [T] {
        match self {
            Self::Value(row) => &mut stack.value[row * stride..][..stride],
            Self::Tangent(row) => &mut stack.tangents[row * stride..][..stride],
        }
    }
}

/// x U for U `[inputs, rank]`.
#[inline(always)]
fn project<T: Real, S: Isa>(x: &[T], u: &[T], inner: &mut [T]) {
    inner.fill(T::ZERO);
    if inner.is_empty() {
        return;
    }
    for (&x, u) in x.iter().zip(u.chunks_exact(inner.len())) {
        add::<T, S>(inner, x, u);
    }
}

/// to += factor · from.
#[inline(always)]
fn add<T: Real, S: Isa>(to: &mut [T], factor: T, from: &[T]) {
    for (to, &from) in to.iter_mut().zip(from) {
        *to = factor.fma::<S>(from, *to);
    }
}

/// Σ a b, in sums that do not wait for each other.
#[inline(always)]
fn dot<T: Real, S: Isa>(a: &[T], b: &[T]) -> T {
    const LANES: usize = 16;
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (a, b) in a.iter().zip(b) {
        for i in 0..LANES {
            sums[i] = a[i].fma::<S>(b[i], sums[i]);
        }
    }
    let sum = sums.iter().fold(T::ZERO, |sum, &lane| sum + lane);
    a_rest.iter().zip(b_rest).fold(sum, |sum, (&a, &b)| a.fma::<S>(b, sum))
}

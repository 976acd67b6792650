//! The sum behind a kernel's gradient.

use super::{PIXELS, SLACK, Windows};
use crate::Real;
use crate::convolution::patches::Grid;
use crate::simd::{Isa, Kernel, SimdLevel};

/// The fewest numbers of a pixel, and of a row of the kernel, for which there are register tiles.
const FEWEST: (usize, usize) = (8, 16);

impl Windows {
    /// Where tiles of pixels, which have `plain` numbers, and windows are filled well enough for a kernel's gradient.
    pub(in crate::convolution) fn of_gradient(grid: Grid, plain: usize, channels: usize) -> Option<Self> {
        let windows = Self::new(grid, channels)?;
        (plain >= FEWEST.0 && windows.window() >= FEWEST.1).then_some(windows)
    }

    /// Adds `Σ pixel ⊗ patch` over the pixels of coarse images `[h, w, plain]` and the patches of the images that they see to
    /// a sum `[plain, kh, kw, channels]`.
    pub(in crate::convolution) fn add_gradient<T: Real>(
        self,
        level: SimdLevel,
        (pixels, plain): (&[T], usize),
        images: &[T],
        buffer: &mut [T],
        sum: &mut [T],
    ) {
        let Grid { coarse, fine, .. } = self.grid;
        let (before, behind) = (fine.0 * fine.1 * self.channels, coarse.0 * coarse.1 * plain);
        // What is read of the pixels of a block stays in the first-level cache until the sums go back to memory.
        let lines = (PIXELS / coarse.1.max(1)).clamp(1, coarse.0 * self.together());
        let mut offsets = Vec::with_capacity(lines);
        let blocks = images.chunks(self.together() * before);
        for (images, pixels) in blocks.zip(pixels.chunks(self.together() * behind)) {
            let all = images.len() / before * coarse.0;
            let images = self.with_borders(images, !self.window().is_multiple_of(SLACK), buffer);
            for first in (0..all).step_by(lines) {
                let block = first..all.min(first + lines);
                offsets.clear();
                offsets.extend(block.map(|line| self.line(line / coarse.0, line % coarse.0)));
                level.dispatch(Block {
                    windows: self,
                    plain,
                    pixels: &pixels[first * coarse.1 * plain..],
                    images,
                    lines: &offsets,
                    sum,
                });
            }
        }
    }
}

/// Lines of coarse pixels and the lines of fine images, by their offsets, that the kernel's first row sees from them.
struct Block<'a, T> {
    windows: Windows,
    plain: usize,
    pixels: &'a [T],
    images: &'a [T],
    lines: &'a [usize],
    sum: &'a mut [T],
}

impl<T: Real> Kernel for Block<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        match S::VECTOR_BYTES / size_of::<T>() {
            16 => self.rows::<S, 16, 32, 48, 64>(),
            8 if S::VECTOR_BYTES == 64 => self.rows::<S, 8, 16, 24, 32>(),
            // With half as many registers two vectors are as wide as a tile of six rows can be.
            8 => self.rows::<S, 8, 16, 16, 16>(),
            4 => self.rows::<S, 4, 8, 8, 8>(),
            _ => self.rows::<S, 2, 4, 4, 4>(),
        }
    }
}

impl<T: Real> Block<'_, T> {
    /// All rows of the kernel, in strips of one to four vectors.
    #[inline(always)]
    fn rows<S: Isa, const ONE: usize, const TWO: usize, const THREE: usize, const FOUR: usize>(&mut self) {
        let (plain, window, line) = (self.plain, self.windows.window(), self.windows.across());
        // Six rows a tile are wasteful where they go into the pixels' numbers with a large rest.
        let wide = S::VECTOR_BYTES < 64 || plain.next_multiple_of(6) * 10 < plain * 11;
        for row in 0..self.windows.grid.kernel.0 {
            let place = (row * line, row * window);
            let mut j = 0;
            while j < window {
                let rest = window - j;
                if FOUR > THREE && wide && rest > THREE {
                    self.strip::<S, SixRows, 6, FOUR>(place, j);
                    j += FOUR;
                } else if THREE > TWO && rest > TWO {
                    self.strip::<S, EightRows, 8, THREE>(place, j);
                    j += THREE;
                } else if rest > ONE {
                    match S::VECTOR_BYTES {
                        64 => self.strip::<S, EightRows, 8, TWO>(place, j),
                        _ => self.strip::<S, SixRows, 6, TWO>(place, j),
                    }
                    j += TWO;
                } else {
                    self.strip::<S, EightRows, 8, ONE>(place, j);
                    j += ONE;
                }
            }
        }
    }

    /// The sums of columns `j` to `j + N` of a row of the kernel, as far as it has them. The last tile of rows reaches back
    /// over sums that are already complete; those are computed again and not stored.
    #[inline(always)]
    fn strip<S: Isa, Tile: WindowTile<M>, const M: usize, const N: usize>(
        &mut self,
        (line, first): (usize, usize),
        j: usize,
    ) {
        let Windows { grid, channels } = self.windows;
        let (plain, window, stride) = (self.plain, self.windows.window(), grid.taps() * channels);
        let columns = N.min(window - j);
        let steps = (plain, grid.step * channels, grid.coarse.1);
        for i in (0..plain).step_by(M) {
            let tile = i.min(plain - M);
            let mut sums = [[T::ZERO; N]; M];
            let whole = tile == i && columns == N;
            let at = |row: usize| row * stride + first + j;
            if whole {
                for (row, sums) in (i..).zip(&mut sums) {
                    sums.copy_from_slice(&self.sum[at(row)..][..N]);
                }
            }
            let images = &self.images[line + j..];
            let sums = Tile::plus_windows::<T, S, N>(sums, &self.pixels[tile..], images, self.lines, steps);
            for (row, sums) in (tile..).zip(&sums).skip(i - tile) {
                let to = &mut self.sum[at(row)..][..columns];
                if whole {
                    to.copy_from_slice(&sums[..columns]);
                } else {
                    to.iter_mut().zip(sums).for_each(|(to, &sum)| *to += sum);
                }
            }
        }
    }
}

/// A register tile of `M` numbers of every pixel.
trait WindowTile<const M: usize> {
    /// `start + Σ pixel ⊗ window` over lines of `width` pixels `plain` numbers apart, whose windows begin at the lines'
    /// offsets and are `step` numbers apart.
    fn plus_windows<T: Real, S: Isa, const N: usize>(
        start: [[T; N]; M],
        pixels: &[T],
        images: &[T],
        lines: &[usize],
        steps: (usize, usize, usize),
    ) -> [[T; N]; M];
}

/// Every row of sums is a variable of its own: an array of them lands on the stack.
macro_rules! window_tile {
    ($name:ident, $count:literal, $($sums:ident $index:literal),*) => {
        struct $name;

        impl WindowTile<$count> for $name {
            #[inline(always)]
            fn plus_windows<T: Real, S: Isa, const N: usize>(
                start: [[T; N]; $count],
                pixels: &[T],
                images: &[T],
                lines: &[usize],
                (plain, step, width): (usize, usize, usize),
            ) -> [[T; N]; $count] {
                $(let mut $sums = start[$index];)*
                for (line, &offset) in lines.iter().enumerate() {
                    let (mut x, mut y) = (&pixels[line * width * plain..], &images[offset..]);
                    for _ in 0..width {
                        let (Some(a), Some(b)) = (x.first_chunk::<$count>(), y.first_chunk::<N>()) else {
                            break;
                        };
                        $(
                            for k in 0..N {
                                $sums[k] = a[$index].fma::<S>(b[k], $sums[k]);
                            }
                        )*
                        let (Some(next_x), Some(next_y)) = (x.get(plain..), y.get(step..)) else {
                            break;
                        };
                        (x, y) = (next_x, next_y);
                    }
                }
                [$($sums),*]
            }
        }
    };
}

window_tile!(SixRows, 6, s0 0, s1 1, s2 2, s3 3, s4 4, s5 5);
window_tile!(EightRows, 8, s0 0, s1 1, s2 2, s3 3, s4 4, s5 5, s6 6, s7 7);

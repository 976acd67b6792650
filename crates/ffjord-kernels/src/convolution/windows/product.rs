//! Convolutions as products of windows with a packed kernel.

use super::Windows;
use crate::Real;
use crate::convolution::patches::Grid;
use crate::linalg::PackedMatrix;
use crate::simd::{Isa, Kernel, SimdLevel};

impl Windows {
    /// Where the kernel, `[kh kw channels, target]`, is packed in panels of whole vectors.
    pub(in crate::convolution) fn of_product<T: Real>(
        grid: Grid,
        channels: usize,
        kernel: &PackedMatrix<T>,
    ) -> Option<Self> {
        Self::new(grid, channels).filter(|_| kernel.is_in_panels())
    }

    /// Writes the coarse images `[h, w, target]` that a kernel makes of images.
    pub(in crate::convolution) fn convolve<T: Real>(
        self,
        level: SimdLevel,
        kernel: &PackedMatrix<T>,
        images: &[T],
        buffer: &mut [T],
        to: &mut [T],
    ) {
        let Grid { coarse, fine, step, .. } = self.grid;
        let target = kernel.layout().columns();
        let pixels = coarse.0 * coarse.1;
        let (before, behind) = (fine.0 * fine.1 * self.channels, pixels * target);
        let mut offsets = Vec::with_capacity(self.together() * pixels);
        let blocks = images.chunks(self.together() * before);
        for (images, to) in blocks.zip(to.chunks_mut(self.together() * behind)) {
            offsets.clear();
            for image in 0..images.len() / before {
                for y in 0..coarse.0 {
                    let line = self.line(image, y);
                    offsets.extend((0..coarse.1).map(|x| line + x * step * self.channels));
                }
            }
            level.dispatch(Product {
                windows: self,
                kernel,
                images: self.with_borders(images, false, buffer),
                offsets: &offsets,
                to,
            });
        }
    }
}

/// Pixels, by the offsets of the windows that the kernel's first row sees from them.
struct Product<'a, T: Real> {
    windows: Windows,
    kernel: &'a PackedMatrix<T>,
    images: &'a [T],
    offsets: &'a [usize],
    to: &'a mut [T],
}

impl<T: Real> Kernel for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Isa>(mut self) {
        // The widths are constants of the instruction set, so only a few of these arms are compiled for each.
        let vector = S::VECTOR_BYTES / size_of::<T>();
        for (first, width) in self.kernel.layout().panels() {
            let narrow = width < 2 * vector;
            match width {
                64 if vector == 16 => self.panel::<S, SixPixels, 6, 64>(first),
                32 if vector == 8 => self.panel::<S, SixPixels, 6, 32>(first),
                32 if vector == 16 => self.panel::<S, EightPixels, 8, 32>(first),
                16 if !narrow => self.panel::<S, SixPixels, 6, 16>(first),
                16 if vector == 16 => self.panel::<S, EightPixels, 8, 16>(first),
                8 if !narrow && vector == 4 => self.panel::<S, SixPixels, 6, 8>(first),
                8 if vector >= 8 => self.panel::<S, EightPixels, 8, 8>(first),
                4 if vector == 2 => self.panel::<S, SixPixels, 6, 4>(first),
                4 if vector >= 4 => self.panel::<S, EightPixels, 8, 4>(first),
                _ => self.panel::<S, EightPixels, 8, 2>(first),
            }
        }
    }
}

impl<T: Real> Product<'_, T> {
    /// All pixels times the panel of `N` columns that starts at `first`, `M` pixels at a time.
    #[inline(always)]
    fn panel<S: Isa, Tile: PixelTile<M>, const M: usize, const N: usize>(&mut self, first: usize) {
        let (panel, _) = self.kernel.panel(first, N).as_chunks::<N>();
        let target = self.kernel.layout().columns();
        let columns = N.min(target - first);
        let rows = (self.windows.grid.kernel.0, self.windows.across(), self.windows.window());
        let pixels = self.to.chunks_exact_mut(M * target);
        for (offsets, to) in self.offsets.chunks_exact(M).zip(pixels) {
            let sums = Tile::times_panel::<T, S, N>(self.images, offsets, rows, panel);
            for (to, sums) in to.chunks_exact_mut(target).zip(&sums) {
                to[first..first + columns].copy_from_slice(&sums[..columns]);
            }
        }
        let whole = self.offsets.len() / M * M;
        let rest = &self.offsets[whole..];
        if let Some(&last) = rest.last() {
            // The last pixel is repeated; what that computes is not stored.
            let mut offsets = [last; M];
            offsets[..rest.len()].copy_from_slice(rest);
            let sums = Tile::times_panel::<T, S, N>(self.images, &offsets, rows, panel);
            for (to, sums) in self.to[whole * target..].chunks_exact_mut(target).zip(&sums) {
                to[first..first + columns].copy_from_slice(&sums[..columns]);
            }
        }
    }
}

/// A register tile of `M` pixels.
trait PixelTile<const M: usize> {
    /// `Σ window · panel` over rows of the kernel, which are so many, so many numbers apart in the image, and so long.
    fn times_panel<T: Real, S: Isa, const N: usize>(
        images: &[T],
        offsets: &[usize],
        rows: (usize, usize, usize),
        panel: &[[T; N]],
    ) -> [[T; N]; M];
}

/// Variables of their own here too.
macro_rules! pixel_tile {
    ($name:ident, $count:literal, $($pixel:ident $sums:ident $index:literal),*) => {
        struct $name;

        impl PixelTile<$count> for $name {
            #[inline(always)]
            fn times_panel<T: Real, S: Isa, const N: usize>(
                images: &[T],
                offsets: &[usize],
                (rows, across, window): (usize, usize, usize),
                panel: &[[T; N]],
            ) -> [[T; N]; $count] {
                $(let mut $sums = [T::ZERO; N];)*
                for (row, panel) in panel.chunks_exact(window).enumerate().take(rows) {
                    $(let $pixel = &images[offsets[$index] + row * across..][..window];)*
                    for k in 0..window {
                        let weights = panel[k];
                        $(
                            for j in 0..N {
                                $sums[j] = $pixel[k].fma::<S>(weights[j], $sums[j]);
                            }
                        )*
                    }
                }
                [$($sums),*]
            }
        }
    };
}

pixel_tile!(SixPixels, 6, p0 s0 0, p1 s1 1, p2 s2 2, p3 s3 3, p4 s4 4, p5 s5 5);
pixel_tile!(EightPixels, 8, p0 s0 0, p1 s1 1, p2 s2 2, p3 s3 3, p4 s4 4, p5 s5 5, p6 s6 6, p7 s7 7);

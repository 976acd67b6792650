//! Input channels that are the same for every image: time, and the position of a pixel.

use super::architecture::ConvShape;
use crate::Real;
use crate::linalg::add_scaled;
use std::ops::Range;

/// The kernels of one or three input channels: t, and then the pixel's row and column.
///
/// Their convolution is the same for every image: a bias for each pixel, at the border other than in the middle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Planes {
    shape: ConvShape,
    count: usize,
    offset: usize,
    plane_stride: usize,
    output_stride: usize,
}

impl Planes {
    /// `count` channels whose kernels are those of the input channels from `start` on.
    pub(crate) fn new(shape: ConvShape, count: usize, start: usize) -> Self {
        let taps = shape.taps();
        let (plane_stride, output_stride) = if shape.is_transposed() {
            (shape.outputs * taps, taps)
        } else {
            (taps, (shape.inputs + count) * taps)
        };
        Self {
            shape,
            count,
            offset: start * plane_stride,
            plane_stride,
            output_stride,
        }
    }

    /// The numbers of the `kernels` buffers: a kernel for each plane, and a sum.
    pub(crate) fn kernel_numbers(self) -> usize {
        (self.count * self.shape.taps() + 1) * self.shape.outputs
    }

    /// Whether neighbouring pixels see the first plane, of ones, alike: where the output is the coarse image.
    fn has_runs(self) -> bool {
        !self.shape.is_transposed()
    }

    /// Calls `visit(output pixels, taps)` for all runs of pixels that see the first plane through the same taps.
    fn for_each_run(self, mut visit: impl FnMut(Range<usize>, &mut dyn Iterator<Item = usize>)) {
        let grid = self.shape.grid();
        grid.for_each_run(|pixels, rows, columns| {
            let mut taps = rows.flat_map(|row| columns.clone().map(move |column| row * grid.kernel.1 + column));
            visit(pixels, &mut taps);
        });
    }

    /// Calls `visit(output pixel, plane, tap, value)` for each number of a plane that an output pixel sees, of those
    /// planes that have no runs. The first plane counts as ones: time is a factor of its kernel.
    fn for_each_value<T: Real>(self, mut visit: impl FnMut(usize, usize, usize, T)) {
        if self.has_runs() && self.count == 1 {
            return;
        }
        let width = self.shape.input.1;
        self.shape.grid().for_each_contact(|coarse, fine, tap| {
            let (input, output) = if self.shape.is_transposed() {
                (coarse, fine)
            } else {
                (fine, coarse)
            };
            let position = |index: usize| T::from_f64(index as f64);
            if !self.has_runs() {
                visit(output, 0, tap, T::ONE);
            }
            if self.count > 1 {
                visit(output, 1, tap, position(input / width));
                visit(output, 2, tap, position(input % width));
            }
        });
    }

    fn parameter(self, plane: usize, tap: usize, output: usize) -> usize {
        self.offset + plane * self.plane_stride + output * self.output_stride + tap
    }

    /// The part of the `[planes, k², outputs]` buffer of one plane and tap.
    fn span(self, plane: usize, tap: usize) -> Range<usize> {
        let start = (plane * self.shape.taps() + tap) * self.shape.outputs;
        start..start + self.shape.outputs
    }

    fn planes_and_taps(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.count).flat_map(move |plane| (0..self.shape.taps()).map(move |tap| (plane, tap)))
    }

    /// Adds the planes' convolution at time `t` to a map `[H', W', outputs]`; `kernels` is scratch.
    pub(crate) fn add_to<T: Real>(self, parameters: &[T], t: T, map: &mut [T], kernels: &mut [T]) {
        for (plane, tap) in self.planes_and_taps() {
            let factor = if plane == 0 { t } else { T::ONE };
            for (output, to) in kernels[self.span(plane, tap)].iter_mut().enumerate() {
                *to = factor * parameters[self.parameter(plane, tap, output)];
            }
        }
        let outputs = self.shape.outputs;
        if self.has_runs() {
            let (kernels, sum) = kernels[..self.kernel_numbers()].split_at_mut(self.kernel_numbers() - outputs);
            self.for_each_run(|pixels, taps| {
                sum.fill(T::ZERO);
                taps.for_each(|tap| add_scaled(sum, T::ONE, &kernels[self.span(0, tap)]));
                let seen = &mut map[pixels.start * outputs..pixels.end * outputs];
                seen.chunks_exact_mut(outputs)
                    .for_each(|pixel| add_scaled(pixel, T::ONE, sum));
            });
        }
        self.for_each_value(|pixel, plane, tap, value| {
            add_scaled(
                &mut map[pixel * outputs..][..outputs],
                value,
                &kernels[self.span(plane, tap)],
            );
        });
    }

    /// Adds the gradient of the planes' kernels, given that of the map, and returns that of t; `kernels` is scratch.
    pub(crate) fn pull_back<T: Real>(
        self,
        parameters: &[T],
        t: T,
        map: &[T],
        kernels: &mut [T],
        gradient: &mut [T],
    ) -> T {
        let kernels = &mut kernels[..self.kernel_numbers()];
        kernels.fill(T::ZERO);
        let outputs = self.shape.outputs;
        if self.has_runs() {
            let (kernels, sum) = kernels.split_at_mut(self.kernel_numbers() - outputs);
            self.for_each_run(|pixels, taps| {
                sum.fill(T::ZERO);
                let seen = &map[pixels.start * outputs..pixels.end * outputs];
                seen.chunks_exact(outputs)
                    .for_each(|pixel| add_scaled(sum, T::ONE, pixel));
                taps.for_each(|tap| add_scaled(&mut kernels[self.span(0, tap)], T::ONE, sum));
            });
        }
        self.for_each_value(|pixel, plane, tap, value| {
            add_scaled(
                &mut kernels[self.span(plane, tap)],
                value,
                &map[pixel * outputs..][..outputs],
            );
        });
        let mut time = T::ZERO;
        for (plane, tap) in self.planes_and_taps() {
            let factor = if plane == 0 { t } else { T::ONE };
            for (output, &g) in kernels[self.span(plane, tap)].iter().enumerate() {
                let at = self.parameter(plane, tap, output);
                gradient[at] += factor * g;
                if plane == 0 {
                    time += parameters[at] * g;
                }
            }
        }
        time
    }
}

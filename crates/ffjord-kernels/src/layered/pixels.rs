//! Images channel by channel, and the same pixel by pixel.

use crate::Real;

/// Images `[C, H, W]` of a caller, which a network has as `[H / 2^q, W / 2^q, C 4^q]`: squeezed q times, so that cells of
/// 2 × 2 pixels become four channels, with the channels of a pixel side by side.
///
/// A squeeze takes pixel (i, j) of a cell of channel c to channel 4 c + 2 i + j. Two of them are not one with cells of
/// 4 × 4 pixels: that has another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// The caller's channels, height and width.
    pub(crate) shape: [usize; 3],
    /// q; height and width are multiples of 2^q.
    pub(crate) squeezes: u32,
}

impl Pixels {
    /// Numbers in an image.
    pub(crate) fn len(self) -> usize {
        self.shape.iter().product()
    }

    /// Copies images of the caller to the network's.
    pub(super) fn gather<T: Real>(self, from: &[T], to: &mut [T]) {
        let [channels, height, width] = self.shape;
        if self.squeezes == 0 {
            return transpose(channels, height * width, from, to);
        }
        let len = self.len();
        for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
            self.for_each_run(|first, inner| {
                let (line, step) = (&from[first..], 1 << self.squeezes);
                let pixels = to[inner..].iter_mut().step_by(self.inner_channels());
                pixels.zip(line.iter().step_by(step)).for_each(|(to, from)| *to = *from);
            });
        }
    }

    /// Copies images of the network to the caller's.
    pub(super) fn scatter<T: Real>(self, from: &[T], to: &mut [T]) {
        let [channels, height, width] = self.shape;
        if self.squeezes == 0 {
            return transpose(height * width, channels, from, to);
        }
        let len = self.len();
        for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
            self.for_each_run(|first, inner| {
                let pixels = from[inner..].iter().step_by(self.inner_channels());
                let columns = width >> self.squeezes;
                let line = to[first..].iter_mut().step_by(1 << self.squeezes).take(columns);
                line.zip(pixels).for_each(|(to, from)| *to = *from);
            });
        }
    }

    fn inner_channels(self) -> usize {
        self.shape[0] << (2 * self.squeezes)
    }

    /// Calls `visit(caller's index, network's index)` for the first pixel of every line of every channel of the squeezed
    /// image: the next ones lie 2^q numbers further on in the caller's, and all channels further on in the network's.
    fn for_each_run(self, mut visit: impl FnMut(usize, usize)) {
        let [_, height, width] = self.shape;
        let (lines, columns) = (height >> self.squeezes, width >> self.squeezes);
        for inner in 0..self.inner_channels() {
            let (channel, row, column) = self.place(inner);
            for line in 0..lines {
                let outer = (channel * height + (line << self.squeezes) + row) * width + column;
                visit(outer, line * columns * self.inner_channels() + inner);
            }
        }
    }

    /// The channel that a channel of the squeezed image comes from, and its place in that channel's cells.
    fn place(self, inner: usize) -> (usize, usize, usize) {
        // The last squeeze is the lowest digit, and moves by the largest distance.
        let (mut channel, mut row, mut column) = (inner, 0, 0);
        for squeeze in (0..self.squeezes).rev() {
            row += ((channel >> 1) & 1) << squeeze;
            column += (channel & 1) << squeeze;
            channel >>= 2;
        }
        (channel, row, column)
    }
}

/// Every matrix `[rows, columns]` transposed.
fn transpose<T: Real>(rows: usize, columns: usize, from: &[T], to: &mut [T]) {
    if rows == 1 || columns == 1 {
        to.copy_from_slice(from);
        return;
    }
    let len = rows * columns;
    for (from, to) in from.chunks_exact(len).zip(to.chunks_exact_mut(len)) {
        for (column, to) in to.chunks_exact_mut(rows).enumerate() {
            for (to, row) in to.iter_mut().zip(from.chunks_exact(columns)) {
                *to = row[column];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn squeezes_have_the_order_of_the_original() {
        // Pixels are numbered by channel, row and column; the second squeeze takes the cells of the first's channels.
        let once = Pixels {
            shape: [2, 2, 4],
            squeezes: 1,
        };
        let image: Vec<f64> = (0..16).map(f64::from).collect();
        let mut inner = vec![0.0; 16];
        once.gather(&image, &mut inner);
        let left = [0.0, 1.0, 4.0, 5.0, 8.0, 9.0, 12.0, 13.0];
        assert_eq!((&inner[..8], inner[8]), (&left[..], 2.0));

        let twice = Pixels {
            shape: [1, 4, 4],
            squeezes: 2,
        };
        twice.gather(&image, &mut inner);
        assert_eq!(inner[..8], [0.0, 2.0, 8.0, 10.0, 1.0, 3.0, 9.0, 11.0]);
        for pixels in [
            once,
            twice,
            Pixels {
                shape: [4, 2, 2],
                squeezes: 0,
            },
        ] {
            let (mut inner, mut back) = (vec![0.0; 16], vec![0.0; 16]);
            pixels.gather(&image, &mut inner);
            pixels.scatter(&inner, &mut back);
            assert_eq!(back, image, "{pixels:?}");
        }
    }
}

//! Convolutions of any kernel, stride and padding on images `[B, C, H, W]`, and the gradients of them.

use super::operator::{ImageOperator, Method, images_at_a_time, line_tiles, patch_numbers};
use super::patches::Grid;
use super::windows::Windows;
use super::winograd::Taps;
use crate::error::{check_length, whole_rows};
use crate::linalg::{Rows, RowsMut, accumulate_outer};
use crate::simd::SimdLevel;
use crate::{KernelError, Real};

/// The shape of a convolution of images `[C, H, W]` with a kernel `[C', C, kh, kw]`, as PyTorch's `conv2d` has it.
///
/// Its adjoint, from images `[C', H', W']` to `[C, H, W]`, is PyTorch's `conv_transpose2d` with the same kernel.
///
/// ```
/// use ffjord_kernels::convolution::{ImageConvolution, ImageShape};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // The mean over 2×2 pixels.
/// let shape = ImageShape { inputs: 1, outputs: 1, size: (2, 4), kernel: (2, 2), stride: 2, padding: 0 };
/// let mean = ImageConvolution::new(SimdLevel::detect(), shape, &[0.25f32; 4])?;
/// let mut y = [0.0; 2];
/// mean.apply(&[1.0, 2.0, 0.0, 0.0, 3.0, 6.0, 0.0, 4.0], &mut y)?;
/// assert_eq!(y, [3.0, 1.0]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// C.
    pub inputs: usize,
    /// C'.
    pub outputs: usize,
    /// H and W.
    pub size: (usize, usize),
    /// kh and kw.
    pub kernel: (usize, usize),
    /// The step from one patch to the next, down and across.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl ImageShape {
    /// H' and W'.
    ///
    /// # Errors
    /// [`KernelError::ImageShape`] if a size is 0, or the kernel is larger than the padded image.
    pub fn output_size(&self) -> Result<(usize, usize), KernelError> {
        let along = |size: usize, kernel: usize| {
            let room = (size + 2 * self.padding).checked_sub(kernel)?;
            Some(room / self.stride + 1)
        };
        let (height, width) = self.size;
        let positive = [
            self.inputs,
            self.outputs,
            height,
            width,
            self.kernel.0,
            self.kernel.1,
            self.stride,
        ];
        let sizes = (!positive.contains(&0))
            .then(|| Some((along(height, self.kernel.0)?, along(width, self.kernel.1)?)))
            .flatten();
        sizes.ok_or(KernelError::ImageShape(*self))
    }

    fn grid(&self) -> Result<Grid, KernelError> {
        Ok(Grid {
            coarse: self.output_size()?,
            fine: self.size,
            kernel: self.kernel,
            step: self.stride,
            padding: self.padding,
        })
    }

    fn taps(&self) -> usize {
        self.kernel.0 * self.kernel.1
    }

    /// The transform with which it is done in Winograd's terms of tiles, if it is.
    fn in_terms(&self) -> Option<Taps> {
        Taps::suit(self.kernel, self.stride, self.padding, self.inputs, self.outputs)
    }
}

/// A convolution with its kernel, or the adjoint of one, single-threaded.
///
/// The adjoint and the convolution have one inner product: `⟨A x, y⟩ = ⟨x, Aᵀ y⟩`.
///
/// ```
/// use ffjord_kernels::convolution::{ImageConvolution, ImageShape};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let shape = ImageShape { inputs: 1, outputs: 2, size: (3, 3), kernel: (2, 2), stride: 1, padding: 0 };
/// assert_eq!(shape.output_size()?, (2, 2));
/// let kernel: [f64; 8] = std::array::from_fn(|i| i as f64);
/// let x: [f64; 9] = std::array::from_fn(|i| (i as f64).sin());
/// let y: [f64; 8] = std::array::from_fn(|i| (i as f64).cos());
/// let (mut ax, mut aty) = ([0.0; 8], [0.0; 9]);
/// ImageConvolution::new(SimdLevel::detect(), shape, &kernel)?.apply(&x, &mut ax)?;
/// ImageConvolution::adjoint(SimdLevel::detect(), shape, &kernel)?.apply(&y, &mut aty)?;
/// let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
/// assert!((dot(&ax, &y) - dot(&x, &aty)).abs() < 1e-12);
///
/// // Channels side by side: the two of a pixel, then those of the next.
/// let mut beside = [0.0; 8];
/// ImageConvolution::new(SimdLevel::detect(), shape, &kernel)?.channels_last().apply(&x, &mut beside)?;
/// assert!((0..4).all(|pixel| (beside[2 * pixel + 1] - ax[4 + pixel]).abs() < 1e-12));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageConvolution<T: Real> {
    level: SimdLevel,
    operator: ImageOperator<T>,
    /// Channels and pixels of the images before and behind it.
    from: (usize, usize),
    to: (usize, usize),
    channels_last: bool,
}

impl<T: Real> ImageConvolution<T> {
    /// The convolution with `kernel` `[C', C, kh, kw]`, from `[C, H, W]` to `[C', H', W']`.
    ///
    /// # Errors
    /// As [`ImageShape::output_size`], and [`KernelError::Length`] for a kernel of another length.
    pub fn new(level: SimdLevel, shape: ImageShape, kernel: &[T]) -> Result<Self, KernelError> {
        let (grid, taps) = (shape.grid()?, shape.taps());
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        check_length("the kernel", kernel.len(), outputs * inputs * taps)?;
        let method = shape.in_terms().map_or(Method::Gather, Method::Winograd);
        let mut operator = ImageOperator::zeros(level, method, grid, inputs, outputs);
        operator.fill_with(|input, output, tap| kernel[(output * inputs + input) * taps + tap]);
        Ok(Self {
            level,
            operator,
            from: (inputs, pixels(grid.fine)),
            to: (outputs, pixels(grid.coarse)),
            channels_last: false,
        })
    }

    /// The adjoint of that convolution, from `[C', H', W']` to `[C, H, W]`: the gradient of its input, and the transposed
    /// convolution.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn adjoint(level: SimdLevel, shape: ImageShape, kernel: &[T]) -> Result<Self, KernelError> {
        let (grid, taps) = (shape.grid()?, shape.taps());
        let (inputs, outputs) = (shape.inputs, shape.outputs);
        check_length("the kernel", kernel.len(), outputs * inputs * taps)?;
        let turned = match shape.in_terms() {
            Some(taps) => Some((Method::Winograd(taps), grid)),
            None => turned(&shape, grid).map(|grid| (Method::Gather, grid)),
        };
        let operator = match turned {
            Some((method, grid)) => {
                let mut operator = ImageOperator::zeros(level, method, grid, outputs, inputs);
                operator.fill_with(|output, input, tap| kernel[(output * inputs + input) * taps + taps - 1 - tap]);
                operator
            }
            None => {
                let mut operator = ImageOperator::zeros(level, Method::Scatter, grid, outputs, inputs);
                operator.fill_with(|output, input, tap| kernel[(output * inputs + input) * taps + tap]);
                operator
            }
        };
        Ok(Self {
            level,
            operator,
            from: (outputs, pixels(grid.coarse)),
            to: (inputs, pixels(grid.fine)),
            channels_last: false,
        })
    }

    /// The same map on images whose channels lie side by side, `[H, W, C]`, on both sides: there is nothing to transpose.
    #[must_use]
    pub fn channels_last(self) -> Self {
        Self {
            channels_last: true,
            ..self
        }
    }

    /// Writes what the map makes of images `[B, …]`.
    ///
    /// # Errors
    /// [`KernelError::NotWhole`] and [`KernelError::Length`] unless both hold as many whole images.
    pub fn apply(&self, from: &[T], to: &mut [T]) -> Result<(), KernelError> {
        let (before, behind) = (self.from.0 * self.from.1, self.to.0 * self.to.1);
        let images = whole_rows("the images before a convolution", from.len(), before)?;
        check_length("the images behind a convolution", to.len(), images * behind)?;
        if self.channels_last {
            let mut patches = vec![T::ZERO; self.operator.buffer_numbers()];
            self.operator.apply(self.level, from, to, &mut patches);
            return Ok(());
        }
        let together = self.operator.images_at_a_time().min(images.max(1));
        let mut read = vec![T::ZERO; together * before];
        let mut written = vec![T::ZERO; together * behind];
        let mut patches = vec![T::ZERO; self.operator.buffer_numbers()];
        for (from, to) in from.chunks(together * before).zip(to.chunks_mut(together * behind)) {
            let (read, written) = (&mut read[..from.len()], &mut written[..to.len()]);
            for (from, read) in from.chunks_exact(before).zip(read.chunks_exact_mut(before)) {
                transpose(self.from.0, from, read);
            }
            self.operator.apply(self.level, read, written, &mut patches);
            for (written, to) in written.chunks_exact(behind).zip(to.chunks_exact_mut(behind)) {
                transpose(self.to.1, written, to);
            }
        }
        Ok(())
    }
}

fn pixels((height, width): (usize, usize)) -> usize {
    height * width
}

/// The grid of the adjoint as a convolution of its own with the kernel turned round: there is one for stride 1 where the
/// padding is below the kernel, and it pays where its patches have no more channels and most of them lie inside of the image.
fn turned(shape: &ImageShape, grid: Grid) -> Option<Grid> {
    let padding = shape.kernel.0.checked_sub(shape.padding + 1)?;
    let fits = shape.stride == 1 && shape.kernel.0 == shape.kernel.1 && shape.outputs <= 2 * shape.inputs;
    let sees_enough = pixels(grid.fine) <= 2 * pixels(grid.coarse);
    (fits && sees_enough).then_some(Grid {
        coarse: grid.fine,
        fine: grid.coarse,
        padding,
        ..grid
    })
}

/// As [`add_kernel_gradient`], from images x `[B, H, W, C]` and cotangents g `[B, H', W', C']`.
///
/// ```
/// use ffjord_kernels::convolution::{ImageShape, add_kernel_gradient_channels_last};
/// use ffjord_kernels::simd::SimdLevel;
///
/// // Two channels that a kernel of one pixel adds up with weights: their gradients are Σ x g.
/// let shape = ImageShape { inputs: 2, outputs: 1, size: (1, 2), kernel: (1, 1), stride: 1, padding: 0 };
/// let mut sum = [0.5_f64, 0.0];
/// add_kernel_gradient_channels_last(SimdLevel::detect(), shape, &[1.0, 10.0, 2.0, 20.0], &[1.0, 3.0], &mut sum)?;
/// assert_eq!(sum, [0.5 + 1.0 + 6.0, 10.0 + 60.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`add_kernel_gradient`].
pub fn add_kernel_gradient_channels_last<T: Real>(
    level: SimdLevel,
    shape: ImageShape,
    x: &[T],
    g: &[T],
    sum: &mut [T],
) -> Result<(), KernelError> {
    add_gradient(level, shape, true, (x, g), sum)
}

/// Adds to `sum` `[C', C, kh, kw]` the kernel's gradient that images x `[B, C, H, W]` and cotangents g `[B, C', H', W']`
/// give, single-threaded.
///
/// ```
/// use ffjord_kernels::convolution::{ImageShape, add_kernel_gradient};
/// use ffjord_kernels::simd::SimdLevel;
///
/// let shape = ImageShape { inputs: 2, outputs: 1, size: (1, 2), kernel: (1, 1), stride: 1, padding: 0 };
/// let mut sum = [0.5_f64, 0.0];
/// add_kernel_gradient(SimdLevel::detect(), shape, &[1.0, 2.0, 10.0, 20.0], &[1.0, 3.0], &mut sum)?;
/// assert_eq!(sum, [0.5 + 1.0 + 6.0, 10.0 + 60.0]);
/// let refused = add_kernel_gradient(SimdLevel::detect(), shape, &[1.0; 4], &[1.0; 2], &mut [0.0; 3]);
/// assert!(refused.unwrap_err().to_string().contains("3 numbers where 2 are needed"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`ImageShape::output_size`], and [`KernelError::Length`] unless x and g hold as many whole images and `sum` is a
/// kernel.
pub fn add_kernel_gradient<T: Real>(
    level: SimdLevel,
    shape: ImageShape,
    x: &[T],
    g: &[T],
    sum: &mut [T],
) -> Result<(), KernelError> {
    add_gradient(level, shape, false, (x, g), sum)
}

fn add_gradient<T: Real>(
    level: SimdLevel,
    shape: ImageShape,
    channels_last: bool,
    (x, g): (&[T], &[T]),
    sum: &mut [T],
) -> Result<(), KernelError> {
    let (grid, taps) = (shape.grid()?, shape.taps());
    let (inputs, outputs) = (shape.inputs, shape.outputs);
    let (before, behind) = (inputs * pixels(grid.fine), outputs * pixels(grid.coarse));
    check_length("the kernel's gradient", sum.len(), outputs * inputs * taps)?;
    let images = whole_rows("the images before a convolution", x.len(), before)?;
    check_length("the cotangents behind a convolution", g.len(), images * behind)?;
    let row = taps * inputs;
    if grid.is_one_patch() {
        // Images in the kernel's order, which are smaller than it: products are summed where they belong.
        let mut turned = vec![T::ZERO; if channels_last { x.len() } else { 0 }];
        for (x, turned) in x.chunks_exact(before).zip(turned.chunks_exact_mut(before)) {
            transpose(taps, x, turned);
        }
        let data: &[T] = if channels_last { &turned } else { x };
        let (g, x) = (
            Rows {
                data: g,
                stride: outputs,
            },
            Rows { data, stride: row },
        );
        accumulate_outer(level, (outputs, row), g, x, RowsMut { data: sum, stride: row });
        return Ok(());
    }
    let in_terms = shape.in_terms();
    let windows = Windows::of_gradient(grid, outputs, inputs);
    let together = match (in_terms, windows) {
        (Some(taps), _) => taps.images_at_a_time::<T>(grid.fine, inputs.max(outputs)),
        (None, Some(windows)) => windows.together(),
        (None, None) => images_at_a_time::<T>(grid, inputs),
    };
    let together = together.min(images.max(1));
    let buffer = |numbers: usize| vec![T::ZERO; if channels_last { 0 } else { together * numbers }];
    let (mut fine, mut coarse) = (buffer(before), buffer(behind));
    let (patch_numbers, sum_numbers) = match (in_terms, windows) {
        (Some(taps), _) => (
            taps.buffer_numbers::<T>(inputs, outputs),
            taps.sum_numbers(inputs, outputs),
        ),
        (None, Some(windows)) => (windows.buffer_numbers(), sum.len()),
        (None, None) => (patch_numbers::<T>(grid, inputs), sum.len()),
    };
    let mut patches = vec![T::ZERO; patch_numbers];
    // [C', kh, kw, C]; few columns are summed transposed, in longer rows.
    let transposed = windows.is_none() && row < FEW_COLUMNS && outputs > row;
    let mut rows = vec![T::ZERO; sum_numbers];
    let add = |patches: &[T], pixels: &[T], rows: &mut [T]| {
        let (patches, pixels) = (
            Rows {
                data: patches,
                stride: row,
            },
            Rows {
                data: pixels,
                stride: outputs,
            },
        );
        let data = rows;
        match transposed {
            true => accumulate_outer(
                level,
                (row, outputs),
                patches,
                pixels,
                RowsMut { data, stride: outputs },
            ),
            false => accumulate_outer(level, (outputs, row), pixels, patches, RowsMut { data, stride: row }),
        }
    };
    for (x, g) in x.chunks(together * before).zip(g.chunks(together * behind)) {
        let images = x.len() / before;
        let (fine, coarse): (&[T], &[T]) = match channels_last {
            true => (x, g),
            false => {
                for (x, fine) in x.chunks_exact(before).zip(fine.chunks_exact_mut(before)) {
                    transpose(inputs, x, fine);
                }
                for (g, coarse) in g.chunks_exact(behind).zip(coarse.chunks_exact_mut(behind)) {
                    transpose(outputs, g, coarse);
                }
                (&fine[..x.len()], &coarse[..g.len()])
            }
        };
        if let Some(taps) = in_terms {
            let shape = (grid.fine, inputs, outputs);
            taps.accumulate(level, shape, (fine, coarse), &mut patches, &mut rows);
            continue;
        }
        if let Some(windows) = windows {
            windows.add_gradient(level, (coarse, outputs), fine, &mut patches, &mut rows);
            continue;
        }
        if together > 1 {
            let size = behind / outputs * row;
            for (patches, fine) in patches
                .chunks_exact_mut(size)
                .zip(fine.chunks_exact(before))
                .take(images)
            {
                grid.gather(0..grid.coarse.0, inputs, fine, patches);
            }
            add(&patches[..images * size], &coarse[..images * behind], &mut rows);
            continue;
        }
        for lines in line_tiles::<T>(grid, inputs) {
            let span = lines.start * grid.coarse.1..lines.end * grid.coarse.1;
            let patches = &mut patches[..span.len() * row];
            grid.gather(lines, inputs, fine, patches);
            add(patches, &coarse[span.start * outputs..span.end * outputs], &mut rows);
        }
    }
    if let Some(taps) = in_terms {
        let mut kernel = vec![T::ZERO; sum.len()];
        taps.unpack(level, &rows, &mut kernel);
        sum.iter_mut().zip(&kernel).for_each(|(sum, &more)| *sum += more);
        return Ok(());
    }
    let mut kernel = vec![T::ZERO; row];
    for (output, of_output) in sum.chunks_exact_mut(row).enumerate() {
        if transposed {
            let entries = kernel.iter_mut().zip(rows[output..].iter().step_by(outputs));
            entries.for_each(|(to, &from)| *to = from);
        } else {
            kernel.copy_from_slice(&rows[output * row..][..row]);
        }
        transpose_onto(taps, &kernel, of_output);
    }
    Ok(())
}

/// Where a patch has fewer numbers than this, the sum over pixels is transposed.
const FEW_COLUMNS: usize = 16;

/// `[rows, columns]` as `[columns, rows]`.
fn transpose<T: Real>(rows: usize, from: &[T], to: &mut [T]) {
    if rows == 1 || from.len() == rows {
        to.copy_from_slice(from);
    } else {
        each_transposed(rows, from, to, |to, from| *to = from);
    }
}

/// The same, added to what is there.
fn transpose_onto<T: Real>(rows: usize, from: &[T], to: &mut [T]) {
    each_transposed(rows, from, to, |to, from| *to += from);
}

/// Gives every number of `[columns, rows]` that of `[rows, columns]`, in squares that stay in the first-level cache.
#[inline(always)]
fn each_transposed<T: Real>(rows: usize, from: &[T], to: &mut [T], set: impl Fn(&mut T, T)) {
    const SIDE: usize = 16;
    let columns = from.len() / rows;
    for top in (0..rows).step_by(SIDE) {
        let height = SIDE.min(rows - top);
        for left in (0..columns).step_by(SIDE) {
            for column in left..columns.min(left + SIDE) {
                let to = &mut to[column * rows + top..][..height];
                for (row, to) in to.iter_mut().enumerate() {
                    set(to, from[(top + row) * columns + column]);
                }
            }
        }
    }
}

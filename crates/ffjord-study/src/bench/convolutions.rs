//! Convolutions of images and both of their gradients beside the product ceiling, on one thread.

use super::ceiling::by_kernels;
use super::median;
use crate::error::Result;
use ffjord_kernels::KernelError;
use ffjord_kernels::convolution::{ImageConvolution, ImageShape, add_kernel_gradient_channels_last};
use ffjord_kernels::simd::SimdLevel;
use serde::Serialize;
use std::time::Instant;

/// Images that are convolved at a time, of 28 × 28 pixels; of smaller ones as many as have as many pixels.
const IMAGES: usize = 8;

/// Rows and columns of the product that is the ceiling.
const CEILING_SIZE: usize = 512;

/// Turns of ceiling and convolution.
const TURNS: usize = 5;

/// Speeds of one convolution, as parts of the ceiling.
///
/// Operations are those of the sums over taps, 2 for every tap, pixel and pair of channels, in whatever way it is computed: by
/// a transform that needs fewer, more than the ceiling is possible.
///
/// ```
/// use ffjord_study::bench::ConvolutionSpeed;
///
/// let name = "3×3, stride 1, padding 1, 64 to 64 channels, 28×28 pixels".to_owned();
/// let speed = ConvolutionSpeed { name, forward: 1.5, adjoint: 1.4, weights: 1.1, ceiling_gflops: 100.0 };
/// // Operations a second of the sums over taps, which a transform does with fewer multiplications.
/// assert_eq!(speed.forward * speed.ceiling_gflops, 150.0);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConvolutionSpeed {
    /// Kernel, stride, channels and size of the image.
    pub name: String,
    /// The convolution.
    pub forward: f64,
    /// Its adjoint, which is the gradient of its input and the transposed convolution.
    pub adjoint: f64,
    /// The gradient of its kernel.
    pub weights: f64,
    /// 10⁹ operations a second of a square product on the same thread, the median over the turns.
    pub ceiling_gflops: f64,
}

/// A kernel's side, stride and padding, and channels and side of the images before it.
struct Case(usize, usize, usize, (usize, usize), usize);

/// The kernels of image flows and autoencoders, and those between.
const CASES: [Case; 14] = [
    Case(1, 1, 0, (64, 64), 28),
    Case(1, 2, 0, (64, 64), 28),
    Case(2, 2, 0, (64, 64), 28),
    Case(3, 1, 1, (64, 64), 28),
    Case(3, 1, 1, (16, 16), 28),
    Case(3, 2, 1, (64, 64), 28),
    Case(4, 2, 1, (64, 64), 28),
    Case(5, 1, 2, (32, 64), 28),
    Case(5, 1, 2, (64, 128), 14),
    Case(5, 2, 2, (32, 64), 28),
    Case(5, 2, 2, (64, 128), 14),
    Case(6, 1, 2, (32, 32), 28),
    Case(7, 1, 3, (32, 32), 28),
    Case(7, 1, 0, (64, 256), 7),
];

impl Case {
    fn name(&self) -> String {
        let Self(kernel, stride, padding, (inputs, outputs), side) = self;
        format!(
            "{kernel}×{kernel}, stride {stride}, padding {padding}, {inputs} to {outputs} channels, {side}×{side} pixels"
        )
    }

    fn shape(&self) -> ImageShape {
        let Self(kernel, stride, padding, (inputs, outputs), side) = *self;
        ImageShape {
            inputs,
            outputs,
            size: (side, side),
            kernel: (kernel, kernel),
            stride,
            padding,
        }
    }
}

/// Measures the convolutions whose name is wanted, each in turn with the ceiling.
///
/// ```
/// use ffjord_study::bench::convolutions;
///
/// // Seconds for each that is wanted; none has a kernel of so many taps.
/// assert!(convolutions(|name| name.starts_with("9×9"))?.is_empty());
/// # Ok::<(), ffjord_study::StudyError>(())
/// ```
///
/// # Errors
/// When a convolution cannot be made.
pub fn convolutions(wanted: impl Fn(&str) -> bool) -> Result<Vec<ConvolutionSpeed>> {
    let wanted = CASES.iter().filter(|case| wanted(&case.name()));
    let speeds = wanted.map(|case| measure(case, TURNS));
    Ok(speeds.collect::<Result<_, KernelError>>()?)
}

fn measure(case: &Case, turns: usize) -> Result<ConvolutionSpeed, KernelError> {
    let (level, shape) = (SimdLevel::detect(), case.shape());
    let (height, width) = shape.size;
    let behind = shape.output_size()?;
    let images = IMAGES * 28 * 28 / (height * width);
    let numbers = |count: usize| -> Vec<f32> { (0..count).map(|i| ((i * 7919) % 1000) as f32 * 2e-3 - 1.0).collect() };
    let taps = shape.kernel.0 * shape.kernel.1;
    let kernel = numbers(shape.outputs * shape.inputs * taps);
    let x = numbers(images * height * width * shape.inputs);
    let g = numbers(images * behind.0 * behind.1 * shape.outputs);
    let operations = 2.0 * (images * behind.0 * behind.1 * kernel.len()) as f64;
    let forward = ImageConvolution::new(level, shape, &kernel)?.channels_last();
    let adjoint = ImageConvolution::adjoint(level, shape, &kernel)?.channels_last();
    let (mut to_g, mut to_x, mut to_kernel) = (g.clone(), x.clone(), vec![0.0; kernel.len()]);
    let (mut parts, mut ceilings) = (Vec::new(), Vec::new());
    for _ in 0..turns {
        let ceiling = by_kernels(CEILING_SIZE, 1);
        let part = |seconds: f64| operations / seconds * 1e-9 / ceiling;
        parts.push([
            part(fastest(|| forward.apply(&x, &mut to_g))?),
            part(fastest(|| adjoint.apply(&g, &mut to_x))?),
            part(fastest(|| {
                add_kernel_gradient_channels_last(level, shape, &x, &g, &mut to_kernel)
            })?),
        ]);
        ceilings.push(ceiling);
    }
    let of = |index: usize| median(&parts.iter().map(|parts| parts[index]).collect::<Vec<f64>>());
    Ok(ConvolutionSpeed {
        name: case.name(),
        forward: of(0),
        adjoint: of(1),
        weights: of(2),
        ceiling_gflops: median(&ceilings),
    })
}

/// Seconds of the fastest of a few calls.
fn fastest(mut call: impl FnMut() -> Result<(), KernelError>) -> Result<f64, KernelError> {
    const CALLS: usize = 4;
    let mut fastest = f64::INFINITY;
    for _ in 0..CALLS {
        let clock = Instant::now();
        call()?;
        fastest = fastest.min(clock.elapsed().as_secs_f64());
    }
    Ok(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_convolution_has_a_name_and_speeds() -> Result<()> {
        let speed = measure(&Case(3, 2, 1, (4, 8), 28), 1)?;
        assert_eq!(speed.name, "3×3, stride 2, padding 1, 4 to 8 channels, 28×28 pixels");
        let speeds = [speed.forward, speed.adjoint, speed.weights, speed.ceiling_gflops];
        assert!(
            speeds.iter().all(|speed| *speed > 0.0 && speed.is_finite()),
            "{speed:?}"
        );
        Ok(())
    }
}

//! Convolutions of images against sums over all pairs of pixels.

use ffjord_kernels::KernelError;
use ffjord_kernels::convolution::{ImageConvolution, ImageShape, add_kernel_gradient};
use ffjord_kernels::simd::SimdLevel;

/// Numbers in [−1, 1] that look random.
fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

fn shapes() -> Vec<ImageShape> {
    let shape = |inputs, outputs, size, kernel, stride, padding| ImageShape {
        inputs,
        outputs,
        size,
        kernel,
        stride,
        padding,
    };
    vec![
        shape(1, 1, (5, 4), (1, 1), 1, 0),
        shape(3, 5, (4, 4), (1, 1), 2, 0),
        shape(2, 3, (6, 5), (3, 3), 1, 1),
        shape(1, 32, (9, 7), (5, 5), 1, 2),
        shape(33, 2, (8, 8), (5, 5), 2, 2),
        shape(4, 17, (7, 5), (7, 5), 1, 0),
        shape(2, 2, (3, 3), (3, 3), 1, 2),
        shape(2, 4, (10, 6), (4, 4), 2, 1),
        shape(3, 3, (7, 9), (2, 3), 3, 2),
        shape(2, 2, (2, 2), (1, 1), 1, 3),
        shape(5, 4, (6, 6), (7, 7), 1, 3),
        // Enough channels for tiles, of even and odd sizes and of more tiles than are transformed at a time.
        shape(48, 49, (1, 1), (3, 3), 1, 1),
        shape(65, 48, (7, 4), (3, 3), 1, 1),
        shape(48, 56, (15, 18), (3, 3), 1, 1),
        shape(48, 49, (1, 1), (5, 5), 1, 2),
        shape(49, 48, (7, 4), (5, 5), 1, 2),
        shape(48, 50, (11, 13), (5, 5), 1, 2),
        // Windows of one to four vectors and a rest, of more pixels than are treated at a time and of fewer, and pixels whose
        // numbers are no multiple of a tile.
        shape(16, 17, (1, 1), (3, 3), 1, 1),
        shape(33, 16, (7, 4), (3, 3), 1, 1),
        shape(16, 24, (15, 18), (3, 3), 1, 1),
        shape(33, 16, (7, 4), (5, 5), 1, 2),
        shape(7, 19, (9, 14), (3, 3), 1, 1),
        shape(23, 13, (13, 7), (4, 4), 2, 1),
        shape(9, 70, (30, 5), (2, 2), 2, 0),
        // Other paddings and strides.
        shape(16, 16, (5, 6), (3, 3), 1, 0),
        shape(17, 16, (6, 5), (3, 3), 2, 1),
        shape(16, 16, (7, 6), (5, 5), 1, 1),
    ]
}

/// Calls `visit(output index, input index, kernel index)` for every product of one image.
fn for_each_product(shape: &ImageShape, mut visit: impl FnMut(usize, usize, usize)) {
    let (height, width) = shape.output_size().unwrap();
    let (kh, kw) = shape.kernel;
    for output in 0..shape.outputs {
        for y in 0..height {
            for x in 0..width {
                for input in 0..shape.inputs {
                    for row in 0..kh {
                        for column in 0..kw {
                            let (line, at) = (y * shape.stride + row, x * shape.stride + column);
                            let inside = |at: usize, size: usize| at >= shape.padding && at - shape.padding < size;
                            if inside(line, shape.size.0) && inside(at, shape.size.1) {
                                let (line, at) = (line - shape.padding, at - shape.padding);
                                visit(
                                    (output * height + y) * width + x,
                                    (input * shape.size.0 + line) * shape.size.1 + at,
                                    ((output * shape.inputs + input) * kh + row) * kw + column,
                                );
                            }
                        }
                    }
                }
            }
        }
    }
}

fn close(ours: &[f64], truth: &[f64], shape: &ImageShape) {
    for (ours, truth) in ours.iter().zip(truth) {
        assert!(
            (ours - truth).abs() < 1e-12 * (1.0 + truth.abs()),
            "{shape:?}: {ours} but {truth}"
        );
    }
}

#[test]
fn maps_adjoints_and_gradients_are_the_sums_they_stand_for() {
    const IMAGES: usize = 3;
    for level in SimdLevel::available() {
        for shape in shapes() {
            let (height, width) = shape.output_size().unwrap();
            let before = shape.inputs * shape.size.0 * shape.size.1;
            let behind = shape.outputs * height * width;
            let taps = shape.kernel.0 * shape.kernel.1;
            let kernel = numbers(shape.outputs * shape.inputs * taps, 1);
            let (x, g) = (numbers(IMAGES * before, 2), numbers(IMAGES * behind, 3));
            let (mut y, mut of_x) = (vec![0.0; IMAGES * behind], vec![0.0; IMAGES * before]);
            // The gradient is added to what is there.
            let mut of_kernel = vec![0.5; kernel.len()];
            for image in 0..IMAGES {
                for_each_product(&shape, |output, input, at| {
                    let (output, input) = (image * behind + output, image * before + input);
                    y[output] += kernel[at] * x[input];
                    of_x[input] += kernel[at] * g[output];
                    of_kernel[at] += g[output] * x[input];
                });
            }
            let mut ours = vec![f64::NAN; y.len()];
            let map = ImageConvolution::new(level, shape, &kernel).unwrap();
            map.apply(&x, &mut ours).unwrap();
            close(&ours, &y, &shape);
            let mut ours = vec![f64::NAN; of_x.len()];
            let adjoint = ImageConvolution::adjoint(level, shape, &kernel).unwrap();
            adjoint.apply(&g, &mut ours).unwrap();
            close(&ours, &of_x, &shape);
            let mut ours = vec![0.5; kernel.len()];
            add_kernel_gradient(level, shape, &x, &g, &mut ours).unwrap();
            close(&ours, &of_kernel, &shape);
        }
    }
}

#[test]
fn tiles_keep_the_digits_of_single_precision() {
    for (taps, bound) in [(3, 5e-7), (5, 1e-5)] {
        let shape = ImageShape {
            inputs: 64,
            outputs: 64,
            size: (14, 14),
            kernel: (taps, taps),
            stride: 1,
            padding: taps / 2,
        };
        let level = SimdLevel::detect();
        let kernel = numbers(64 * 64 * taps * taps, 1);
        let (x, g) = (numbers(2 * 64 * 196, 2), numbers(2 * 64 * 196, 3));
        let single = |numbers: &[f64]| numbers.iter().map(|&number| number as f32).collect::<Vec<f32>>();
        // The largest difference, relative to the largest number.
        let check = |name: &str, ours: &[f32], truth: &[f64]| {
            let largest = truth.iter().fold(0.0, |largest: f64, number| largest.max(number.abs()));
            let differences = ours
                .iter()
                .zip(truth)
                .map(|(&ours, truth)| (f64::from(ours) - truth).abs());
            let error = differences.fold(0.0, f64::max) / largest;
            assert!(error < bound, "{taps} taps, {name}: {error:.1e}");
        };
        let (mut y, mut of_x, mut of_kernel) = (vec![0.0; g.len()], vec![0.0; x.len()], vec![0.0; kernel.len()]);
        let (mut y32, mut of_x32, mut of_kernel32) = (single(&y), single(&of_x), single(&of_kernel));
        let map = ImageConvolution::new(level, shape, &kernel).unwrap();
        let map32 = ImageConvolution::new(level, shape, &single(&kernel)).unwrap();
        map.apply(&x, &mut y).unwrap();
        map32.apply(&single(&x), &mut y32).unwrap();
        check("map", &y32, &y);
        let map = ImageConvolution::adjoint(level, shape, &kernel).unwrap();
        let map32 = ImageConvolution::adjoint(level, shape, &single(&kernel)).unwrap();
        map.apply(&g, &mut of_x).unwrap();
        map32.apply(&single(&g), &mut of_x32).unwrap();
        check("adjoint", &of_x32, &of_x);
        add_kernel_gradient(level, shape, &x, &g, &mut of_kernel).unwrap();
        add_kernel_gradient(level, shape, &single(&x), &single(&g), &mut of_kernel32).unwrap();
        check("gradient", &of_kernel32, &of_kernel);
    }
}

#[test]
fn shapes_and_lengths_that_do_not_fit_are_refused() {
    let shape = shapes()[2];
    let level = SimdLevel::detect();
    let large = ImageShape {
        kernel: (9, 3),
        ..shape
    };
    assert_eq!(large.output_size(), Err(KernelError::ImageShape(large)));
    let still = ImageShape { stride: 0, ..shape };
    assert!(ImageConvolution::<f32>::new(level, still, &[0.0; 54]).is_err());
    assert!(ImageConvolution::<f32>::new(level, shape, &[0.0; 53]).is_err());
    let map = ImageConvolution::new(level, shape, &[0.0f32; 54]).unwrap();
    assert!(map.apply(&[0.0; 59], &mut [0.0; 90]).is_err());
    assert!(map.apply(&[0.0; 60], &mut [0.0; 91]).is_err());
    assert!(add_kernel_gradient(level, shape, &[0.0f32; 60], &[0.0; 90], &mut [0.0; 53]).is_err());
}

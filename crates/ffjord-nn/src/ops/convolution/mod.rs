//! Convolutions of images by the SIMD kernels, as operations of candle.

mod operators;

use self::operators::{Adjoint, Convolve, Geometry};
use super::linear;
use candle_core::{DType, Result, Tensor};

/// The convolution `[B, C', H', W']` of x `[B, C, H, W]` with a kernel `[C', C, kh, kw]`, with zeros around the image and a
/// stride, as candle's and PyTorch's `conv2d`; differentiable in both.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let x = Tensor::arange(0f32, 16.0, &Device::Cpu)?.reshape((1, 1, 4, 4))?;
/// let mean = Tensor::full(0.25f32, (1, 1, 2, 2), &Device::Cpu)?;
/// let y = ops::conv2d(&x, &mean, 0, 2)?;
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [2.5, 4.5, 10.5, 12.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, or memory or device fail.
pub fn conv2d(x: &Tensor, kernel: &Tensor, padding: usize, stride: usize) -> Result<Tensor> {
    if !has_kernel(x) {
        return x.conv2d(kernel, padding, stride, 1, 1);
    }
    if is_one_patch(&x.dims()[1..], kernel, padding, stride)? {
        return one_patch(x, kernel);
    }
    x.apply_op2(kernel, Convolve(Geometry::channels_first(padding, stride)))
}

/// Whether images `[C, H, W]` are as large as the kernel.
fn is_one_patch(image: &[usize], kernel: &Tensor, padding: usize, stride: usize) -> Result<bool> {
    let (_, channels, height, width) = kernel.dims4()?;
    Ok(padding == 0 && stride > 0 && image == [channels, height, width])
}

/// A convolution with one patch an image, `[B, C', 1, 1]`: a product of rows.
fn one_patch(x: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    let (rows, outputs) = (x.dim(0)?, kernel.dim(0)?);
    let none = Tensor::zeros(outputs, x.dtype(), x.device())?;
    let product = linear(&x.flatten_from(1)?, &kernel.flatten_from(1)?, &none, 0)?;
    product.reshape((rows, outputs, 1, 1))
}

/// A transposed convolution of images of one pixel, `[B, C', kh, kw]`: a product of rows.
fn one_pixel(y: &Tensor, kernel: &Tensor) -> Result<Tensor> {
    let (_, outputs, height, width) = kernel.dims4()?;
    let none = Tensor::zeros(outputs * height * width, y.dtype(), y.device())?;
    let product = linear(&y.flatten_from(1)?, &kernel.flatten_from(1)?.t()?, &none, 0)?;
    product.reshape((y.dim(0)?, outputs, height, width))
}

/// The transposed convolution of y `[B, C, H, W]` with a kernel `[C, C', kh, kw]`, whose image has `output_padding` more
/// lines and columns than the least that there can be, as candle's and PyTorch's `conv_transpose2d`; differentiable in both.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// // One pixel becomes the kernel times its value.
/// let y = Tensor::new(&[[[[3f32]]]], &Device::Cpu)?;
/// let kernel = Tensor::new(&[[[[1f32, 2.0], [3.0, 4.0]]]], &Device::Cpu)?;
/// let x = ops::conv_transpose2d(&y, &kernel, 0, 0, 2)?;
/// assert_eq!((x.dims(), x.flatten_all()?.to_vec1::<f32>()?), (&[1, 1, 2, 2][..], vec![3.0, 6.0, 9.0, 12.0]));
/// assert!(ops::conv_transpose2d(&y, &kernel, 0, 2, 2).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the shapes do not fit together, `output_padding` is no smaller than the stride, or memory or device fail.
pub fn conv_transpose2d(
    y: &Tensor,
    kernel: &Tensor,
    padding: usize,
    output_padding: usize,
    stride: usize,
) -> Result<Tensor> {
    if !has_kernel(y) {
        return y.conv_transpose2d(kernel, padding, output_padding, stride, 1);
    }
    let geometry = Geometry::channels_first(padding, stride);
    let size = geometry.transposed_size(y, kernel, output_padding)?;
    if y.dims()[1..] == [kernel.dim(0)?, 1, 1] && (padding, output_padding) == (0, 0) {
        return one_pixel(y, kernel);
    }
    y.apply_op2(kernel, Adjoint(geometry, size))
}

/// [`conv2d`] of images whose channels lie side by side, `[B, H, W, C] → [B, H', W', C']`, with the same kernels: several
/// layers in that order have nothing to transpose between them.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// let x = Tensor::arange(0f32, 16.0, &Device::Cpu)?.reshape((1, 4, 4, 1))?;
/// let mean = Tensor::full(0.25f32, (1, 1, 2, 2), &Device::Cpu)?;
/// assert_eq!(ops::conv2d_channels_last(&x, &mean, 0, 2)?.dims(), &[1, 2, 2, 1]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
/// As [`conv2d`].
pub fn conv2d_channels_last(x: &Tensor, kernel: &Tensor, padding: usize, stride: usize) -> Result<Tensor> {
    if !has_kernel(x) {
        return channels_last(&channels_first(x)?.conv2d(kernel, padding, stride, 1, 1)?);
    }
    if let ((rows, height, width, _), (outputs, _, 1, 1), 0, 1) = (x.dims4()?, kernel.dims4()?, padding, stride) {
        // Every pixel is a row.
        let none = Tensor::zeros(outputs, x.dtype(), x.device())?;
        let product = linear(&x.flatten_to(2)?, &kernel.flatten_from(1)?, &none, 0)?;
        return product.reshape((rows, height, width, outputs));
    }
    let (rows, height, width, channels) = x.dims4()?;
    if is_one_patch(&[channels, height, width], kernel, padding, stride)? {
        return one_patch(&channels_first(x)?, kernel)?.reshape((rows, 1, 1, kernel.dim(0)?));
    }
    let geometry = Geometry::channels_last(padding, stride);
    x.apply_op2(kernel, Convolve(geometry))
}

/// [`conv_transpose2d`] of images whose channels lie side by side, `[B, H, W, C] → [B, H', W', C']`.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::ops;
///
/// // One pixel of two channels, [B, H, W, C], to four of one.
/// let y = Tensor::new(&[[[[1f32, 10.0]]]], &Device::Cpu)?;
/// let kernel = Tensor::new(&[[[[1f32, 2.0], [3.0, 4.0]]], [[[1.0, 1.0], [1.0, 1.0]]]], &Device::Cpu)?;
/// let x = ops::conv_transpose2d_channels_last(&y, &kernel, 0, 0, 2)?;
/// assert_eq!((x.dims(), x.flatten_all()?.to_vec1::<f32>()?), (&[1, 2, 2, 1][..], vec![11.0, 12.0, 13.0, 14.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`conv_transpose2d`].
pub fn conv_transpose2d_channels_last(
    y: &Tensor,
    kernel: &Tensor,
    padding: usize,
    output_padding: usize,
    stride: usize,
) -> Result<Tensor> {
    if !has_kernel(y) {
        let images = channels_first(y)?.conv_transpose2d(kernel, padding, output_padding, stride, 1)?;
        return channels_last(&images);
    }
    let geometry = Geometry::channels_last(padding, stride);
    let size = geometry.transposed_size(y, kernel, output_padding)?;
    if y.dims()[1..] == [1, 1, kernel.dim(0)?] && (padding, output_padding) == (0, 0) {
        return channels_last(&one_pixel(y, kernel)?);
    }
    y.apply_op2(kernel, Adjoint(geometry, size))
}

fn channels_first(images: &Tensor) -> Result<Tensor> {
    images.permute((0, 3, 1, 2))?.contiguous()
}

fn channels_last(images: &Tensor) -> Result<Tensor> {
    images.permute((0, 2, 3, 1))?.contiguous()
}

fn has_kernel(x: &Tensor) -> bool {
    x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn tensor(shape: (usize, usize, usize, usize), seed: f64) -> Var {
        let count = shape.0 * shape.1 * shape.2 * shape.3;
        let values: Vec<f64> = (0..count).map(|i| (seed + 1.7 * (i * i % 101) as f64).sin()).collect();
        Var::from_tensor(&Tensor::from_vec(values, shape, &Device::Cpu).unwrap()).unwrap()
    }

    /// Values and both gradients against candle's own operations.
    fn compare(x: &Var, kernel: &Var, ours: impl Fn() -> Tensor, theirs: impl Fn() -> Tensor) {
        let gap = |a: &Tensor, b: &Tensor| (a - b).unwrap().abs().unwrap().max_all().unwrap();
        let (ours, theirs) = (ours(), theirs());
        assert!(gap(&ours, &theirs).to_scalar::<f64>().unwrap() < 1e-12);
        let weights = theirs.affine(0.3, 0.1).unwrap().sin().unwrap().detach();
        let gradients = |y: &Tensor| (y * &weights).unwrap().sum_all().unwrap().backward().unwrap();
        let (ours, theirs) = (gradients(&ours), gradients(&theirs));
        for var in [x, kernel] {
            let (ours, theirs) = (ours.get(var).unwrap(), theirs.get(var).unwrap());
            let size = gap(theirs, &theirs.zeros_like().unwrap()).to_scalar::<f64>().unwrap();
            let gap = gap(ours, theirs).to_scalar::<f64>().unwrap();
            assert!(gap < 1e-13 * size.max(10.0), "{gap:e} of {size}");
        }
    }

    #[test]
    fn convolutions_are_those_of_candle() {
        for (size, kernel, padding, stride) in [
            ((5, 5), (1, 1), 0, 1),
            ((6, 6), (3, 3), 1, 1),
            ((8, 8), (5, 5), 2, 2),
            ((7, 5), (7, 5), 0, 1),
            ((8, 8), (4, 4), 1, 2),
            // Several pieces.
            ((16, 16), (3, 3), 1, 1),
        ] {
            let x = tensor((19, 3, size.0, size.1), 0.2);
            let kernel = tensor((4, 3, kernel.0, kernel.1), 0.7);
            let ours = || conv2d(&x, &kernel, padding, stride).unwrap();
            compare(&x, &kernel, ours, || x.conv2d(&kernel, padding, stride, 1, 1).unwrap());
        }
    }

    #[test]
    fn transposed_convolutions_are_those_of_candle() {
        for (size, kernel, padding, output_padding, stride) in [
            ((1, 1), (7, 5), 0, 0, 1),
            ((5, 5), (5, 5), 2, 0, 1),
            ((4, 4), (5, 5), 2, 1, 2),
            ((4, 4), (4, 4), 1, 0, 2),
        ] {
            let y = tensor((11, 3, size.0, size.1), 0.2);
            let kernel = tensor((3, 4, kernel.0, kernel.1), 0.7);
            let ours = || conv_transpose2d(&y, &kernel, padding, output_padding, stride).unwrap();
            compare(&y, &kernel, ours, || {
                y.conv_transpose2d(&kernel, padding, output_padding, stride, 1).unwrap()
            });
        }
    }

    #[test]
    fn channels_may_lie_side_by_side() {
        let last = |x: &Tensor| x.permute((0, 2, 3, 1)).unwrap().contiguous().unwrap();
        let first = |x: &Tensor| x.permute((0, 3, 1, 2)).unwrap().contiguous().unwrap();
        for (kernel, padding, stride) in [((3, 3), 1, 1), ((4, 4), 1, 2), ((1, 1), 0, 1)] {
            let x = tensor((9, 3, 8, 6), 0.2);
            let kernel = tensor((4, 3, kernel.0, kernel.1), 0.7);
            let ours = || first(&conv2d_channels_last(&last(&x), &kernel, padding, stride).unwrap());
            compare(&x, &kernel, ours, || x.conv2d(&kernel, padding, stride, 1, 1).unwrap());
        }
        let (y, kernel) = (tensor((9, 3, 4, 3), 0.2), tensor((3, 4, 4, 4), 0.7));
        let ours = || first(&conv_transpose2d_channels_last(&last(&y), &kernel, 1, 0, 2).unwrap());
        compare(&y, &kernel, ours, || y.conv_transpose2d(&kernel, 1, 0, 2, 1).unwrap());
        assert!(conv_transpose2d_channels_last(&last(&y), &kernel, 9, 0, 1).is_err());
        let kernel = tensor((3, 4, 5, 5), 0.7);
        let ours = || first(&conv_transpose2d_channels_last(&last(&y), &kernel, 2, 1, 2).unwrap());
        compare(&y, &kernel, ours, || y.conv_transpose2d(&kernel, 2, 1, 2, 1).unwrap());
        let (whole, pixel) = (tensor((9, 3, 4, 3), 0.2), tensor((9, 3, 1, 1), 0.2));
        let kernel = tensor((4, 3, 4, 3), 0.7);
        let ours = || first(&conv2d_channels_last(&last(&whole), &kernel, 0, 1).unwrap());
        compare(&whole, &kernel, ours, || whole.conv2d(&kernel, 0, 1, 1, 1).unwrap());
        let kernel = tensor((3, 4, 7, 5), 0.7);
        let ours = || first(&conv_transpose2d_channels_last(&last(&pixel), &kernel, 0, 0, 1).unwrap());
        compare(&pixel, &kernel, ours, || {
            pixel.conv_transpose2d(&kernel, 0, 0, 1, 1).unwrap()
        });
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (x, kernel) = (tensor((2, 3, 4, 4), 0.1), tensor((4, 2, 3, 3), 0.2));
        let error = conv2d(&x, &kernel, 1, 1).unwrap_err().to_string();
        assert!(error.contains("should have 2 channels"), "{error}");
        assert!(conv2d(&x, &tensor((4, 3, 9, 9), 0.2), 1, 1).is_err());
        assert!(conv2d(&x, &tensor((4, 3, 3, 3), 0.2), 1, 0).is_err());
        assert!(conv2d(&x, &tensor((4, 3, 4, 4), 0.2), 0, 0).is_err());
        assert!(conv_transpose2d(&x, &tensor((3, 2, 3, 3), 0.2), 1, 2, 2).is_err());
        let error = conv_transpose2d(&x, &kernel, 1, 0, 1).unwrap_err().to_string();
        assert!(error.contains("should have 4 channels"), "{error}");
    }
}

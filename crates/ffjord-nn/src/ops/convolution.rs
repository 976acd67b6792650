//! Convolutions of images by the SIMD kernels, as operations of candle.

use super::linear;
use super::slices::on_slices;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use ffjord_kernels::convolution::{
    ImageConvolution, ImageShape, add_kernel_gradient, add_kernel_gradient_channels_last,
};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{KernelError, Real};
use rayon::prelude::*;

/// The most pieces that a batch is cut into, whatever the number of threads: gradients are summed over them in order.
const PIECES: usize = 8;
/// The pixels that a piece has at least, if the batch has so many: each pays for memory, and for a kernel's gradient of its own.
const PIECE_PIXELS: usize = 2048;

/// The images of a piece.
fn piece(images: usize, shape: ImageShape) -> usize {
    let pixels = (shape.size.0 * shape.size.1).max(1);
    images
        .div_ceil(PIECES)
        .max(PIECE_PIXELS.div_ceil(pixels).min(images))
        .max(1)
}

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
    let geometry = Geometry {
        channels_last: true,
        ..Geometry::channels_first(padding, stride)
    };
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
    let geometry = Geometry {
        channels_last: true,
        ..Geometry::channels_first(padding, stride)
    };
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

#[derive(Clone, Copy, Debug)]
struct Geometry {
    padding: usize,
    stride: usize,
    channels_last: bool,
}

/// From images `[B, C, H, W]` and a kernel to `[B, C', H', W']`.
#[derive(Clone, Copy, Debug)]
struct Convolve(Geometry);

/// From images `[B, C', H', W']` and a kernel back to `[B, C, H, W]` of this height and width.
#[derive(Clone, Copy, Debug)]
struct Adjoint(Geometry, (usize, usize));

/// The gradient `[C', C, kh, kw]` of a kernel of this height and width, from images on both sides.
#[derive(Clone, Copy, Debug)]
struct KernelGradient(Geometry, (usize, usize));

impl Geometry {
    fn channels_first(padding: usize, stride: usize) -> Self {
        Self {
            padding,
            stride,
            channels_last: false,
        }
    }

    /// Images, channels, height and width of a batch.
    fn images(self, layout: &Layout) -> Result<[usize; 4]> {
        let [images, a, b, c] = four(layout)?;
        Ok(match self.channels_last {
            true => [images, c, a, b],
            false => [images, a, b, c],
        })
    }

    /// The shape of a batch of so many images, channels, height and width.
    fn batch(self, [images, channels, height, width]: [usize; 4]) -> Shape {
        match self.channels_last {
            true => (images, height, width, channels).into(),
            false => (images, channels, height, width).into(),
        }
    }

    /// Height and width of what a transposed convolution makes of images.
    fn transposed_size(self, y: &Tensor, kernel: &Tensor, output_padding: usize) -> Result<(usize, usize)> {
        let Self { padding, stride, .. } = self;
        let ((height, width), (_, _, kh, kw)) = (self.size(y)?, kernel.dims4()?);
        let along = |size: usize, kernel: usize| {
            let whole = (size.max(1) - 1) * stride + kernel + output_padding;
            whole.checked_sub(2 * padding)
        };
        let (Some(height), Some(width), true) = (along(height, kh), along(width, kw), output_padding < stride.max(1))
        else {
            candle_core::bail!(
                "images {:?} with a kernel {:?}, padding {padding}, output padding {output_padding} and stride {stride} are \
                 no transposed convolution: the output padding must be below the stride and the padding no larger than the \
                 image",
                y.shape(),
                kernel.shape()
            )
        };
        Ok((height, width))
    }

    /// Height and width of a tensor's images.
    fn size(self, images: &Tensor) -> Result<(usize, usize)> {
        let [_, _, height, width] = self.images(images.layout())?;
        Ok((height, width))
    }

    fn laid_out<T: Real>(self, operator: ImageConvolution<T>) -> ImageConvolution<T> {
        match self.channels_last {
            true => operator.channels_last(),
            false => operator,
        }
    }

    /// The shape of a convolution of images with C channels of this size.
    fn shape(self, size: (usize, usize), kernel: &[usize; 4]) -> ImageShape {
        let [outputs, inputs, height, width] = *kernel;
        ImageShape {
            inputs,
            outputs,
            size,
            kernel: (height, width),
            stride: self.stride,
            padding: self.padding,
        }
    }
}

fn refused(error: KernelError) -> candle_core::Error {
    candle_core::Error::wrap(error)
}

fn four(layout: &Layout) -> Result<[usize; 4]> {
    let (a, b, c, d) = layout.shape().dims4()?;
    Ok([a, b, c, d])
}

/// Fails unless a batch has the channels that a kernel takes, and the size that a convolution makes.
fn check(what: &str, given: [usize; 4], channels: usize, size: Option<(usize, usize)>) -> Result<()> {
    let fits = given[1] == channels && size.is_none_or(|size| (given[2], given[3]) == size);
    if !fits {
        candle_core::bail!(
            "{what} {given:?} of a convolution should have {channels} channels{}",
            match size {
                Some((height, width)) => format!(" and {height} by {width} pixels"),
                None => String::new(),
            }
        )
    }
    Ok(())
}

/// A linear map of every image of a batch, by all threads.
fn map<T: Real>(
    operator: &ImageConvolution<T>,
    shape: ImageShape,
    from: &[T],
    (before, behind): (usize, usize),
) -> Result<Vec<T>> {
    let images = from.len() / before.max(1);
    let mut to = vec![T::ZERO; images * behind];
    let piece = piece(images, shape);
    let pieces = from.par_chunks(piece * before).zip(to.par_chunks_mut(piece * behind));
    pieces
        .try_for_each(|(from, to)| operator.apply(from, to))
        .map_err(refused)?;
    Ok(to)
}

/// The gradient of a kernel, summed over pieces of the batch in their order.
fn kernel_gradient<T: Real>(
    geometry: Geometry,
    shape: ImageShape,
    (x, g): (&[T], &[T]),
    (before, behind): (usize, usize),
) -> Result<Vec<T>> {
    let numbers = shape.outputs * shape.inputs * shape.kernel.0 * shape.kernel.1;
    let images = x.len() / before.max(1);
    let piece = piece(images, shape);
    let pieces = x.par_chunks(piece * before).zip(g.par_chunks(piece * behind));
    let sums = pieces.map(|(x, g)| {
        let mut sum = vec![T::ZERO; numbers];
        let add = match geometry.channels_last {
            true => add_kernel_gradient_channels_last,
            false => add_kernel_gradient,
        };
        add(SimdLevel::detect(), shape, x, g, &mut sum).map(|()| sum)
    });
    let sums: Vec<Vec<T>> = sums.collect::<std::result::Result<_, KernelError>>().map_err(refused)?;
    let mut total = vec![T::ZERO; numbers];
    for sum in sums {
        total.iter_mut().zip(&sum).for_each(|(to, &from)| *to += from);
    }
    Ok(total)
}

/// The numbers of an image on both sides of a convolution.
fn numbers(shape: ImageShape) -> Result<(usize, usize)> {
    let (height, width) = shape.output_size().map_err(refused)?;
    Ok((
        shape.inputs * shape.size.0 * shape.size.1,
        shape.outputs * height * width,
    ))
}

impl CustomOp2 for Convolve {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, kernel: &CpuStorage, lk: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, of_kernel) = (self.0.images(lx)?, four(lk)?);
        check("the images", images, of_kernel[1], None)?;
        let shape = self.0.shape((images[2], images[3]), &of_kernel);
        let ((before, behind), (height, width)) = (numbers(shape)?, shape.output_size().map_err(refused)?);
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(x, lx), (kernel, lk)], |x, kernel| {
            let operator = ImageConvolution::new(SimdLevel::detect(), shape, kernel).map_err(refused)?;
            map(&self.0.laid_out(operator), shape, x, (before, behind))
        });
        Ok((storage?, self.0.batch([images[0], shape.outputs, height, width])))
    }

    fn bwd(&self, x: &Tensor, kernel: &Tensor, _y: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((_, _, kh, kw), g) = (kernel.dims4()?, g.detach());
        let of_x = g.apply_op2_no_bwd(&kernel.detach(), &Adjoint(self.0, self.0.size(x)?))?;
        let of_kernel = x.detach().apply_op2_no_bwd(&g, &KernelGradient(self.0, (kh, kw)))?;
        Ok((Some(of_x), Some(of_kernel)))
    }
}

impl CustomOp2 for Adjoint {
    fn name(&self) -> &'static str {
        "transposed convolution"
    }

    fn cpu_fwd(&self, y: &CpuStorage, ly: &Layout, kernel: &CpuStorage, lk: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, of_kernel) = (self.0.images(ly)?, four(lk)?);
        let shape = self.0.shape(self.1, &of_kernel);
        let ((before, behind), size) = (numbers(shape)?, shape.output_size().map_err(refused)?);
        check("the images", images, of_kernel[0], Some(size))?;
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(y, ly), (kernel, lk)], |y, kernel| {
            let operator = ImageConvolution::adjoint(SimdLevel::detect(), shape, kernel).map_err(refused)?;
            map(&self.0.laid_out(operator), shape, y, (behind, before))
        });
        Ok((storage?, self.0.batch([images[0], shape.inputs, self.1.0, self.1.1])))
    }

    fn bwd(&self, y: &Tensor, kernel: &Tensor, _x: &Tensor, g: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((_, _, kh, kw), g) = (kernel.dims4()?, g.detach());
        let of_y = g.apply_op2_no_bwd(&kernel.detach(), &Convolve(self.0))?;
        let of_kernel = g.apply_op2_no_bwd(&y.detach(), &KernelGradient(self.0, (kh, kw)))?;
        Ok((Some(of_y), Some(of_kernel)))
    }
}

impl CustomOp2 for KernelGradient {
    fn name(&self) -> &'static str {
        "gradient of a convolution's kernel"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, g: &CpuStorage, lg: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, cotangents) = (self.0.images(lx)?, self.0.images(lg)?);
        let of_kernel = [cotangents[1], images[1], self.1.0, self.1.1];
        let shape = self.0.shape((images[2], images[3]), &of_kernel);
        let sizes = numbers(shape)?;
        let storage: Result<CpuStorage> = on_slices!(self.name(), [(x, lx), (g, lg)], |x, g| kernel_gradient(
            self.0,
            shape,
            (x, g),
            sizes
        ));
        Ok((storage?, of_kernel.to_vec().into()))
    }
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

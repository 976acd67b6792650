//! The operations behind convolutions: each with the others as its derivatives, over pieces of the batch.

use crate::ops::slices::on_slices;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
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

#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    padding: usize,
    stride: usize,
    channels_last: bool,
}

/// From images `[B, C, H, W]` and a kernel to `[B, C', H', W']`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Convolve(pub(super) Geometry);

/// From images `[B, C', H', W']` and a kernel back to `[B, C, H, W]` of this height and width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adjoint(pub(super) Geometry, pub(super) (usize, usize));

/// The gradient `[C', C, kh, kw]` of a kernel of this height and width, from images on both sides.
#[derive(Clone, Copy, Debug)]
struct KernelGradient(Geometry, (usize, usize));

impl Geometry {
    pub(super) fn channels_first(padding: usize, stride: usize) -> Self {
        Self {
            padding,
            stride,
            channels_last: false,
        }
    }

    pub(super) fn channels_last(padding: usize, stride: usize) -> Self {
        Self {
            channels_last: true,
            ..Self::channels_first(padding, stride)
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
    pub(super) fn transposed_size(self, y: &Tensor, kernel: &Tensor, output_padding: usize) -> Result<(usize, usize)> {
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

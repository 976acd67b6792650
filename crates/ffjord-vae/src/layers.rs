//! Dense and convolutional layers with PyTorch's default initialisation.

use crate::error::{Result, VaeError, check_positive};
use candle_core::{Tensor, Var};
use ffjord_nn::ParameterBuilder;
use ffjord_nn::ops::{self, Function};

/// `x Wᵀ + b` on rows `[B, i]`, with W `[o, i]`.
#[derive(Debug)]
pub(crate) struct Linear {
    weight: Var,
    bias: Var,
}

impl Linear {
    pub(crate) fn new(name: &str, inputs: usize, outputs: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        let bound = 1.0 / (inputs as f64).sqrt();
        Ok(builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.uniform("weight", (outputs, inputs), bound)?,
                bias: builder.uniform("bias", outputs, bound)?,
            })
        })?)
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(ops::linear(x, &self.weight, &self.bias, x.dim(0)?)?)
    }
}

/// How a convolution moves over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Height and width of the kernel.
    pub(crate) kernel: (usize, usize),
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    /// Whether the convolution is transposed, and what is then added to the lower and right border.
    pub(crate) transposed: Option<usize>,
}

impl Geometry {
    /// An ordinary convolution with a square kernel.
    pub(crate) fn square(kernel: usize, stride: usize, padding: usize) -> Self {
        Self {
            kernel: (kernel, kernel),
            stride,
            padding,
            transposed: None,
        }
    }

    /// The transposed one, with so much added to the border.
    pub(crate) fn transposed(self, output_padding: usize) -> Self {
        Self {
            transposed: Some(output_padding),
            ..self
        }
    }
}

/// A convolution with a bias for each channel, on images whose channels lie side by side, `[B, H, W, i]`.
#[derive(Debug)]
pub(crate) struct Convolution {
    weight: Var,
    bias: Var,
    geometry: Geometry,
}

impl Convolution {
    pub(crate) fn new(
        name: &str,
        (inputs, outputs): (usize, usize),
        geometry: Geometry,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let (height, width) = geometry.kernel;
        let (first, second) = match geometry.transposed {
            Some(_) => (inputs, outputs),
            None => (outputs, inputs),
        };
        // PyTorch takes the fan-in from the second axis, which counts outputs in a transposed convolution.
        let bound = 1.0 / ((second * height * width) as f64).sqrt();
        Ok(builder.scoped(name, |builder| {
            Ok(Self {
                weight: builder.uniform("weight", (first, second, height, width), bound)?,
                bias: builder.uniform("bias", outputs, bound)?,
                geometry,
            })
        })?)
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if self.geometry == Geometry::square(1, 1, 0) {
            // Every pixel is a row, and its bias part of the product.
            let (images, height, width, _) = x.dims4()?;
            let (rows, weight) = (x.flatten_to(2)?, self.weight.flatten_from(1)?);
            let product = ops::linear(&rows, &weight, &self.bias, rows.dim(0)?)?;
            return Ok(product.reshape((images, height, width, ()))?);
        }
        Ok(ops::add_bias(&self.geometry.apply(x, &self.weight)?, &self.bias)?)
    }
}

impl Geometry {
    /// The convolution with these weights.
    fn apply(self, x: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let Self {
            stride,
            padding,
            transposed,
            ..
        } = self;
        Ok(match transposed {
            None => ops::conv2d_channels_last(x, weight, padding, stride)?,
            Some(output_padding) => ops::conv_transpose2d_channels_last(x, weight, padding, output_padding, stride)?,
        })
    }
}

/// `h(x) ⊙ σ(g(x))` of two convolutions, the layer of the encoders and decoders of van den Berg et al. (2018), on images
/// `[B, H, W, i]`.
#[derive(Debug)]
pub(crate) struct Gated {
    value: Convolution,
    gate: Convolution,
}

impl Gated {
    pub(crate) fn new(
        name: &str,
        channels: (usize, usize),
        geometry: Geometry,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        let build = |part: &str, builder: &mut ParameterBuilder<'_>| {
            Convolution::new(&format!("{name}.{part}"), channels, geometry, builder)
        };
        Ok(Self {
            value: build("h", builder)?,
            gate: build("g", builder)?,
        })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        // Both as one convolution with twice the channels, which cuts the image into patches once.
        let Convolution { weight, bias, geometry } = &self.value;
        let outputs = usize::from(geometry.transposed.is_some());
        let weight = Tensor::cat(&[weight.as_tensor(), &self.gate.weight], outputs)?;
        let bias = Tensor::cat(&[bias.as_tensor(), &self.gate.bias], 0)?;
        Ok(ops::gated(&geometry.apply(x, &weight)?, &bias)?)
    }
}

/// Images `[B, C, H, W]` with their channels side by side, `[B, H, W, C]`.
pub(crate) fn channels_last(images: &Tensor) -> Result<Tensor> {
    let (rows, channels, height, width) = images.dims4()?;
    Ok(match channels {
        1 => images.reshape((rows, height, width, 1))?,
        _ => images.permute((0, 2, 3, 1))?.contiguous()?,
    })
}

/// Dense layers, each followed by a nonlinearity.
#[derive(Debug)]
pub(crate) struct Dense {
    layers: Vec<Linear>,
    function: Function<f64>,
}

impl Dense {
    /// Layers between these widths; names `<name>.<i>.weight` and `<name>.<i>.bias`.
    pub(crate) fn new(
        name: &str,
        widths: &[usize],
        function: Function<f64>,
        builder: &mut ParameterBuilder<'_>,
    ) -> Result<Self> {
        for &width in widths {
            check_positive("the width of a layer", width)?;
        }
        let pairs = widths.windows(2).enumerate();
        let layers = pairs.map(|(index, pair)| Linear::new(&format!("{name}.{index}"), pair[0], pair[1], builder));
        Ok(Self {
            layers: layers.collect::<Result<_>>()?,
            function,
        })
    }

    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let mut h = x.clone();
        for layer in &self.layers {
            h = ops::value(self.function, &layer.apply(&h)?)?;
        }
        Ok(h)
    }
}

/// A quarter of the height and width of an image `[C, H, W]`, which must be multiples of 4.
pub(crate) fn quarter(&[_, height, width]: &[usize; 3]) -> Result<(usize, usize)> {
    if height == 0 || width == 0 || !height.is_multiple_of(4) || !width.is_multiple_of(4) {
        return Err(VaeError::InvalidSetting {
            setting: "the size of an image",
            given: format!("{height} × {width}"),
            accepted: "sides that are multiples of 4: pad the images, or use dense networks",
        });
    }
    Ok((height / 4, width / 4))
}

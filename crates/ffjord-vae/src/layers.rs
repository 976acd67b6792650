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

/// A convolution with a bias for each channel, on images `[B, i, H, W]`.
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
        self.geometry.apply(x, &self.weight, &self.bias)
    }
}

impl Geometry {
    /// The convolution with these weights and biases.
    fn apply(self, x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let Self {
            stride,
            padding,
            transposed,
            ..
        } = self;
        let product = match transposed {
            None => ops::conv2d(x, weight, padding, stride)?,
            Some(output_padding) => ops::conv_transpose2d(x, weight, padding, output_padding, stride)?,
        };
        Ok(product.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?)?)
    }
}

/// `h(x) ⊙ σ(g(x))` of two convolutions, the layer of the encoders and decoders of van den Berg et al. (2018).
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
        let both = geometry.apply(x, &weight, &bias)?;
        let channels = both.dim(1)? / 2;
        let gate = both.narrow(1, channels, channels)?;
        Ok((both.narrow(1, 0, channels)? * ops::sigmoid(&gate)?)?)
    }
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

//! The shape of a convolutional network, and where its parameters lie in a flat buffer.

use super::Stride;
use super::patches::Grid;
use super::weights::ConvLayer;
use super::winograd::Taps;
use crate::layered::{Architecture, LayerParameters, ParameterLayout, ParameterSpec, Pixels, RowForm};
use crate::simd::SimdLevel;
use crate::{ActivationKind, KernelError, LayerKind, Real};

/// A stack of convolutions `[R, C, H, W]` → `[R, C, H, W]` with time in every layer.
///
/// ```
/// use ffjord_kernels::convolution::ConvArchitecture;
/// use ffjord_kernels::{ActivationKind, LayerKind, Stride};
///
/// let strides = [Stride::Halve, Stride::Keep, Stride::Double];
/// let net = ConvArchitecture::new(1, (8, 8), &[4, 4], &strides, LayerKind::Concat, ActivationKind::Softplus)?;
/// assert_eq!(net.parameters()[0].name, "layers.0._layer.weight");
/// assert_eq!(net.parameters()[0].shape, [4, 2, 4, 4]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// Its counts are those of the flat buffer:
///
/// ```
/// use ffjord_kernels::convolution::ConvArchitecture;
/// use ffjord_kernels::{ActivationKind, LayerKind, Stride};
///
/// let net = ConvArchitecture::new(1, (4, 6), &[8], &[Stride::Keep; 2], LayerKind::Ignore, ActivationKind::Elu)?;
/// assert_eq!((net.state_shape(), net.layers()), ([1, 4, 6], 2));
/// assert_eq!((net.kind(), net.activation()), (LayerKind::Ignore, ActivationKind::Elu));
/// assert_eq!(net.parameter_count(), (9 * 8 + 8) + (9 * 8 + 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvArchitecture {
    shapes: Vec<ConvShape>,
    kind: LayerKind,
    layout: ParameterLayout,
    pixels: Pixels,
}

impl ConvArchitecture {
    /// A network on images of `channels` × `size` (height, width) with the given `hidden` channels, one stride for each
    /// layer, of which there is one more than there are hidden channels, and no activation after the last.
    ///
    /// # Errors
    /// [`KernelError::Dimensions`] if a number of channels is zero, [`KernelError::Strides`] if there is not one stride
    /// for each layer, [`KernelError::ImageSize`] if an image is empty or an odd size is to be halved, and
    /// [`KernelError::ImageReturn`] if the strides do not lead back to `size`.
    pub fn new(
        channels: usize,
        size: (usize, usize),
        hidden: &[usize],
        strides: &[Stride],
        kind: LayerKind,
        activation: ActivationKind,
    ) -> Result<Self, KernelError> {
        let dimensions = [&[channels], hidden, &[channels]].concat();
        if dimensions.contains(&0) {
            return Err(KernelError::Dimensions(dimensions));
        }
        let layers = dimensions.len() - 1;
        if strides.len() != layers {
            return Err(KernelError::Strides {
                given: strides.len(),
                layers,
            });
        }
        let ((mut height, mut width), mut shapes) = (size, Vec::with_capacity(layers));
        for (layer, (pair, &stride)) in dimensions.windows(2).zip(strides).enumerate() {
            let image = KernelError::ImageSize { layer, height, width };
            let output = (stride.output_size(height), stride.output_size(width));
            let (true, (Ok(next_height), Ok(next_width))) = (height > 0 && width > 0, output) else {
                return Err(image);
            };
            shapes.push(ConvShape {
                inputs: pair[0],
                outputs: pair[1],
                stride,
                input: (height, width),
                output: (next_height, next_width),
            });
            (height, width) = (next_height, next_width);
        }
        if (height, width) != size {
            return Err(KernelError::ImageReturn {
                from: size,
                to: (height, width),
            });
        }
        Ok(Self {
            layout: ParameterLayout::new(layer_parameters(&shapes, kind), activation),
            shapes,
            kind,
            pixels: Pixels {
                shape: [channels, size.0, size.1],
                squeezes: 0,
            },
        })
    }

    /// The same layers inside of `squeezes` squeezes: states have 4^q times fewer channels and 2^q times the height and
    /// width, and every cell of 2 × 2 pixels becomes four channels, q times, before the first layer, and is put together
    /// again behind the last. Pixel (i, j) of a cell of channel c is channel 4 c + 2 i + j.
    ///
    /// ```
    /// use ffjord_kernels::convolution::ConvArchitecture;
    /// use ffjord_kernels::{ActivationKind, LayerKind, Stride};
    ///
    /// let strides = [Stride::Keep, Stride::Keep];
    /// let net = ConvArchitecture::new(16, (2, 3), &[8], &strides, LayerKind::Concat, ActivationKind::Softplus)?;
    /// assert_eq!(net.squeezed(2)?.state_shape(), [1, 8, 12]);
    /// # Ok::<(), ffjord_kernels::KernelError>(())
    /// ```
    ///
    /// # Errors
    /// [`KernelError::Squeezes`] unless the first layer's channels are a multiple of 4^q.
    pub fn squeezed(mut self, squeezes: usize) -> Result<Self, KernelError> {
        let ConvShape { inputs, input, .. } = self.shapes[0];
        let cells = u32::try_from(squeezes)
            .ok()
            .and_then(|q| Some((q, 4usize.checked_pow(q)?)));
        match cells {
            Some((squeezes, cells)) if inputs.is_multiple_of(cells) => {
                let shape = [inputs / cells, input.0 << squeezes, input.1 << squeezes];
                self.pixels = Pixels { shape, squeezes };
                Ok(self)
            }
            _ => Err(KernelError::Squeezes {
                squeezes,
                channels: inputs,
            }),
        }
    }

    /// The number of convolutions.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.shapes.len()
    }

    /// The state's channels, height and width.
    #[must_use]
    pub fn state_shape(&self) -> [usize; 3] {
        self.pixels.shape
    }

    /// How each layer depends on time.
    #[must_use]
    pub fn kind(&self) -> LayerKind {
        self.kind
    }

    /// The function between the layers.
    #[must_use]
    pub fn activation(&self) -> ActivationKind {
        self.layout.activation()
    }

    /// The length of the flat parameter buffer.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.layout.count()
    }

    /// Every parameter tensor in the order of the flat buffer; kernels are `[outputs, inputs, k, k]`, those of a
    /// transposed convolution `[inputs, outputs, k, k]`.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.layout.specs(layer_parameters(&self.shapes, self.kind))
    }
}

fn layer_parameters(shapes: &[ConvShape], kind: LayerKind) -> impl Iterator<Item = LayerParameters> {
    shapes
        .iter()
        .map(move |&shape| kind.convolution_rule::<f32>().parameters(shape))
}

impl Architecture for ConvArchitecture {
    type Layer<T: Real> = ConvLayer<T>;

    fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    fn input_form(&self) -> RowForm {
        RowForm::Pixels(self.pixels)
    }

    fn output_form(&self) -> RowForm {
        self.input_form()
    }

    fn hidden_form(&self, layer: usize) -> RowForm {
        let ConvShape { outputs, output, .. } = self.shapes[layer];
        RowForm::Pixels(Pixels {
            shape: [outputs, output.0, output.1],
            squeezes: 0,
        })
    }

    fn layers<T: Real>(&self, level: SimdLevel) -> Vec<ConvLayer<T>> {
        let layer = |&shape| ConvLayer::zeros(level, self.kind, shape);
        self.shapes.iter().map(layer).collect()
    }
}

/// Channels and images of one convolution.
///
/// A stride relates a *fine* image to a *coarse* one: each coarse pixel sees a patch of the fine image. The coarse
/// image is the output, but for the transposed convolution, whose input it is. Kernels are `[coarse, fine, k, k]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) stride: Stride,
    /// Height and width of the input.
    pub(crate) input: (usize, usize),
    /// Height and width of the output.
    pub(crate) output: (usize, usize),
}

impl ConvShape {
    pub(crate) fn is_transposed(self) -> bool {
        self.stride == Stride::Double
    }

    /// k, the kernel's height and width.
    pub(crate) fn kernel(self) -> usize {
        self.stride.kernel_size()
    }

    /// k².
    pub(crate) fn taps(self) -> usize {
        self.kernel() * self.kernel()
    }

    /// Channels of the coarse and the fine image.
    pub(crate) fn coarse_and_fine(self) -> (usize, usize) {
        if self.is_transposed() {
            (self.inputs, self.outputs)
        } else {
            (self.outputs, self.inputs)
        }
    }

    /// Numbers in the kernel of the state's channels.
    pub(crate) fn weights(self) -> usize {
        self.inputs * self.outputs * self.taps()
    }

    /// The kernel's shape with `inputs` input channels.
    pub(crate) fn weight_shape(self, inputs: usize) -> Vec<usize> {
        let (outputs, kernel) = (self.outputs, self.kernel());
        if self.is_transposed() {
            vec![inputs, outputs, kernel, kernel]
        } else {
            vec![outputs, inputs, kernel, kernel]
        }
    }

    /// Numbers in one input image.
    pub(crate) fn input_len(self) -> usize {
        self.inputs * self.input.0 * self.input.1
    }

    /// Numbers in one output image.
    pub(crate) fn output_len(self) -> usize {
        self.outputs * self.output.0 * self.output.1
    }

    /// The transform with which it is done in Winograd's terms of tiles, if it is.
    pub(super) fn in_terms(self) -> Option<Taps> {
        let grid = self.grid();
        Taps::suit(grid.kernel, grid.step, grid.padding, self.inputs, self.outputs)
    }

    pub(crate) fn grid(self) -> Grid {
        let (coarse, fine) = if self.is_transposed() {
            (self.input, self.output)
        } else {
            (self.output, self.input)
        };
        let step = if self.stride == Stride::Keep { 1 } else { 2 };
        Grid {
            coarse,
            fine,
            kernel: (self.kernel(), self.kernel()),
            step,
            padding: 1,
        }
    }
}

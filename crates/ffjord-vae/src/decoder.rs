//! From latent states to the parameters of distributions of observations.

use crate::error::{Result, check_positive, check_rows};
use crate::layers::{Convolution, Dense, Gated, Geometry, Linear, quarter};
use crate::likelihood::Likelihood;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::ops::Function;
use ffjord_nn::{Parameter, ParameterBuilder};
use rand::RngCore;

/// A network that maps latent states z `[B, D]` to the numbers that a [`Likelihood`] reads, `[B, K·C, …]` for observations
/// `[C, …]` each number of which has K parameters.
///
/// One of your own; with [`Bernoulli`](crate::Bernoulli) its numbers are logits:
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::Parameter;
/// use ffjord_vae::{Bernoulli, Decoder, Likelihood, Result};
///
/// /// Two pixels, of which the second is the negative of the first.
/// #[derive(Debug)]
/// struct Negative;
///
/// impl Decoder for Negative {
///     fn decode(&self, z: &Tensor) -> Result<Tensor> { Ok(Tensor::cat(&[z, &z.neg()?], 1)?) }
///     fn latent(&self) -> usize { 1 }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
/// }
///
/// let logits = Negative.decode(&Tensor::new(&[[3f64.ln()]], &Device::Cpu)?)?;
/// let mean = Bernoulli::default().mean(&logits)?.to_vec2::<f64>()?;
/// assert!((mean[0][0] - 0.75).abs() < 1e-12 && (mean[0][1] - 0.25).abs() < 1e-12);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Decoder: std::fmt::Debug + Send + Sync {
    /// The likelihood's parameters.
    ///
    /// # Errors
    /// When the batch does not fit.
    fn decode(&self, z: &Tensor) -> Result<Tensor>;

    /// D, the dimension of the latent state.
    fn latent(&self) -> usize;

    /// The parameters in a fixed order, under their checkpoint names.
    fn parameters(&self) -> Vec<Parameter>;
}

impl<T: Decoder + ?Sized> Decoder for Box<T> {
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        self.as_ref().decode(z)
    }

    fn latent(&self) -> usize {
        self.as_ref().latent()
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.as_ref().parameters()
    }
}

/// The gated decoder of transposed convolutions of van den Berg et al. (2018), the mirror image of
/// [`ConvEncoder`](crate::ConvEncoder).
///
/// Behind it stands one 1×1 convolution; where the likelihood has as many parameters as grey levels, a 5×5 convolution to
/// them comes before that, as in the released code.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::{ConvDecoder, Decoder, DiscretizedLogistic};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let decoder = ConvDecoder::new(&[1, 8, 8], 4, &DiscretizedLogistic, &mut rng, DType::F32, &Device::Cpu)?;
/// // Mean and scale of every pixel.
/// let decoded = decoder.decode(&Tensor::zeros((3, 4), DType::F32, &Device::Cpu)?)?;
/// assert_eq!((decoded.dims(), decoder.latent()), (&[3, 2, 8, 8][..], 4));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ConvDecoder {
    latent: [usize; 1],
    layers: Vec<Gated>,
    head: Vec<Convolution>,
    parameters: Vec<Parameter>,
}

impl ConvDecoder {
    /// A decoder of images `[C, H, W]` for a likelihood, with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// As [`ConvEncoder::new`](crate::ConvEncoder::new).
    pub fn new(
        shape: &[usize; 3],
        latent: usize,
        likelihood: &dyn Likelihood,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_positive("the latent dimension", latent)?;
        check_positive("the number of channels", shape[0])?;
        let first = Geometry {
            kernel: quarter(shape)?,
            ..Geometry::square(1, 1, 0)
        };
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let five = |stride: usize| Geometry::square(5, stride, 2).transposed(stride - 1);
        let layers = [
            ((latent, 64), first.transposed(0)),
            ((64, 64), five(1)),
            ((64, 32), five(2)),
            ((32, 32), five(1)),
            ((32, 32), five(2)),
            ((32, 32), five(1)),
        ];
        let layers = layers.into_iter().enumerate().map(|(index, (channels, geometry))| {
            Gated::new(&format!("p_x_nn.{index}"), channels, geometry, &mut builder)
        });
        let layers = layers.collect::<Result<_>>()?;
        let outputs = likelihood.parameters_per_number();
        let (mut head, mut hidden) = (Vec::new(), 32);
        if outputs > 2 {
            let levels = Geometry::square(5, 1, 2);
            head.push(Convolution::new("p_x_mean.0", (hidden, outputs), levels, &mut builder)?);
            hidden = outputs;
        }
        let name = format!("p_x_mean.{}", head.len());
        let pixels = Geometry::square(1, 1, 0);
        head.push(Convolution::new(
            &name,
            (hidden, outputs * shape[0]),
            pixels,
            &mut builder,
        )?);
        Ok(Self {
            latent: [latent],
            layers,
            head,
            parameters: builder.finish(),
        })
    }
}

impl Decoder for ConvDecoder {
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        let rows = check_rows("batch of latent states", z, &self.latent)?;
        let mut h = z.reshape((rows, 1, 1, self.latent[0]))?;
        for layer in &self.layers {
            h = layer.apply(&h)?;
        }
        for layer in &self.head {
            h = layer.apply(&h)?;
        }
        // A view: whoever wants the channels side by side has them.
        Ok(h.permute((0, 3, 1, 2))?)
    }

    fn latent(&self) -> usize {
        self.latent[0]
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

/// A decoder of dense layers, for observations of any shape.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::ops::Function;
/// use ffjord_vae::{Bernoulli, Decoder, DenseDecoder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let likelihood = Bernoulli::default();
/// let decoder =
///     DenseDecoder::new(&[1, 4, 4], &[16], 2, &likelihood, Function::Softplus, &mut rng, DType::F32, &Device::Cpu)?;
/// assert_eq!(decoder.decode(&Tensor::zeros((3, 2), DType::F32, &Device::Cpu)?)?.dims(), &[3, 1, 4, 4]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DenseDecoder {
    latent: [usize; 1],
    /// K·C, ….
    outputs: Vec<usize>,
    network: Dense,
    last: Linear,
    parameters: Vec<Parameter>,
}

impl DenseDecoder {
    /// A decoder of observations of this shape for a likelihood, with hidden layers of these widths and this nonlinearity,
    /// and PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for a size of 0.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        shape: &[usize],
        hidden: &[usize],
        latent: usize,
        likelihood: &dyn Likelihood,
        function: Function<f64>,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_positive("the latent dimension", latent)?;
        check_positive("the number of axes of an observation", shape.len())?;
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let widths = [&[latent], hidden].concat();
        let network = Dense::new("decoder", &widths, function, &mut builder)?;
        let mut outputs = shape.to_vec();
        outputs[0] *= likelihood.parameters_per_number();
        let last = Linear::new("p_x_mean", widths[hidden.len()], outputs.iter().product(), &mut builder)?;
        Ok(Self {
            latent: [latent],
            outputs,
            network,
            last,
            parameters: builder.finish(),
        })
    }
}

impl Decoder for DenseDecoder {
    fn decode(&self, z: &Tensor) -> Result<Tensor> {
        let rows = check_rows("batch of latent states", z, &self.latent)?;
        let outputs = self.last.apply(&self.network.apply(z)?)?;
        Ok(outputs.reshape([&[rows], self.outputs.as_slice()].concat())?)
    }

    fn latent(&self) -> usize {
        self.latent[0]
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

//! From observations to Gaussians over the latent state.

use crate::error::{Result, check_positive, check_rows};
use crate::layers::{Dense, Gated, Geometry, Linear, channels_last, quarter};
use candle_core::{DType, Device, Tensor};
use ffjord_nn::ops::{self, Function};
use ffjord_nn::{Parameter, ParameterBuilder};
use rand::RngCore;

/// What an encoder says of a batch.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::ops::Function;
/// use ffjord_vae::{DenseEncoder, Encoded, Encoder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let encoder = DenseEncoder::new(&[4], &[16], 2, Function::Softplus, &mut rng, DType::F32, &Device::Cpu)?;
/// let Encoded { features, mean, variance } = encoder.encode(&Tensor::zeros((3, 4), DType::F32, &Device::Cpu)?)?;
/// assert_eq!((features.dims(), mean.dims()), (&[3, 16][..], &[3, 2][..]));
/// assert!(variance.flatten_all()?.to_vec1::<f32>()?.iter().all(|variance| *variance > 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encoded {
    /// h `[B, F]`, what the flow of a posterior depends on.
    pub features: Tensor,
    /// The mean of z₀, `[B, D]`.
    pub mean: Tensor,
    /// The variance of z₀, `[B, D]`.
    pub variance: Tensor,
}

impl Encoded {
    /// The same so many times, one batch after another.
    pub(crate) fn repeated(&self, times: usize) -> Result<Self> {
        let repeat = |tensor: &Tensor| -> Result<Tensor> { Ok(Tensor::cat(&vec![tensor; times], 0)?) };
        Ok(Self {
            features: repeat(&self.features)?,
            mean: repeat(&self.mean)?,
            variance: repeat(&self.variance)?,
        })
    }
}

/// A network that maps observations to Gaussians over the latent state, and to features for a flow after them.
///
/// One of your own, here for a model whose posterior is known: where z is standard normal and x normal around z with
/// variance 1, z given x is normal around x/2 with variance 1/2.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_nn::Parameter;
/// use ffjord_vae::{Encoded, Encoder, Result};
///
/// #[derive(Debug)]
/// struct Half;
///
/// impl Encoder for Half {
///     fn encode(&self, x: &Tensor) -> Result<Encoded> {
///         let mean = (x * 0.5)?;
///         Ok(Encoded { features: x.clone(), variance: (mean.ones_like()? * 0.5)?, mean })
///     }
///     fn observation_shape(&self) -> &[usize] { &[1] }
///     fn latent(&self) -> usize { 1 }
///     fn features(&self) -> usize { 1 }
///     fn parameters(&self) -> Vec<Parameter> { Vec::new() }
/// }
///
/// let encoded = Half.encode(&Tensor::new(&[[3.0]], &Device::Cpu)?)?;
/// assert_eq!(encoded.mean.to_vec2::<f64>()?, [[1.5]]);
/// assert_eq!(encoded.variance.to_vec2::<f64>()?, [[0.5]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Encoder: std::fmt::Debug + Send + Sync {
    /// The Gaussians and features of observations x `[B, …]`.
    ///
    /// # Errors
    /// When the batch does not fit.
    fn encode(&self, x: &Tensor) -> Result<Encoded>;

    /// The shape of one observation.
    fn observation_shape(&self) -> &[usize];

    /// D, the dimension of the latent state.
    fn latent(&self) -> usize;

    /// F, the number of features.
    fn features(&self) -> usize;

    /// The parameters in a fixed order, under their checkpoint names.
    fn parameters(&self) -> Vec<Parameter>;
}

impl<T: Encoder + ?Sized> Encoder for Box<T> {
    fn encode(&self, x: &Tensor) -> Result<Encoded> {
        self.as_ref().encode(x)
    }

    fn observation_shape(&self) -> &[usize] {
        self.as_ref().observation_shape()
    }

    fn latent(&self) -> usize {
        self.as_ref().latent()
    }

    fn features(&self) -> usize {
        self.as_ref().features()
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.as_ref().parameters()
    }
}

/// Mean and variance of z₀ from features: two linear maps, softplus on the second.
#[derive(Debug)]
struct Heads {
    mean: Linear,
    variance: Linear,
    bounds: Option<(f64, f64)>,
}

impl Heads {
    fn new(features: usize, latent: usize, builder: &mut ParameterBuilder<'_>) -> Result<Self> {
        Ok(Self {
            mean: Linear::new("q_z_mean", features, latent, builder)?,
            variance: Linear::new("q_z_var.0", features, latent, builder)?,
            bounds: None,
        })
    }

    fn apply(&self, features: Tensor) -> Result<Encoded> {
        let variance = ops::softplus(&self.variance.apply(&features)?)?;
        Ok(Encoded {
            mean: self.mean.apply(&features)?,
            variance: match self.bounds {
                Some((least, most)) => variance.clamp(least, most)?,
                None => variance,
            },
            features,
        })
    }
}

/// The gated convolutional encoder of van den Berg et al. (2018), which FFJORD's VAEs use, on images `[C, H, W]` whose
/// sides are multiples of 4: five gated convolutions 5×5, one of a quarter of the image's size, and 256 features.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_vae::{ConvEncoder, Encoder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let encoder = ConvEncoder::new(&[1, 28, 28], 64, &mut rng, DType::F32, &Device::Cpu)?;
/// let numbers: usize = encoder.parameters().iter().map(|parameter| parameter.var.elem_count()).sum();
/// assert_eq!(numbers, 2_204_352);
/// let encoded = encoder.encode(&Tensor::zeros((3, 1, 28, 28), DType::F32, &Device::Cpu)?)?;
/// assert_eq!((encoded.mean.dims(), encoded.features.dims()), (&[3, 64][..], &[3, 256][..]));
/// # Ok::<(), ffjord_vae::VaeError>(())
/// ```
#[derive(Debug)]
pub struct ConvEncoder {
    shape: [usize; 3],
    latent: usize,
    layers: Vec<Gated>,
    heads: Heads,
    parameters: Vec<Parameter>,
}

impl ConvEncoder {
    /// The number of its features.
    pub const FEATURES: usize = 256;

    /// An encoder with PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for no channels, no latent dimensions, or sides that
    /// are not multiples of 4.
    pub fn new(
        shape: &[usize; 3],
        latent: usize,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_positive("the latent dimension", latent)?;
        let [channels, _, _] = *shape;
        check_positive("the number of channels", channels)?;
        let whole = Geometry {
            kernel: quarter(shape)?,
            ..Geometry::square(1, 1, 0)
        };
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let five = |stride| Geometry::square(5, stride, 2);
        let layers = [
            ((channels, 32), five(1)),
            ((32, 32), five(2)),
            ((32, 64), five(1)),
            ((64, 64), five(2)),
            ((64, 64), five(1)),
            ((64, Self::FEATURES), whole),
        ];
        let layers = layers.into_iter().enumerate().map(|(index, (channels, geometry))| {
            Gated::new(&format!("q_z_nn.{index}"), channels, geometry, &mut builder)
        });
        let layers = layers.collect::<Result<_>>()?;
        let heads = Heads::new(Self::FEATURES, latent, &mut builder)?;
        Ok(Self {
            shape: *shape,
            latent,
            layers,
            heads,
            parameters: builder.finish(),
        })
    }

    /// The same with variances held between two bounds; the released code has 0.01 and 7 for grey images.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use ffjord_vae::{ConvEncoder, Encoder};
    /// use rand::SeedableRng;
    ///
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let encoder = ConvEncoder::new(&[1, 4, 4], 2, &mut rng, DType::F32, &Device::Cpu)?.variance_between(0.01, 0.02);
    /// let variance = encoder.encode(&Tensor::zeros((1, 1, 4, 4), DType::F32, &Device::Cpu)?)?.variance;
    /// assert!(variance.flatten_all()?.to_vec1::<f32>()?.iter().all(|variance| (0.01..=0.02).contains(variance)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn variance_between(mut self, least: f64, most: f64) -> Self {
        self.heads.bounds = Some((least, most));
        self
    }
}

impl Encoder for ConvEncoder {
    fn encode(&self, x: &Tensor) -> Result<Encoded> {
        check_rows("batch of observations", x, &self.shape)?;
        let mut h = channels_last(x)?;
        for layer in &self.layers {
            h = layer.apply(&h)?;
        }
        self.heads.apply(h.flatten_from(1)?)
    }

    fn observation_shape(&self) -> &[usize] {
        &self.shape
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn features(&self) -> usize {
        Self::FEATURES
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

/// An encoder of dense layers, for observations of any shape; its last hidden layer is the features.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::ops::Function;
/// use ffjord_vae::{DenseEncoder, Encoder};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let encoder = DenseEncoder::new(&[1, 4, 4], &[32, 8], 2, Function::Tanh, &mut rng, DType::F32, &Device::Cpu)?;
/// assert_eq!((encoder.observation_shape(), encoder.latent(), encoder.features()), (&[1, 4, 4][..], 2, 8));
/// let wrong = encoder.encode(&Tensor::zeros((3, 16), DType::F32, &Device::Cpu)?).unwrap_err().to_string();
/// assert!(wrong.contains("[3, 16]"), "{wrong}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DenseEncoder {
    shape: Vec<usize>,
    latent: usize,
    features: usize,
    network: Dense,
    heads: Heads,
    parameters: Vec<Parameter>,
}

impl DenseEncoder {
    /// An encoder with hidden layers of these widths and this nonlinearity, with PyTorch's default initialisation, drawn
    /// from `rng`.
    ///
    /// # Errors
    /// [`VaeError::InvalidSetting`](crate::VaeError::InvalidSetting) for no hidden layer, or a size of 0.
    pub fn new(
        shape: &[usize],
        hidden: &[usize],
        latent: usize,
        function: Function<f64>,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        check_positive("the latent dimension", latent)?;
        check_positive("the number of hidden layers of an encoder", hidden.len())?;
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let widths = [&[shape.iter().product()], hidden].concat();
        let features = hidden[hidden.len() - 1];
        let network = Dense::new("encoder", &widths, function, &mut builder)?;
        let heads = Heads::new(features, latent, &mut builder)?;
        Ok(Self {
            shape: shape.to_vec(),
            latent,
            features,
            network,
            heads,
            parameters: builder.finish(),
        })
    }
}

impl Encoder for DenseEncoder {
    fn encode(&self, x: &Tensor) -> Result<Encoded> {
        check_rows("batch of observations", x, &self.shape)?;
        self.heads.apply(self.network.apply(&x.flatten_from(1)?)?)
    }

    fn observation_shape(&self) -> &[usize] {
        &self.shape
    }

    fn latent(&self) -> usize {
        self.latent
    }

    fn features(&self) -> usize {
        self.features
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }
}

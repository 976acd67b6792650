//! Coupling layers of images: some pixels or channels decide how the others are transformed.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::condition;
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::transform::ColumnTransform;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{ActivationKind, FeedForwardConfig, ImageFeedForward, Parameter, ParameterBuilder};
use rand::RngCore;
use std::sync::Arc;

/// Which numbers of an image a coupling transforms.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, ColumnTransform, ImageCoupling, ImageCouplingConfig, ImageMask, Pass, Result};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// /// y = x + 1, so that it shows which numbers are transformed.
/// #[derive(Debug)]
/// struct AddOne;
/// impl ColumnTransform for AddOne {
///     fn parameter_count(&self) -> usize { 1 }
///     fn forward(&self, x: &Tensor, _: &Tensor) -> Result<(Tensor, Tensor)> { Ok(((x + 1.0)?, x.zeros_like()?)) }
///     fn inverse(&self, y: &Tensor, _: &Tensor) -> Result<(Tensor, Tensor)> { Ok(((y - 1.0)?, y.zeros_like()?)) }
/// }
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut transformed = |mask| {
///     let (shape, hidden, activation, transform) = ([2, 1, 2], vec![4], ActivationKind::Relu, Arc::new(AddOne));
///     let config = ImageCouplingConfig { shape, mask, condition: 0, hidden, activation, transform };
///     let coupling = ImageCoupling::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
///     let zeros = Tensor::zeros((1, 2, 1, 2), DType::F64, &Device::Cpu)?;
///     let image = coupling.forward(&zeros, &mut Pass::evaluation(&mut rng))?.value;
///     Ok::<_, ffjord_flow::FlowError>(image.flatten_all()?.to_vec1::<f64>()?)
/// };
/// assert_eq!(transformed(ImageMask::SecondHalf)?, [0.0, 0.0, 1.0, 1.0]);
/// assert_eq!(transformed(ImageMask::Odd)?, [0.0, 1.0, 0.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageMask {
    /// The second half of the channels.
    SecondHalf,
    /// The first half of the channels; of an odd number, the smaller part.
    FirstHalf,
    /// In every channel the pixels whose row and column add up to an odd number.
    Odd,
    /// In every channel the pixels whose row and column add up to an even number.
    Even,
    /// All: how is decided by a condition alone.
    All,
}

/// What an [`ImageCoupling`] is made of.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Affine, Bijection, ImageCoupling, ImageCouplingConfig, ImageMask, Pass};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let (hidden, activation, transform) = (vec![4], ActivationKind::Relu, std::sync::Arc::new(Affine));
/// let config =
///     ImageCouplingConfig { shape: [1, 2, 2], mask: ImageMask::All, condition: 3, hidden, activation, transform };
/// let coupling = ImageCoupling::new(&config, &mut rng, DType::F32, &Device::Cpu)?;
/// // A condition of 3 channels of 2 × 2 pixels, handed over flat.
/// assert_eq!(coupling.given_len(), 12);
/// let x = Tensor::ones((1, 1, 2, 2), DType::F32, &Device::Cpu)?;
/// let c = Tensor::zeros((1, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(coupling.forward(&x, &mut Pass::evaluation(&mut rng).given(c))?.value.dims(), [1, 1, 2, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ImageCouplingConfig {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// What is transformed. The rest passes unchanged and is the network's input.
    pub mask: ImageMask,
    /// The channels of a condition, which is an image of the same height and width; 0 for none.
    pub condition: usize,
    /// The channels of the network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity between the network's layers.
    pub activation: ActivationKind,
    /// What is done to each transformed number.
    pub transform: Arc<dyn ColumnTransform>,
}

/// `z_b = g(x_b; θ(x_a, c))`, `z_a = x_a` for images `[B, C, H, W]`, with a checkerboard of pixels or half of the channels as
/// a and θ a convolutional network (Dinh et al. 2017, section 3.4; Kingma and Dhariwal 2018, table 1).
///
/// The condition c of a row is an image `[c, H, W]`, handed over flat as every condition is, `[B, c H W]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Affine, Bijection, ImageCoupling, ImageCouplingConfig, ImageMask, Pass};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = ImageCouplingConfig {
///     shape: [1, 4, 4],
///     mask: ImageMask::Odd,
///     condition: 0,
///     hidden: vec![8, 8],
///     activation: ActivationKind::Relu,
///     transform: std::sync::Arc::new(Affine),
/// };
/// let coupling = ImageCoupling::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// let x = Tensor::ones((2, 1, 4, 4), DType::F64, &Device::Cpu)?;
/// // The identity at first.
/// let z = coupling.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// assert_eq!((z - x)?.abs()?.max_all()?.to_scalar::<f64>()?, 0.0);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct ImageCoupling {
    shape: [usize; 3],
    condition: usize,
    part: Part,
    network: ImageFeedForward,
    transform: Arc<dyn ColumnTransform>,
    parameters: Vec<Parameter>,
}

/// What is transformed, as the computation needs it.
#[derive(Debug)]
enum Part {
    /// Channels from `first` on, `count` of them.
    Channels { first: usize, count: usize },
    /// The pixels where this `[1, 1, H, W]` is 1, not 0.
    Pixels(Tensor),
}

impl ImageCoupling {
    /// The identity at first; hidden weights are drawn from `rng`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] when nothing is transformed, or when neither numbers nor a condition are left to decide
    /// how; [`FlowError::Network`] for networks without channels.
    pub fn new(config: &ImageCouplingConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let [channels, height, width] = config.shape;
        let first_half = channels / 2;
        let (part, passing) = match config.mask {
            ImageMask::SecondHalf => {
                let count = channels - first_half;
                (
                    Part::Channels {
                        first: first_half,
                        count,
                    },
                    first_half,
                )
            }
            ImageMask::FirstHalf => (
                Part::Channels {
                    first: 0,
                    count: first_half,
                },
                channels - first_half,
            ),
            ImageMask::All => (
                Part::Channels {
                    first: 0,
                    count: channels,
                },
                0,
            ),
            ImageMask::Odd | ImageMask::Even => {
                let parity = usize::from(config.mask == ImageMask::Odd);
                let mask = (0..height * width).map(|pixel| u8::from((pixel / width + pixel % width) % 2 == parity));
                let mask = Tensor::from_vec(mask.collect::<Vec<u8>>(), (1, 1, height, width), &Device::Cpu)?;
                let one_of_each = height * width > 1;
                (
                    Part::Pixels(mask.to_dtype(dtype)?.to_device(device)?),
                    if one_of_each { channels } else { 0 },
                )
            }
        };
        let transformed = match &part {
            Part::Channels { count, .. } => *count,
            Part::Pixels(_) => channels,
        };
        let inputs = passing + config.condition;
        if config.shape.contains(&0) || transformed == 0 || inputs == 0 {
            return Err(FlowError::invalid(
                "images of a coupling layer",
                format!("{:?} with the mask {:?}", config.shape, config.mask),
                "images of which a part is transformed and a part, or a condition, decides how",
            ));
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let network = FeedForwardConfig {
            inputs,
            hidden: config.hidden.clone(),
            outputs: transformed * config.transform.parameter_count(),
            activation: config.activation,
        };
        let network = ImageFeedForward::new(&network, &mut builder)?;
        Ok(Self {
            shape: config.shape,
            condition: config.condition,
            part,
            network,
            transform: config.transform.clone(),
            parameters: builder.finish(),
        })
    }

    /// What the network makes of its input, `[B, n, P]` for n numbers with P parameters each.
    fn transformed_by(&self, passing: Option<&Tensor>, pass: &Pass<'_>, rows: usize, dtype: DType) -> Result<Tensor> {
        let [_, height, width] = self.shape;
        condition::check(pass.condition(), rows, self.given_len(), dtype)?;
        let own = pass.condition().filter(|_| self.condition > 0);
        let own = own.map(|given| given.reshape((rows, self.condition, height, width)));
        let own = own.transpose()?;
        let input = match (passing, own) {
            (Some(passing), Some(own)) => Tensor::cat(&[passing, &own], 1)?,
            (Some(passing), None) => passing.clone(),
            (None, Some(own)) => own,
            (None, None) => {
                return Err(FlowError::MissingCondition {
                    width: self.given_len(),
                });
            }
        };
        let count = self.transform.parameter_count();
        let parameters = self.network.apply(&input)?;
        Ok(parameters.reshape((rows, count, ()))?.transpose(1, 2)?.contiguous()?)
    }

    fn run(
        &self,
        input: &Tensor,
        pass: &Pass<'_>,
        apply: impl Fn(&Tensor, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<Transformed> {
        check_rows("batch", input, &self.shape)?;
        let (rows, dtype) = (input.dim(0)?, input.dtype());
        match &self.part {
            Part::Pixels(mask) => {
                let passing = input.broadcast_mul(&(1.0 - mask)?)?;
                let parameters = self.transformed_by(Some(&passing), pass, rows, dtype)?;
                let (image, log_slope) = apply(&input.flatten_from(1)?, &parameters)?;
                let image = image.reshape(input.shape())?.broadcast_mul(mask)?;
                let log_slope = log_slope.reshape(input.shape())?.broadcast_mul(mask)?;
                Ok(Transformed::new((passing + image)?, log_slope.flatten_from(1)?.sum(1)?))
            }
            &Part::Channels { first, count } => {
                let channels = |from: usize, count: usize| input.narrow(1, from, count)?.contiguous();
                let behind = first + count;
                let (before, rest) = match (first, self.shape[0] - behind) {
                    (0, 0) => (None, None),
                    (0, rest) => (None, Some(channels(behind, rest)?)),
                    (first, _) => (Some(channels(0, first)?), None),
                };
                let parameters = self.transformed_by(before.as_ref().or(rest.as_ref()), pass, rows, dtype)?;
                let own = channels(first, count)?;
                let (image, log_slope) = apply(&own.flatten_from(1)?, &parameters)?;
                let image = image.reshape(own.shape())?;
                let parts: Vec<&Tensor> = before.iter().chain([&image]).chain(&rest).collect();
                Ok(Transformed::new(Tensor::cat(&parts, 1)?, log_slope.sum(1)?))
            }
        }
    }
}

impl Bijection for ImageCoupling {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.run(x, pass, |x, parameters| self.transform.forward(x, parameters))
    }

    fn inverse(&self, z: &Tensor, pass: &mut Pass<'_>) -> Result<Transformed> {
        self.run(z, pass, |z, parameters| self.transform.inverse(z, parameters))
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.parameters.clone()
    }

    fn given_len(&self) -> usize {
        self.condition * self.shape[1] * self.shape[2]
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }
}

//! The discrete flows of images of the literature, as multiscale chains of the parts here.

use crate::act_norm::ActNorm;
use crate::batch_norm::MovingBatchNorm;
use crate::bijection::Bijection;
use crate::chain::Chain;
use crate::error::{FlowError, Result};
use crate::image_coupling::{ImageCoupling, ImageCouplingConfig, ImageMask};
use crate::linear::LuLinear;
use crate::multiscale::Multiscale;
use crate::permutation::Permutation;
use crate::squeeze::Squeeze;
use crate::transform::Affine;
use candle_core::{DType, Device};
use ffjord_nn::ActivationKind;
use rand::RngCore;
use std::sync::Arc;

/// A discrete flow of images of the literature.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{Bijection, ImageArchitecture, ImageFlowConfig};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = ImageFlowConfig { shape: [3, 4, 4], blocks: 1, hidden: vec![4], activation: ActivationKind::Relu };
/// for architecture in [ImageArchitecture::RealNvp, ImageArchitecture::Glow] {
///     let flow = architecture.build(&config, Vec::new(), &mut rng, DType::F32, &Device::Cpu)?;
///     assert_eq!((flow.input_shape(), flow.output_shape()), (&[3, 4, 4][..], &[48][..]));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImageArchitecture {
    /// Affine couplings of checkerboards before each squeeze and of channels behind it, with alternating parts and batch
    /// normalisation after each; checkerboards alone at the last scale (Dinh et al. 2017, section 3.6). The networks are
    /// plain instead of residual.
    RealNvp,
    /// At each scale a squeeze, then steps of activation normalisation, a random order with an LU-factored 1 × 1
    /// convolution, and an affine coupling of channels (Kingma and Dhariwal 2018). What leaves at a scale is standard
    /// normal, where the authors' code learns a Gaussian given the rest.
    Glow,
}

/// The sizes of a discrete flow of images.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{FlowError, ImageArchitecture, ImageFlowConfig};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = ImageFlowConfig { shape: [1, 5, 5], blocks: 1, hidden: vec![4], activation: ActivationKind::Relu };
/// // Glow squeezes at every scale and cannot take an odd side.
/// let refused = ImageArchitecture::Glow.build(&config, Vec::new(), &mut rng, DType::F32, &Device::Cpu);
/// assert!(matches!(refused, Err(FlowError::InvalidSetting { .. })));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFlowConfig {
    /// Channels, height and width.
    pub shape: [usize; 3],
    /// Couplings of each run of one kind, or steps of a scale; at least 1.
    pub blocks: usize,
    /// The channels of each network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity of the networks.
    pub activation: ActivationKind,
}

impl ImageArchitecture {
    /// The flow from images `[B, C, H, W]` to noise `[B, D]` behind `first`, parts that keep the images' shape; weights are
    /// drawn from `rng`.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_flow::{Bijection, ImageArchitecture, ImageFlowConfig, Logit};
    /// use ffjord_nn::ActivationKind;
    /// use rand::SeedableRng;
    ///
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let config = ImageFlowConfig {
    ///     shape: [1, 8, 8],
    ///     blocks: 2,
    ///     hidden: vec![8, 8],
    ///     activation: ActivationKind::Relu,
    /// };
    /// let logit = Box::new(Logit::new(&config.shape, 0.01)?);
    /// let flow = ImageArchitecture::Glow.build(&config, vec![logit], &mut rng, DType::F32, &Device::Cpu)?;
    /// assert_eq!(flow.output_shape(), &[64]);
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without blocks, or for Glow with an odd side; [`FlowError::Network`] for networks
    /// without channels.
    pub fn build(
        self,
        config: &ImageFlowConfig,
        first: Vec<Box<dyn Bijection>>,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Multiscale> {
        let mut builder = Builder {
            config,
            rng,
            dtype,
            device,
        };
        match self {
            Self::RealNvp => builder.real_nvp(first),
            Self::Glow => builder.glow(first),
        }
    }
}

struct Builder<'a> {
    config: &'a ImageFlowConfig,
    rng: &'a mut dyn RngCore,
    dtype: DType,
    device: &'a Device,
}

impl Builder<'_> {
    fn real_nvp(&mut self, first: Vec<Box<dyn Bijection>>) -> Result<Multiscale> {
        let ([_, height, width], blocks) = (self.config.shape, self.config.blocks);
        let scales = Multiscale::scales_of(height, width).max(1);
        let mut index = 0;
        Multiscale::build(self.config.shape, scales, blocks, first, |shape| {
            // Runs of couplings alternate: checkerboards, and behind a squeeze channels.
            let (run, odd) = (index / blocks.max(1), index % blocks.max(1) % 2 == 1);
            index += 1;
            let mask = match (run % 2 == 0, odd) {
                (true, false) => ImageMask::Odd,
                (true, true) => ImageMask::Even,
                (false, false) => ImageMask::SecondHalf,
                (false, true) => ImageMask::FirstHalf,
            };
            let norm = MovingBatchNorm::of_batches(&shape, self.dtype, self.device)?;
            Ok(Box::new(Chain::new(vec![
                Box::new(self.coupling(shape, mask)?),
                Box::new(norm),
            ])?))
        })
    }

    fn glow(&mut self, first: Vec<Box<dyn Bijection>>) -> Result<Multiscale> {
        let ([channels, mut height, mut width], blocks) = (self.config.shape, self.config.blocks);
        let even = |height: usize, width: usize| height.is_multiple_of(2) && width.is_multiple_of(2);
        if blocks == 0 || !even(height, width) || height * width == 0 {
            return Err(FlowError::invalid(
                "Glow of images",
                format!("{blocks} steps for images of {height}×{width}"),
                "at least one step, and even sides",
            ));
        }
        let (mut channels, mut parts, mut scales) = (channels, first, Vec::<Box<dyn Bijection>>::new());
        while even(height, width) && height * width > 0 {
            parts.push(Box::new(Squeeze::new(&[channels, height, width], 2)?));
            (channels, height, width) = (4 * channels, height / 2, width / 2);
            let shape = [channels, height, width];
            for _ in 0..blocks {
                parts.push(Box::new(ActNorm::new(&shape, self.dtype, self.device)?));
                parts.push(Box::new(Permutation::random(
                    &shape,
                    self.rng,
                    self.dtype,
                    self.device,
                )?));
                parts.push(Box::new(LuLinear::new(&shape, self.dtype, self.device)?));
                parts.push(Box::new(self.coupling(shape, ImageMask::SecondHalf)?));
            }
            scales.push(Box::new(Chain::new(std::mem::take(&mut parts))?));
            channels /= 2;
        }
        Multiscale::new(scales)
    }

    fn coupling(&mut self, shape: [usize; 3], mask: ImageMask) -> Result<ImageCoupling> {
        let config = ImageCouplingConfig {
            shape,
            mask,
            condition: 0,
            hidden: self.config.hidden.clone(),
            activation: self.config.activation,
            transform: Arc::new(Affine),
        };
        ImageCoupling::new(&config, self.rng, self.dtype, self.device)
    }
}

//! U-Nets as vector fields.

mod attention;
mod block;
mod config;
mod layers;
mod time;

pub use config::UNetConfig;

use crate::dual::Dual;
use crate::error::{NnError, Result, dropped_tangents};
use crate::field::VectorField;
use crate::parameter::{Parameter, ParameterBuilder};
use attention::Attention;
use block::ResidualBlock;
use candle_core::{DType, Device, Tensor, Var};
use layers::{Convolution, ConvolutionShape, Norm, silu};
use rand::RngCore;
use time::TimeEmbedding;

/// A small U-Net on images `[B, C, H, W]`: residual blocks of group normalisation, SiLU and 3×3 convolutions, at several
/// resolutions on the way down and up again, with what was seen on the way down beside it on the way up (Ronneberger et
/// al. 2015; with time as in Ho et al. 2020 and Dhariwal and Nichol 2021: scales and shifts of every block's second
/// normalisation).
///
/// A map of positions is added behind the first convolution, so that the field knows where a pixel lies. The last layer is
/// zero at the start, and so is the field.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{UNet, UNetConfig, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = UNetConfig::new(1, (8, 8)).widths([8, 16]).attention(true);
/// let field = UNet::new(&config, &mut rng, DType::F32, &Device::Cpu)?;
/// let z = Tensor::ones((3, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// let f = field.value(0.5, &z, None)?;
/// assert_eq!((f.dims(), f.abs()?.max_all()?.to_scalar::<f32>()?), (z.dims(), 0.0));
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct UNet {
    config: UNetConfig,
    shape: [usize; 3],
    time: TimeEmbedding,
    input: Convolution,
    /// `[1, H, W, w]`.
    positions: Var,
    /// Blocks of each resolution, and the convolution to the next.
    down: Vec<(Vec<ResidualBlock>, Option<Convolution>)>,
    attention: Option<Attention>,
    /// The convolution to each resolution from the one below and the block behind it, the lowest first.
    up: Vec<(Convolution, ResidualBlock)>,
    norm: Norm,
    output: Convolution,
    /// `[1, 1, 1, C]`.
    bias: Var,
    parameters: Vec<Parameter>,
    dtype: DType,
    device: Device,
}

impl UNet {
    /// A network with weights drawn from `rng`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a number is 0, a width is no multiple of the groups, or the images cannot be
    /// halved so often.
    pub fn new(config: &UNetConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        config.check()?;
        let (channels, (height, width)) = (config.channels, config.size);
        let (widths, groups, embedding) = (&config.widths, config.groups, config.embedding());
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let time = TimeEmbedding::new(embedding, &mut builder)?;
        let input = Convolution::new("input", ConvolutionShape::Local, (channels, widths[0]), &mut builder)?;
        let positions = builder.constant("positions", (1, height, width, widths[0]), 0.0)?;
        let mut down = Vec::new();
        for (level, &own) in widths.iter().enumerate() {
            let block = |index, builder: &mut ParameterBuilder<'_>| {
                ResidualBlock::new(format!("down.{level}.{index}"), (own, own), groups, embedding, builder)
            };
            let blocks = (0..config.blocks).map(|index| block(index, &mut builder));
            let blocks = blocks.collect::<Result<Vec<_>>>()?;
            let halve = widths.get(level + 1).map(|&next| {
                Convolution::new(
                    &format!("down.{level}.halve"),
                    ConvolutionShape::Halve,
                    (own, next),
                    &mut builder,
                )
            });
            down.push((blocks, halve.transpose()?));
        }
        let lowest = widths[widths.len() - 1];
        let attention = match config.attention {
            true => Some(Attention::new("attention", lowest, groups, &mut builder)?),
            false => None,
        };
        let mut up = Vec::new();
        for (level, pair) in widths.windows(2).enumerate().rev() {
            let (own, below) = (pair[0], pair[1]);
            let double = Convolution::new(
                &format!("up.{level}.double"),
                ConvolutionShape::Double,
                (below, own),
                &mut builder,
            )?;
            let block = ResidualBlock::new(format!("up.{level}.0"), (2 * own, own), groups, embedding, &mut builder)?;
            up.push((double, block));
        }
        let norm = Norm::new("norm", groups, widths[0], &mut builder)?;
        let output = Convolution::zero("output", ConvolutionShape::Local, (widths[0], channels), &mut builder)?;
        let bias = builder.constant("output.bias", (1, 1, 1, channels), 0.0)?;
        Ok(Self {
            config: config.clone(),
            shape: [channels, height, width],
            time,
            input,
            positions,
            down,
            attention,
            up,
            norm,
            output,
            bias,
            parameters: builder.finish(),
            dtype,
            device: device.clone(),
        })
    }

    /// The architecture.
    #[must_use]
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// The network on a time and a state that both may have tangents.
    fn apply(&self, t: &Dual, z: &Dual) -> Result<Dual> {
        let embedding = self.time.apply(t)?;
        // Inside, channels lie side by side: convolutions then have nothing to transpose.
        let z = z.map_rows(|images| Ok(images.permute((0, 2, 3, 1))?.contiguous()?))?;
        let mut h = self.input.apply(&z)?.shift(&self.positions)?;
        let mut seen = Vec::new();
        for (blocks, halve) in &self.down {
            for (index, block) in blocks.iter().enumerate() {
                h = block.apply(&h, &embedding)?;
                if let (0, None, Some(attention)) = (index, halve, &self.attention) {
                    h = attention.apply(&h)?;
                }
            }
            if let Some(halve) = halve {
                seen.push(h.clone());
                h = halve.apply(&h)?;
            }
        }
        for (double, block) in &self.up {
            h = double.apply(&h)?;
            if let Some(seen) = seen.pop() {
                h = h.beside_channels(&seen)?;
            }
            h = block.apply(&h, &embedding)?;
        }
        let f = self.output.apply(&silu(&self.norm.apply(&h)?)?)?.shift(&self.bias)?;
        f.map_rows(|images| Ok(images.permute((0, 3, 1, 2))?.contiguous()?))
    }
}

impl VectorField for UNet {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn device(&self) -> &Device {
        &self.device
    }

    fn state_shape(&self) -> &[usize] {
        &self.shape
    }

    fn dual(&self, t: &Tensor, z: &Dual, _given: Option<&Tensor>) -> Result<Dual> {
        self.apply(&Dual::constant(t.clone())?, z)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, _given: Option<&Tensor>) -> Result<Tensor> {
        if t.dims() != [1] {
            return Err(NnError::InputShape {
                what: "time of a total derivative",
                given: t.shape().clone(),
                expected: "[1], one time for the whole batch,".to_string(),
            });
        }
        let time = Dual::new(t, &t.ones_like()?.unsqueeze(0)?)?;
        let (_, rate) = self
            .apply(&time, &Dual::new(z, &direction.unsqueeze(0)?)?)?
            .into_parts()?;
        Ok(rate.ok_or_else(dropped_tangents)?.squeeze(0)?)
    }
}

//! Flows of images from configurations.

use crate::config::{ImageField, ImageModelConfig, ModelKind, RunConfig};
use crate::data_summary::ImageFormat;
use crate::error::{Result, RunError};
use crate::model::{Part, cnf_settings, dtype};
use crate::placement::Placement;
use crate::start::StartPart;
use candle_core::{DType, Device};
use ffjord_flow::{
    Bijection, Cnf, CnfSettings, DequantizationConfig, FlowError, ImageArchitecture, ImageFlowConfig, Logit,
    MovingBatchNorm, Multiscale, VariationalDequantization, ZeroMean,
};
use ffjord_nn::{
    ConvNet, ConvNetConfig, EncoderDecoder, Mlp, MlpConfig, NnError, Parallel, Residual, Stride, UNet, UNetConfig,
    VectorField, zero_last_layer,
};
use rand::RngCore;
use std::sync::Arc;

/// The parts of the flow that a configuration describes for images.
pub(crate) fn image_parts(
    config: &RunConfig,
    format: &ImageFormat,
    rng: &mut dyn RngCore,
) -> Result<(Vec<StartPart>, Vec<Part>)> {
    let image = config.model.image.clone().unwrap_or_default();
    let shape = format.shape;
    let flat = [shape.iter().product()];
    let row_shape: &[usize] = if image.field == ImageField::Dense {
        &flat
    } else {
        &shape
    };
    let dtype = dtype(config.model.precision);
    let start = StartPart::of_images(
        config.model.start.as_ref(),
        row_shape,
        format.levels,
        dtype,
        &Device::Cpu,
    )?;
    let first: Arc<dyn Bijection> = match start.first() {
        Some(part) => part.bijection(),
        None if image.alpha > 0.0 => Arc::new(Logit::new(row_shape, image.alpha)?),
        None => Arc::new(ZeroMean::new(row_shape)?),
    };
    let mut before = dequantization(config, &image, format, rng)?;
    before.push(first);
    if let Some(architecture) = discrete(config.model.kind) {
        let sizes = ImageFlowConfig {
            shape,
            blocks: config.model.blocks,
            hidden: config.model.hidden.clone(),
            activation: config.model.activation,
        };
        let flow = architecture.build(&sizes, boxed(before), rng, dtype, &Device::Cpu)?;
        return Ok((start, vec![Part::Discrete(Arc::new(flow))]));
    }
    let scales = match image.multiscale {
        true => Multiscale::scales_of(shape[1], shape[2]).max(1),
        false => 1,
    };
    // Each of the blocks has a share of the memory for tapes.
    let flows = config.model.blocks * (2 * scales - 1);
    let mut builder = Builder {
        settings: cnf_settings(&config.model, flows, &config.solver, &config.regularisation)?,
        placement: Placement::open(config.device)?,
        dtype,
        config,
        image,
        rng,
    };
    if builder.image.multiscale {
        let own = |error: RunError| FlowError::Own(Box::new(error));
        let block = |shape: [usize; 3]| Ok(Box::new(builder.flow(&shape).map_err(own)?) as Box<dyn Bijection>);
        let flow = Multiscale::build(shape, scales, config.model.blocks, boxed(before), block)?;
        return Ok((start, vec![Part::Discrete(Arc::new(flow))]));
    }
    let mut parts: Vec<Part> = before.into_iter().map(Part::Discrete).collect();
    for _ in 0..config.model.blocks {
        parts.push(Part::Continuous(Arc::new(builder.flow(row_shape)?)));
    }
    if config.model.batch_norm {
        let norm = MovingBatchNorm::new(row_shape, builder.dtype, &Device::Cpu)?;
        parts.push(Part::Discrete(Arc::new(norm)));
    }
    Ok((start, parts))
}

/// The discrete flow of images that a kind stands for; none for continuous ones, and for those of tables alone.
fn discrete(kind: ModelKind) -> Option<ImageArchitecture> {
    match kind {
        ModelKind::RealNvp => Some(ImageArchitecture::RealNvp),
        ModelKind::Glow => Some(ImageArchitecture::Glow),
        _ => None,
    }
}

/// The part that draws the noise within levels, if the configuration has one.
fn dequantization(
    config: &RunConfig,
    image: &ImageModelConfig,
    format: &ImageFormat,
    rng: &mut dyn RngCore,
) -> Result<Vec<Arc<dyn Bijection>>> {
    let Some(own) = &image.dequantization else {
        return Ok(Vec::new());
    };
    let sizes = DequantizationConfig {
        shape: format.shape,
        levels: format.levels,
        couplings: own.couplings,
        hidden: own.hidden.clone(),
        activation: config.model.activation,
    };
    let part = VariationalDequantization::new(&sizes, rng, dtype(config.model.precision), &Device::Cpu)?;
    Ok(vec![Arc::new(part)])
}

fn boxed(parts: Vec<Arc<dyn Bijection>>) -> Vec<Box<dyn Bijection>> {
    let boxed = parts.into_iter().map(|part| Box::new(part) as Box<dyn Bijection>);
    boxed.collect()
}

struct Builder<'a> {
    config: &'a RunConfig,
    image: ImageModelConfig,
    settings: CnfSettings,
    placement: Placement,
    dtype: DType,
    rng: &'a mut dyn RngCore,
}

impl Builder<'_> {
    fn flow(&mut self, shape: &[usize]) -> Result<Cnf> {
        let field = self.field(shape)?;
        if self.image.zero_last_layer {
            zero_last_layer(field.parameters())?;
        }
        let cnf = self.placement.flow(field, self.settings.clone())?;
        Ok(cnf.with_random_end_time(self.config.training.end_time_spread)?)
    }

    fn u_net(&self, channels: usize, size: (usize, usize)) -> UNetConfig {
        let widths = self.config.model.hidden.clone();
        let fits = |groups: &usize| widths.iter().all(|width| width.is_multiple_of(*groups));
        let groups = (1..=GROUPS).rev().find(fits).unwrap_or(1);
        UNetConfig::new(channels, size)
            .widths(widths)
            .blocks(self.image.residual_blocks)
            .attention(self.image.attention)
            .groups(groups)
    }

    fn field(&mut self, shape: &[usize]) -> Result<Arc<dyn VectorField>> {
        let (model, dtype, device) = (&self.config.model, self.dtype, &Device::Cpu);
        let &[channels, height, width] = shape else {
            let mut config = MlpConfig::new(shape.iter().product())
                .hidden(model.hidden.clone())
                .activation(model.activation);
            config = model.layer.into_iter().fold(config, MlpConfig::layer);
            let network = Mlp::new(&config, self.rng, dtype, device)?;
            return Ok(finish(network, model.residual));
        };
        let mut config = ConvNetConfig::new(channels, (height, width))
            .hidden(model.hidden.clone())
            .activation(model.activation);
        config = model.layer.into_iter().fold(config, ConvNetConfig::layer);
        if !self.image.strides.is_empty() {
            let strides = self.image.strides.iter().map(|stride| Stride::try_from(*stride));
            let strides: Vec<Stride> = strides.collect::<Result<_, _>>().map_err(NnError::from)?;
            config = config.strides(strides);
        }
        Ok(match self.image.field {
            ImageField::UNet => {
                let config = self.u_net(channels, (height, width));
                finish(UNet::new(&config, self.rng, dtype, device)?, model.residual)
            }
            ImageField::EncoderDecoder => {
                let network = EncoderDecoder::convolutional(&config, self.rng, dtype, device)?;
                finish(network, model.residual)
            }
            ImageField::Parallel => {
                let network = Parallel::new(&config, self.image.scales, self.rng, dtype, device)?;
                finish(network, model.residual)
            }
            ImageField::Convolutional | ImageField::Dense => {
                finish(ConvNet::new(&config, self.rng, dtype, device)?, model.residual)
            }
        })
    }
}

/// The most groups of channels that a U-Net normalises.
const GROUPS: usize = 8;

fn finish<F: VectorField + 'static>(field: F, residual: bool) -> Arc<dyn VectorField> {
    match residual {
        true => Arc::new(Residual::new(field)),
        false => Arc::new(field),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DataConfig, Preset, resolve};
    use crate::data_summary::DataSummary;
    use crate::level_start::level_probabilities;
    use crate::model::Model;
    use ffjord_data::{ImageSet, Images};
    use ffjord_train::{Purpose, Streams};

    fn refused(preset: &str, settings: &[&str]) -> Result<String> {
        let settings: Vec<String> = settings.iter().copied().map(String::from).collect();
        let outcome = resolve(&Preset::find(preset)?, &settings, None);
        Ok(outcome.map_or_else(|error| error.to_string(), |_| "accepted".to_string()))
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_its_key() -> Result<()> {
        let matching = "digits-flow-matching-quick";
        for (preset, settings, said) in [
            (
                matching,
                ["model.image.multiscale=true", "model.image.field=\"convolutional\""],
                "`objective`",
            ),
            (
                matching,
                ["model.start.maps=[\"whitening\"]", "seed=1"],
                "`model.start.maps`",
            ),
            (
                matching,
                ["model.image.residual_blocks=0", "seed=1"],
                "`model.image.residual_blocks`",
            ),
            (
                matching,
                ["model.image.dequantization={ couplings = 1, hidden = [4] }", "seed=1"],
                "flow matching, whose loss",
            ),
            (
                "digits-glow-quick",
                ["model.image.field=\"u-net\"", "seed=1"],
                "`model.image.field`",
            ),
            (
                "digits-glow-quick",
                ["objective=\"flow-matching\"", "seed=1"],
                "`objective`",
            ),
        ] {
            let message = refused(preset, &settings)?;
            assert!(message.contains(said), "{preset} {settings:?}: {message}");
        }
        let by_likelihood = [
            "objective=\"maximum-likelihood\"",
            "model.image.dequantization={ couplings = 1, hidden = [4] }",
        ];
        assert_eq!(refused(matching, &by_likelihood)?, "accepted");
        Ok(())
    }

    /// Images of two kinds: bright above and dark below, or the other way round.
    fn images() -> Result<Images> {
        let pixels = (0..40u8).flat_map(|image| {
            let bright = image % 2;
            (0..16u8).map(move |pixel| {
                if (pixel < 8) == (bright == 1) {
                    3
                } else {
                    (image + pixel) % 2
                }
            })
        });
        Ok(Images::new([1, 4, 4], 4, pixels.collect())?)
    }

    /// By itself, a start gives every image the probability of its levels as independent ones.
    #[test]
    fn a_start_is_worth_what_its_levels_are() -> Result<()> {
        let settings = ["model.hidden=[2]", "model.precision=\"f64\""].map(String::from);
        let config = resolve(&Preset::find("digits-flow-matching-quick")?, &settings, None)?;
        let format = ImageFormat {
            shape: [1, 4, 4],
            levels: 4,
        };
        let data = DataSummary {
            dimension: 16,
            image: Some(format),
            ..DataSummary::default()
        };
        let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
        let model = Model::for_data(&config, &data, &mut rng)?;
        let images = images()?;
        let probabilities = level_probabilities(&images, false);
        model.fit_start_to_levels(&probabilities)?;
        let rows = images.dequantised(0..images.len(), &mut rng)?.cast();
        let nll = model.start_nll(&rows)?.map(|nll| format.bits_per_dimension(nll));
        let mut expected = 0.0;
        for image in (0..images.len()).filter_map(|index| images.get(index)) {
            for (levels, level) in probabilities.chunks(4).zip(image) {
                expected -= (levels[usize::from(*level)] / levels.iter().sum::<f64>()).log2() / 16.0 / 40.0;
            }
        }
        assert!(
            nll.is_some_and(|nll| (nll - expected).abs() < 1e-6),
            "{nll:?} against {expected}"
        );
        Ok(())
    }

    #[test]
    fn every_preset_of_images_has_a_model() -> Result<()> {
        let mut count = 0;
        for preset in Preset::listed()? {
            let config = resolve(&preset, &[], None)?;
            let DataConfig::Images(images) = &config.data else {
                continue;
            };
            if config.vae.is_some() {
                continue;
            }
            let shape = match images.set.parse()? {
                ImageSet::Digits => [1, 8, 8],
                ImageSet::Cifar10 | ImageSet::Svhn => [3, 32, 32],
                _ => [1, 28, 28],
            };
            let data = DataSummary {
                dimension: shape.iter().product(),
                image: Some(ImageFormat { shape, levels: 256 }),
                ..DataSummary::default()
            };
            let model = Model::for_data(&config, &data, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?;
            assert_eq!(model.dimension(), data.dimension, "{}", preset.name());
            // Weights and biases without the end times, as counted from the released code.
            let published = match preset.name() {
                "mnist-multiscale" => 800_636 + 10,
                "cifar10-multiscale" => 1_358_868 + 14,
                _ => 0,
            };
            let parameters = Bijection::parameters(model.flow.bijection()).into_iter();
            let numbers: usize = parameters.map(|parameter| parameter.var.elem_count()).sum();
            assert!(published == 0 || numbers == published, "{}: {numbers}", preset.name());
            count += 1;
        }
        assert!(count >= 13, "{count}");
        Ok(())
    }
}

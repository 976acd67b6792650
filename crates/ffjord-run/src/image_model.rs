//! Flows of images from configurations.

use crate::config::{ImageField, ImageModelConfig, RunConfig};
use crate::data_summary::ImageFormat;
use crate::error::{Result, RunError};
use crate::model::{Part, cnf_settings, dtype};
use candle_core::{DType, Device};
use ffjord_flow::{Bijection, Cnf, CnfSettings, FlowError, Logit, MovingBatchNorm, Multiscale, ZeroMean};
use ffjord_nn::{
    ConvNet, ConvNetConfig, EncoderDecoder, Mlp, MlpConfig, NnError, Parallel, Residual, Stride, VectorField,
    zero_last_layer,
};
use rand::RngCore;
use std::sync::Arc;

/// The parts of the flow that a configuration describes for images.
pub(crate) fn image_parts(config: &RunConfig, format: &ImageFormat, rng: &mut dyn RngCore) -> Result<Vec<Part>> {
    let image = config.model.image.clone().unwrap_or_default();
    let shape = format.shape;
    let flat = [shape.iter().product()];
    let row_shape: &[usize] = if image.field == ImageField::Dense {
        &flat
    } else {
        &shape
    };
    let first: Arc<dyn Bijection> = match image.alpha > 0.0 {
        true => Arc::new(Logit::new(row_shape, image.alpha)?),
        false => Arc::new(ZeroMean::new(row_shape)?),
    };
    let scales = match image.multiscale {
        true => Multiscale::scales_of(shape[1], shape[2]).max(1),
        false => 1,
    };
    // Each of the blocks has a share of the memory for tapes.
    let flows = config.model.blocks * (2 * scales - 1);
    let mut builder = Builder {
        settings: cnf_settings(&config.model, flows, &config.solver, &config.regularisation)?,
        dtype: dtype(config.model.precision),
        config,
        image,
        rng,
    };
    if builder.image.multiscale {
        let own = |error: RunError| FlowError::Own(Box::new(error));
        let block = |shape: [usize; 3]| Ok(Box::new(builder.flow(&shape).map_err(own)?) as Box<dyn Bijection>);
        let flow = Multiscale::build(shape, scales, config.model.blocks, vec![Box::new(first)], block)?;
        return Ok(vec![Part::Discrete(Arc::new(flow))]);
    }
    let mut parts = vec![Part::Discrete(first)];
    for _ in 0..config.model.blocks {
        parts.push(Part::Continuous(Arc::new(builder.flow(row_shape)?)));
    }
    if config.model.batch_norm {
        let norm = MovingBatchNorm::new(row_shape, builder.dtype, &Device::Cpu)?;
        parts.push(Part::Discrete(Arc::new(norm)));
    }
    Ok(parts)
}

struct Builder<'a> {
    config: &'a RunConfig,
    image: ImageModelConfig,
    settings: CnfSettings,
    dtype: DType,
    rng: &'a mut dyn RngCore,
}

impl Builder<'_> {
    fn flow(&mut self, shape: &[usize]) -> Result<Cnf> {
        let field = self.field(shape)?;
        if self.image.zero_last_layer {
            zero_last_layer(field.parameters())?;
        }
        let cnf = Cnf::new(field, self.settings.clone())?;
        Ok(cnf.with_random_end_time(self.config.training.end_time_spread)?)
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
    use crate::model::Model;
    use ffjord_data::ImageSet;
    use ffjord_train::{Purpose, Streams};

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
        assert!(count >= 8, "{count}");
        Ok(())
    }
}

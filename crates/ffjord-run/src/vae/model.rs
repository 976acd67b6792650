//! Variational autoencoders and their objectives from configurations.

use crate::config::{BoundGradient, IntegralWeights, LikelihoodKind, PosteriorKind, RunConfig, VaeConfig, VaeNetworks};
use crate::data_summary::ImageFormat;
use crate::error::{Result, RunError};
use crate::model::{cnf_settings, dtype};
use candle_core::{DType, Device};
use ffjord_flow::{Bijection, Chain, Cnf};
use ffjord_nn::ops::Function;
use ffjord_nn::{Amortisation, AmortisedMlpConfig, LayerKind, Mlp, MlpConfig, Residual, VectorField};
use ffjord_vae::{
    AmortisedCnf, Bernoulli, Categorical, ConvDecoder, ConvEncoder, Decoder, DenseDecoder, DenseEncoder,
    DiscretizedLogistic, Elbo, Encoder, FlowPosterior, Iaf, Likelihood, NoFlow, Orthogonal, Planar, Posterior,
    Sylvester, Vae,
};
use rand::RngCore;
use std::sync::Arc;

/// The model that a configuration describes for images of this format, with weights drawn from `rng`.
///
/// ```
/// # use ffjord_run::{ImageFormat, Matrix, config::{Preset, resolve}, vae::build_vae};
/// # use ffjord_train::{Alone, Purpose, Streams};
/// # let settings = ["vae.widths=[8]", "vae.latent=2", "model.hidden=[4]"].map(str::to_string);
/// # let config = resolve(&Preset::find("vae-digits-quick")?, &settings, None)?;
/// # let (streams, format) = (Streams::new(0), ImageFormat { shape: [1, 8, 8], levels: 17 });
/// # let vae = build_vae(&config, &format, &mut streams.rng(Purpose::Initialise, 0, 0))?;
/// # let images = Matrix::new(3, 64, vec![0.0_f32; 3 * 64])?;
/// assert_eq!((vae.latent(), vae.encoder().observation_shape()), (2, &[1, 8, 8][..]));
/// // A flow is no autoencoder.
/// let flow = resolve(&Preset::find("toy-moons")?, &[], None)?;
/// let refused = build_vae(&flow, &format, &mut streams.rng(Purpose::Initialise, 0, 0)).unwrap_err().to_string();
/// assert!(refused.contains("needs this section"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RunError::Config`] for a configuration of another kind of model; otherwise when the model cannot be built.
pub fn build_vae(config: &RunConfig, format: &ImageFormat, rng: &mut dyn RngCore) -> Result<Vae> {
    let settings = section(config)?;
    let (dtype, device) = (dtype(config.model.precision), &Device::Cpu);
    let (shape, latent) = (&format.shape, settings.latent);
    let likelihood: Box<dyn Likelihood> = match settings.likelihood {
        LikelihoodKind::Bernoulli => Box::new(Bernoulli::default()),
        LikelihoodKind::Categorical => Box::new(Categorical),
        LikelihoodKind::DiscretizedLogistic => Box::new(DiscretizedLogistic),
    };
    let mut reversed = settings.widths.clone();
    reversed.reverse();
    let encoder: Box<dyn Encoder> = match settings.networks {
        VaeNetworks::Convolutional => {
            let encoder = ConvEncoder::new(shape, latent, rng, dtype, device)?;
            match settings.variance_between {
                Some([least, most]) => Box::new(encoder.variance_between(least, most)),
                None => Box::new(encoder),
            }
        }
        VaeNetworks::Dense => {
            let function = Function::Softplus;
            Box::new(DenseEncoder::new(
                shape,
                &settings.widths,
                latent,
                function,
                rng,
                dtype,
                device,
            )?)
        }
    };
    let posterior = posterior(config, settings, encoder.features(), dtype, rng)?;
    let decoder: Box<dyn Decoder> = match settings.networks {
        VaeNetworks::Convolutional => Box::new(ConvDecoder::new(shape, latent, &likelihood, rng, dtype, device)?),
        VaeNetworks::Dense => {
            let function = Function::Softplus;
            let decoder = DenseDecoder::new(shape, &reversed, latent, &likelihood, function, rng, dtype, device);
            Box::new(decoder?)
        }
    };
    Ok(Vae::new(encoder, posterior, decoder, likelihood)?)
}

/// The section on the model.
pub(super) fn section(config: &RunConfig) -> Result<&VaeConfig> {
    config.vae.as_ref().ok_or_else(|| RunError::Config {
        origin: "of another kind of model".to_string(),
        reason: "at `vae`: a model of kind `vae` needs this section".to_string(),
    })
}

/// What training maximises, of batches of which an epoch has so many.
///
/// ```
/// use ffjord_run::{config::{Preset, resolve}, vae::elbo};
/// let config = resolve(&Preset::find("vae-digits-quick")?, &["vae.warm_up_epochs=10".to_string()], None)?;
/// // Ten epochs of 13 batches.
/// let objective = elbo(&config, 13)?;
/// assert!(objective.beta_at(0) < 1.0 && objective.beta_at(10 * 13) == 1.0);
/// assert_eq!(objective.beta_at(13), objective.beta_at(25));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a setting is out of its range.
pub fn elbo(config: &RunConfig, epoch: u64) -> Result<Elbo> {
    let settings = section(config)?;
    let elbo = Elbo::default()
        .warm_up(settings.warm_up_epochs.saturating_mul(epoch))
        .in_steps_of(epoch)
        .beta(settings.beta)?
        .free_nats(settings.free_nats)?
        .samples(settings.samples)?;
    Ok(match settings.gradient {
        BoundGradient::Plain => elbo,
        BoundGradient::DoublyReparametrised => elbo.doubly_reparametrised(),
    })
}

fn posterior(
    config: &RunConfig,
    settings: &VaeConfig,
    features: usize,
    dtype: DType,
    rng: &mut dyn RngCore,
) -> Result<Box<dyn Posterior>> {
    let (latent, flows, at) = (settings.latent, config.model.blocks, (dtype, &Device::Cpu));
    let sylvester = |orthogonal, rng: &mut dyn RngCore| -> Result<Box<dyn Posterior>> {
        Ok(Box::new(Sylvester::new(latent, features, flows, orthogonal, rng, at)?))
    };
    let amortised =
        |amortisation, rng: &mut dyn RngCore| amortised(config, settings, features, amortisation, dtype, rng);
    match settings.posterior {
        PosteriorKind::Gaussian => Ok(Box::new(NoFlow)),
        PosteriorKind::Planar => Ok(Box::new(Planar::new(latent, features, flows, rng, at.0, at.1)?)),
        PosteriorKind::Iaf => {
            let width = config.model.hidden.first().copied().unwrap_or_default();
            Ok(Box::new(Iaf::new(latent, features, flows, width, rng, at)?))
        }
        PosteriorKind::SylvesterOrthogonal => {
            let columns = settings.columns;
            sylvester(Orthogonal::Iterated { columns }, rng)
        }
        PosteriorKind::SylvesterHouseholder => {
            let reflections = settings.reflections;
            sylvester(Orthogonal::Householder { reflections }, rng)
        }
        PosteriorKind::SylvesterTriangular => sylvester(Orthogonal::Triangular, rng),
        PosteriorKind::Cnf => shared(config, settings, features, 0, dtype, rng),
        PosteriorKind::CnfGiven => shared(config, settings, features, features, dtype, rng),
        PosteriorKind::CnfBias => amortised(Amortisation::Bias, rng),
        PosteriorKind::CnfLowRank => amortised(Amortisation::LowRank { rank: settings.rank }, rng),
        PosteriorKind::CnfLastLayer => amortised(Amortisation::LastLayer, rng),
        PosteriorKind::CnfAllLayers => {
            // As the released code has it.
            let activation_at_the_end = true;
            amortised(Amortisation::AllLayers { activation_at_the_end }, rng)
        }
    }
}

/// Continuous flows whose networks all observations share, given so many of the features.
fn shared(
    config: &RunConfig,
    settings: &VaeConfig,
    features: usize,
    given: usize,
    dtype: DType,
    rng: &mut dyn RngCore,
) -> Result<Box<dyn Posterior>> {
    let model = &config.model;
    let solve = cnf_settings(model, model.blocks, &config.solver, &IntegralWeights::default())?;
    let mut network = MlpConfig::new(settings.latent)
        .given(given)
        .hidden(model.hidden.clone())
        .activation(model.activation);
    network = model.layer.into_iter().fold(network, MlpConfig::layer);
    let mut flows: Vec<Box<dyn Bijection>> = Vec::new();
    for _ in 0..model.blocks {
        let field = Mlp::new(&network, rng, dtype, &Device::Cpu)?;
        let field: Arc<dyn VectorField> = match model.residual {
            true => Arc::new(Residual::new(field)),
            false => Arc::new(field),
        };
        flows.push(Box::new(Cnf::new(field, solve.clone())?));
    }
    Ok(Box::new(FlowPosterior::new(Chain::new(flows)?, features)?.named("cnf")))
}

fn amortised(
    config: &RunConfig,
    settings: &VaeConfig,
    features: usize,
    amortisation: Amortisation,
    dtype: DType,
    rng: &mut dyn RngCore,
) -> Result<Box<dyn Posterior>> {
    let model = &config.model;
    let network = AmortisedMlpConfig {
        dimension: settings.latent,
        hidden: model.hidden.clone(),
        layer: model.layer.unwrap_or(LayerKind::Concat),
        activation: model.activation,
        amortisation,
    };
    let solve = cnf_settings(model, model.blocks, &config.solver, &IntegralWeights::default())?;
    let flows = vec![solve; model.blocks];
    let at = (dtype, &Device::Cpu);
    Ok(Box::new(AmortisedCnf::new(
        &network,
        model.residual,
        features,
        &flows,
        rng,
        at,
    )?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelKind, Preset, resolve};
    use ffjord_train::{Model, Purpose, Streams};

    fn parameters(name: &str, shape: [usize; 3]) -> Result<usize> {
        let config = resolve(&Preset::find(name)?, &[], None)?;
        let format = ImageFormat { shape, levels: 256 };
        let vae = build_vae(&config, &format, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?;
        Ok(vae
            .parameters()
            .iter()
            .map(|parameter| parameter.var.elem_count())
            .sum())
    }

    #[test]
    fn models_of_the_presets_are_the_published_ones() -> Result<()> {
        // Encoder, decoder and heads as counted from the released code.
        let (binary, frey) = (3_067_105, 2_764_480);
        assert_eq!(parameters("vae-caltech", [1, 28, 28])?, binary);
        assert_eq!(parameters("vae-frey", [1, 28, 20])?, frey);
        let planar = 4 * (2 * 64 + 1) * 257;
        assert_eq!(parameters("vae-caltech-planar", [1, 28, 28])?, binary + planar);
        // 44,608 outputs for each of the two flows, which have their end times and layers of 512 themselves.
        let rank_20 = 2 * 44_608 * 257;
        let field = 65 * 512 + 512 + 513 * 512 + 512 + 513 * 64 + 64;
        let count = parameters("vae-frey-ffjord", [1, 28, 20])?;
        assert_eq!(count, frey + rank_20 + 2 * field, "{}", count - frey - rank_20);
        Ok(())
    }

    #[test]
    fn every_preset_of_autoencoders_has_a_model() -> Result<()> {
        let mut count = 0;
        for preset in Preset::listed()? {
            let config = resolve(&preset, &["vae.latent=8".to_string()], None);
            // The others have no section `vae`.
            let Ok(mut config) = config else { continue };
            if config.model.kind != ModelKind::Vae {
                continue;
            }
            // Small, so that 140 million weights need not be drawn.
            config.model.hidden = vec![16; config.model.hidden.len()];
            let format = ImageFormat {
                shape: [1, 8, 8],
                levels: 256,
            };
            build_vae(&config, &format, &mut Streams::new(0).rng(Purpose::Initialise, 0, 0))?;
            elbo(&config, 10)?;
            count += 1;
        }
        assert!(count >= 40, "{count}");
        Ok(())
    }
}

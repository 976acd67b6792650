//! Variational autoencoders against the reference: every intermediate quantity, losses and gradients.

mod model;

pub use model::VaeCase;

use super::{Comparison, ReferenceFile};
use crate::error::Result;
use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Tensor, Var};
use ffjord_flow::Pass;
use ffjord_nn::Parameter;
use ffjord_train::{Purpose, Streams};
use ffjord_vae::{Bernoulli, Categorical, Decoder, Encoded, Encoder, Likelihood};
use model::{InputType, Model};

/// The largest relative errors accepted without and with solves.
const LIMITS: (f64, f64) = (1e-8, 1e-6);
/// Weights are filled by a formula, to rounding.
const FILL_LIMIT: f64 = 1e-12;
/// The original holds probabilities this far from 0 and 1 where it lists losses by image.
const FLOOR: f64 = 1e-5;

/// Compares every quantity of a file that it holds.
///
/// # Errors
/// When the case cannot be built, a tensor is missing or a solve fails.
pub fn compare_vae(file: &ReferenceFile, case: &VaeCase) -> Result<Vec<Comparison>> {
    let model = Model::build(file, case)?;
    let mut comparisons = fill(file, case, &model)?;
    let limit = if model.flow.is_continuous() { LIMITS.1 } else { LIMITS.0 };
    let mut study = Study {
        file,
        model,
        limit,
        comparisons: Vec::new(),
    };
    study.forward_and_gradients(case)?;
    study.leaves()?;
    study.importance()?;
    comparisons.append(&mut study.comparisons);
    Ok(comparisons)
}

/// Fills the model's weights by the file's formula, and compares their sums.
fn fill(file: &ReferenceFile, case: &VaeCase, model: &Model) -> Result<Vec<Comparison>> {
    let (scales, checks) = (file.get("param_scale")?.to_vec1::<f64>()?, file.get("param_check")?);
    let (parameters, copies) = shared_once(model, case);
    let names = parameters
        .iter()
        .map(|parameter| (&parameter.name, parameter.var.dims()));
    let expected = case.params.iter().map(|(name, shape)| (name, shape.as_slice()));
    if !names.eq(expected) {
        let ours: Vec<String> = parameters
            .iter()
            .map(|p| format!("{} {:?}", p.name, p.var.dims()))
            .collect();
        return Err(file.refuse(format!("its parameters are not ours, which are {}", ours.join(", "))));
    }
    let mut comparisons = Vec::new();
    for (k, (parameter, scale)) in parameters.iter().zip(scales).enumerate() {
        let value = |j: usize| {
            let square = (j * j % 65_521) as f64;
            scale * (2.40625 * square + 0.84375 * k as f64 + 0.15625).sin()
        };
        let values: Vec<f64> = (0..parameter.var.elem_count()).map(value).collect();
        let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        let check = [values[0], values.iter().sum(), norm];
        let check = Tensor::new(&check, &Device::Cpu)?;
        comparisons.push(Comparison::new("weights", &check, &checks.get(k)?, FILL_LIMIT)?);
        parameter
            .var
            .set(&Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu)?)?;
    }
    if let Some(beta) = parameters.iter().find(|parameter| is_beta(parameter)) {
        for copy in copies {
            copy.var.set(&beta.var.as_detached_tensor())?;
        }
    }
    Ok(comparisons)
}

fn is_beta(parameter: &Parameter) -> bool {
    parameter.name.ends_with("activation_fns.0.beta")
}

/// The parameters that the file has, and our further coefficients of the nonlinearity: the original has one for all flows.
fn shared_once(model: &Model, case: &VaeCase) -> (Vec<Parameter>, Vec<Parameter>) {
    let known = |parameter: &Parameter| case.params.iter().any(|(name, _)| *name == parameter.name);
    let all = model.parameters().into_iter();
    all.partition(|parameter| known(parameter) || !is_beta(parameter))
}

struct Study<'a> {
    file: &'a ReferenceFile,
    model: Model,
    limit: f64,
    comparisons: Vec<Comparison>,
}

/// Loss terms of a batch: `[B]` each.
struct Terms {
    reconstruction: Tensor,
    divergence: Tensor,
}

impl Terms {
    fn loss(&self, beta: f64) -> Result<Tensor> {
        Ok((self.reconstruction.mean_all()? + (self.divergence.mean_all()? * beta)?)?)
    }
}

impl Study<'_> {
    fn compare(&mut self, name: &str, ours: &Tensor) -> Result<()> {
        // A file may hold some of the quantities only.
        if let Ok(reference) = self.file.get(name) {
            let comparison = Comparison::new(name, &ours.detach(), reference, self.limit)?;
            self.comparisons.push(comparison);
        }
        Ok(())
    }

    /// The batch's losses from z₀, z_k and what the decoder made of it.
    fn terms(
        &self,
        encoded: &Encoded,
        noise: &Tensor,
        (latent, log_det): (&Tensor, &Tensor),
        decoded: &Tensor,
        x: &Tensor,
    ) -> Result<Terms> {
        let of_start = (encoded.variance.log()? + noise.sqr()?)?.sum(1)?;
        let half = ((latent.sqr()?.sum(1)? - of_start)? * 0.5)?;
        Ok(Terms {
            reconstruction: self.model.likelihood.log_prob(decoded, x)?.neg()?,
            divergence: (half - log_det)?,
        })
    }

    /// Everything from the weights on, and the gradients of all parameters.
    fn forward_and_gradients(&mut self, case: &VaeCase) -> Result<()> {
        let (x, noise) = (self.file.get("x")?.clone(), self.file.get("eps")?.clone());
        let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
        let encoded = self.model.encoder.encode(&x)?;
        self.compare("h", &encoded.features)?;
        self.compare("z_mu", &encoded.mean)?;
        self.compare("z_var", &encoded.variance)?;
        for (name, numbers) in self.model.flow.amortised(&encoded.features)? {
            self.compare(&name, &numbers)?;
        }
        let start = (&encoded.mean + (encoded.variance.sqrt()? * &noise)?)?;
        self.compare("z_0", &start)?;

        let posterior = self.model.flow.posterior();
        let exact = posterior.transform(
            &start.detach(),
            &encoded.features.detach(),
            &mut Pass::evaluation(&mut rng),
        )?;
        let image = posterior.transform(&start, &encoded.features, &mut Pass::training(&mut rng))?;
        self.compare("z_k", &image.value)?;
        self.compare("log_det_j", image.log_det()?)?;
        let decoded = self.model.decoder.decode(&image.value)?;
        self.decoded(&decoded, &x)?;
        let terms = self.terms(&encoded, &noise, (&image.value, image.log_det()?), &decoded, &x)?;
        let loss = terms.loss(1.0)?;
        self.compare("rec", &terms.reconstruction.mean_all()?)?;
        self.compare("kl", &terms.divergence.mean_all()?)?;
        self.compare("loss", &loss)?;
        self.compare("loss_beta03", &terms.loss(0.3)?)?;
        let pixels: usize = x.dims()[1..].iter().product();
        self.compare("bpd", &(&loss / (pixels as f64 * std::f64::consts::LN_2))?)?;
        let by_image = match self.model.input {
            InputType::Binary => Bernoulli::with_floor(FLOOR).log_prob(&decoded, &x)?.neg()?,
            InputType::Multinomial => terms.reconstruction.clone(),
        };
        self.compare("loss_array", &(by_image + &terms.divergence)?)?;

        let of_exact = (&exact.value, exact.log_det()?);
        let exact = self.terms(&encoded, &noise, of_exact, &decoded, &x)?;
        self.compare("log_det_j_exact", of_exact.1)?;
        self.compare("kl_exact", &exact.divergence.mean_all()?)?;
        self.compare("loss_exact", &exact.loss(1.0)?)?;
        self.gradients(case, &loss.backward()?)
    }

    fn decoded(&mut self, decoded: &Tensor, x: &Tensor) -> Result<()> {
        match self.model.input {
            InputType::Binary => {
                self.compare("recon_logit", decoded)?;
                self.compare("recon", &self.model.likelihood.mean(decoded)?)
            }
            InputType::Multinomial => {
                let [rows, channels, height, width] = x.dims() else {
                    return Err(self.file.refuse("its x is not [B, C, H, W]"));
                };
                let shape = (*rows, Categorical::LEVELS, *channels, *height, *width);
                let logits = decoded.detach().reshape(shape)?;
                self.compare("recon_logsumexp", &logits.log_sum_exp(1)?)?;
                let levels = ((x * 255.0)? + 1e-4)?.floor()?.to_dtype(DType::U32)?.unsqueeze(1)?;
                self.compare(
                    "recon_target_logit",
                    &logits.gather(&levels.contiguous()?, 1)?.squeeze(1)?,
                )?;
                let Ok(pixels) = self.file.get("pixels") else {
                    return Ok(());
                };
                let flat = logits.reshape((*rows, Categorical::LEVELS, channels * height * width))?;
                let pixels = pixels.flatten_all()?.to_dtype(DType::U32)?;
                self.compare("recon_logit_pixels", &flat.index_select(&pixels, D::Minus1)?)
            }
        }
    }

    /// Norm, sum and first entries of every parameter's gradient.
    fn gradients(&mut self, case: &VaeCase, store: &GradStore) -> Result<()> {
        let reference = self.file.get("grad_stats")?;
        let (parameters, copies) = shared_once(&self.model, case);
        let of = |parameter: &Parameter| -> Result<Tensor> {
            Ok(match store.get(&parameter.var) {
                Some(gradient) => gradient.flatten_all()?,
                None => parameter.var.zeros_like()?.flatten_all()?,
            })
        };
        for (index, parameter) in parameters.iter().enumerate() {
            if case.unused.contains(&parameter.name) {
                continue;
            }
            let mut gradient = of(parameter)?;
            for copy in copies.iter().filter(|_| is_beta(parameter)) {
                gradient = (gradient + of(copy)?)?;
            }
            let gradient = gradient.to_vec1::<f64>()?;
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let first = gradient.iter().copied().chain(std::iter::repeat(0.0)).take(4);
            let mut numbers = vec![norm, gradient.iter().sum()];
            numbers.extend(first);
            let numbers = Tensor::new(numbers, &Device::Cpu)?;
            let name = format!("gparam.{}", parameter.name);
            let comparison = Comparison::new(name, &numbers, &reference.get(index)?, self.limit)?;
            self.comparisons.push(comparison);
        }
        Ok(())
    }

    /// The gradients with respect to what the encoder and the linear maps of its features say.
    fn leaves(&mut self) -> Result<()> {
        let (x, noise) = (self.file.get("x")?, self.file.get("eps")?);
        let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
        let said = self.model.encoder.encode(x)?;
        let leaf = |tensor: &Tensor| Var::from_tensor(&tensor.detach().contiguous()?);
        let (mean, variance) = (leaf(&said.mean)?, leaf(&said.variance)?);
        let amortised = self.model.flow.amortised(&said.features)?;
        let numbers = amortised.iter().map(|(_, numbers)| leaf(numbers));
        let numbers = numbers.collect::<candle_core::Result<Vec<Var>>>()?;
        let encoded = Encoded {
            features: said.features.detach(),
            mean: mean.as_tensor().clone(),
            variance: variance.as_tensor().clone(),
        };
        let start = (&encoded.mean + (encoded.variance.sqrt()? * noise)?)?;
        let flow = &self.model.flow;
        let (latent, log_det) = flow.apply(&start, &encoded.features, &numbers, &mut Pass::training(&mut rng))?;
        let decoded = self.model.decoder.decode(&latent)?;
        let terms = self.terms(&encoded, noise, (&latent, &log_det), &decoded, x)?;
        let store = terms.loss(1.0)?.backward()?;
        let mut leaves = vec![("z_mu".to_string(), mean), ("z_var".to_string(), variance)];
        leaves.extend(amortised.into_iter().map(|(name, _)| name).zip(numbers));
        for (name, var) in leaves {
            if let Some(gradient) = store.get(&var) {
                self.compare(&format!("g.{name}"), gradient)?;
            }
        }
        Ok(())
    }

    /// The importance weights of the first image.
    fn importance(&mut self) -> Result<()> {
        let Ok(noise) = self.file.get("iw_eps") else {
            return Ok(());
        };
        let (samples, x) = (noise.dim(0)?, self.file.get("x")?.narrow(0, 0, 1)?);
        let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
        let said = self.model.encoder.encode(&x)?;
        let repeat = |tensor: &Tensor| Tensor::cat(&vec![tensor; samples], 0);
        let encoded = Encoded {
            features: repeat(&said.features)?,
            mean: repeat(&said.mean)?,
            variance: repeat(&said.variance)?,
        };
        let x = repeat(&x)?;
        let start = (&encoded.mean + (encoded.variance.sqrt()? * noise)?)?;
        let posterior = self.model.flow.posterior();
        let image = posterior.transform(&start, &encoded.features, &mut Pass::evaluation(&mut rng))?;
        let decoded = self.model.decoder.decode(&image.value)?;
        let terms = self.terms(&encoded, noise, (&image.value, image.log_det()?), &decoded, &x)?;
        let reconstruction = match self.model.input {
            InputType::Binary => Bernoulli::with_floor(FLOOR).log_prob(&decoded, &x)?.neg()?,
            InputType::Multinomial => terms.reconstruction,
        };
        let losses = (reconstruction + terms.divergence)?;
        self.compare("iw_loss", &losses)?;
        let nll = (losses.neg()?.log_sum_exp(0)?.neg()? + (samples as f64).ln())?;
        self.compare("iw_nll", &nll)
    }
}

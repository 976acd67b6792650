//! The density that a bijection makes of a base.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::condition;
use crate::density::Density;
use crate::error::{FlowError, Result};
use crate::finite::non_finite_rows;
use crate::integral::PathIntegrals;
use crate::pass::{Pass, Purpose};
use crate::standard_normal::StandardNormal;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{Parameter, load_parameters};
use std::collections::BTreeMap;
use std::path::Path;

/// The density that a bijection makes of a base distribution.
///
/// `ln p(x) = ln p_base(forward(x)) + ln |det ∂forward/∂x|`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, Pass};
/// use rand::SeedableRng;
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([16, 16]).build()?)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let samples = flow.sample(5, &mut Pass::sampling(&mut rng))?;
/// let log_prob = flow.log_prob(&samples, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!((samples.dims(), log_prob.dims()), (&[5, 2][..], &[5][..]));
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
///
/// Over a base of your own choice, and with rows that are no numbers:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Density, Flow, Pass, StandardNormal, ZeroMean};
/// use rand::SeedableRng;
///
/// // z = x − ½ over N(0, 1).
/// let base = StandardNormal::new(&[1], DType::F64, &Device::Cpu)?;
/// let flow = Flow::new(ZeroMean::new(&[1])?, base)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[0.5], [f64::NAN]], &Device::Cpu)?;
/// let scores = flow.scores(&x, &mut Pass::evaluation(&mut rng))?.to_vec1::<f64>()?;
/// assert!((scores[0] + 0.5 * (2.0 * std::f64::consts::PI).ln()).abs() < 1e-12 && scores[1].is_nan());
/// assert_eq!((flow.base().row_shape(), flow.row_shape()), (&[1][..], &[1][..]));
/// // A base of other rows is refused.
/// let refused = Flow::new(ZeroMean::new(&[2])?, StandardNormal::new(&[3], DType::F64, &Device::Cpu)?);
/// assert!(refused.is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Flow<B, D = StandardNormal> {
    bijection: B,
    base: D,
}

/// A batch's log-densities with the path integrals that come with them.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Cnf, Flow, Pass, PathIntegral};
/// use rand::SeedableRng;
///
/// let flow = Flow::over_normal(Cnf::builder(2).hidden([8]).integrals([PathIntegral::Kinetic]).build()?)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::ones((3, 2), DType::F32, &Device::Cpu)?;
/// let trained = flow.evaluate(&x, &mut Pass::training(&mut rng))?;
/// assert_eq!(trained.log_prob.dims(), [3]);
/// let kinetic = trained.integrals.get(PathIntegral::Kinetic).ok_or("asked for in training")?;
/// assert!(kinetic.to_vec1::<f32>()?.iter().all(|energy| *energy > 0.0));
/// // Evaluation has none.
/// assert!(flow.evaluate(&x, &mut Pass::evaluation(&mut rng))?.integrals.get(PathIntegral::Kinetic).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FlowLogProb {
    /// `ln p(x)`, `[B]`, in nats.
    pub log_prob: Tensor,
    /// Integrals along the paths, `[B]` each.
    pub integrals: PathIntegrals,
}

impl<B: Bijection> Flow<B> {
    /// A flow over the standard normal distribution on the rows that `bijection` makes, in the number type and on the
    /// device of its parameters; `F32` on the CPU for a map without any.
    ///
    /// # Errors
    /// When the device cannot hold a tensor.
    pub fn over_normal(bijection: B) -> Result<Self> {
        let first = bijection.parameters().into_iter().chain(bijection.buffers()).next();
        let (dtype, device) = match &first {
            Some(parameter) => (parameter.var.dtype(), parameter.var.device().clone()),
            None => (DType::F32, Device::Cpu),
        };
        let base = StandardNormal::new(bijection.output_shape(), dtype, &device)?;
        Self::new(bijection, base)
    }
}

impl<B: Bijection> Flow<B> {
    /// Samples `[rows, …]` of noise from `N(0, T² I)` carried to data: below a temperature T of 1 they stay near the middle
    /// of what the flow has learnt. At 1 they are those of [`sample`](Density::sample), bit for bit.
    ///
    /// ```
    /// use ffjord_flow::{Cnf, Flow, Pass};
    /// use rand::SeedableRng;
    ///
    /// let flow = Flow::over_normal(Cnf::builder(2).hidden([16]).build()?)?;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let x = flow.sample_at(0.7, 100, &mut Pass::sampling(&mut rng))?;
    /// assert_eq!(x.dims(), [100, 2]);
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a temperature that is negative or no number; when a solve fails.
    pub fn sample_at(&self, temperature: f64, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(FlowError::invalid("temperature", temperature, "a finite number from 0"));
        }
        self.carry(rows, pass, |z| Ok((z * temperature)?))
    }
}

impl<B: Bijection, D: Density> Flow<B, D> {
    /// A flow over `base`.
    ///
    /// # Errors
    /// [`FlowError::Base`] unless the base is a distribution of what `bijection` makes, in the number type of its
    /// parameters; [`FlowError::InvalidSetting`] when both depend on conditions, of different widths.
    pub fn new(bijection: B, base: D) -> Result<Self> {
        let parameters = bijection.parameters();
        let dtype = parameters
            .first()
            .map_or(base.dtype(), |parameter| parameter.var.dtype());
        if base.row_shape() != bijection.output_shape() || base.dtype() != dtype {
            return Err(FlowError::Base {
                base: format!("rows of {:?} in {:?}", base.row_shape(), base.dtype()),
                bijection: format!("{:?} in {dtype:?}", bijection.output_shape()),
            });
        }
        let (of_bijection, of_base) = (bijection.given_len(), base.given_len());
        if of_bijection > 0 && of_base > 0 && of_bijection != of_base {
            return Err(FlowError::invalid(
                "condition of a flow",
                format!("{of_bijection} columns for the bijection and {of_base} for the base"),
                "of one width",
            ));
        }
        Ok(Self { bijection, base })
    }

    /// The bijection.
    pub fn bijection(&self) -> &B {
        &self.bijection
    }

    /// The base distribution.
    pub fn base(&self) -> &D {
        &self.base
    }

    /// Log-densities of `x` `[B, …]` together with the path integrals.
    ///
    /// # Errors
    /// When the input does not fit, or a solve fails; [`FlowError::NoLogDet`] in a sampling pass.
    pub fn evaluate(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<FlowLogProb> {
        check_rows("batch", x, self.bijection.input_shape())?;
        if pass.purpose() == Purpose::Sampling {
            return Err(FlowError::NoLogDet);
        }
        let rows = x.dim(0)?;
        self.check_condition(pass, rows)?;
        if rows == 0 {
            return Ok(FlowLogProb {
                log_prob: Tensor::zeros(0, x.dtype(), x.device())?,
                integrals: PathIntegrals::none(),
            });
        }
        let image = self.map(pass, |bijection, pass| bijection.forward(x, pass))?;
        let image = image.checked(&self.bijection, rows, self.bijection.output_shape())?;
        let of_base = self.in_base(pass, |base, pass| base.log_prob(&image.value, pass))?;
        let log_prob = (of_base + image.log_det()?)?;
        Ok(FlowLogProb {
            log_prob,
            integrals: image.integrals,
        })
    }

    /// Samples `[rows, …]` with their log-densities `[rows]`, from one pass through the bijection: in a training pass both
    /// are differentiable in the flow's parameters, for objectives that draw from the flow (reverse KL, variational
    /// inference, importance weights).
    ///
    /// ```
    /// use ffjord_flow::{Cnf, Flow, Pass};
    /// use rand::SeedableRng;
    ///
    /// let flow = Flow::over_normal(Cnf::builder(2).hidden([16]).build()?)?;
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let (x, log_prob) = flow.rsample_with_log_prob(8, &mut Pass::training(&mut rng))?;
    /// let loss = (log_prob + x.sqr()?.sum(1)?)?.mean_all()?;
    /// assert!(loss.backward().is_ok());
    /// # Ok::<(), ffjord_flow::FlowError>(())
    /// ```
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate).
    pub fn rsample_with_log_prob(&self, rows: usize, pass: &mut Pass<'_>) -> Result<(Tensor, Tensor)> {
        if pass.purpose() == Purpose::Sampling {
            return Err(FlowError::NoLogDet);
        }
        self.check_condition(pass, rows)?;
        if rows == 0 {
            return Ok((self.no_rows()?, Tensor::zeros(0, self.dtype(), self.device())?));
        }
        let z = self.in_base(pass, |base, pass| base.sample(rows, pass))?;
        let of_base = self.in_base(pass, |base, pass| base.log_prob(&z, pass))?;
        let image = self.map(pass, |bijection, pass| bijection.inverse(&z, pass))?;
        let image = image.checked(&self.bijection, rows, self.bijection.input_shape())?;
        let log_prob = (of_base - image.log_det()?)?;
        Ok((image.value, log_prob))
    }

    /// Log-densities of `x` `[B, …]`, NaN for rows that hold NaN or infinity themselves, or are given such numbers; these
    /// rows [`log_prob`](Density::log_prob) refuses.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate), but for such rows.
    pub fn scores(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        check_rows("batch", x, self.bijection.input_shape())?;
        let rows = x.dim(0)?;
        self.check_condition(pass, rows)?;
        let mut bad = non_finite_rows(x)?;
        if let Some(given) = pass.condition() {
            bad.extend(non_finite_rows(given)?);
        }
        if bad.is_empty() {
            return self.log_prob(x, pass);
        }
        let good: Vec<u32> = (0..rows)
            .filter(|row| !bad.contains(row))
            .map(|row| row as u32)
            .collect();
        let mut scores = vec![f64::NAN; rows];
        if !good.is_empty() {
            let index = Tensor::new(good.as_slice(), x.device())?;
            let given = pass.condition().cloned();
            pass.set_given(given.as_ref().map(|given| given.index_select(&index, 0)).transpose()?);
            let log_prob = self.log_prob(&x.index_select(&index, 0)?, pass);
            pass.set_given(given);
            // The rows that were left out count as well.
            let log_prob =
                log_prob.map_err(|error| error.with_rows(|row| good.get(row).map_or(row, |row| *row as usize)))?;
            let log_prob: Vec<f64> = log_prob.to_dtype(DType::F64)?.to_vec1()?;
            for (row, score) in good.into_iter().zip(log_prob) {
                scores[row as usize] = score;
            }
        }
        Ok(Tensor::new(scores, x.device())?.to_dtype(x.dtype())?)
    }

    /// Writes parameters and buffers to a `.safetensors` file, under their checkpoint names.
    ///
    /// # Errors
    /// [`FlowError::File`] when the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let fail = |cause: String| FlowError::File {
            path: path.to_path_buf(),
            cause,
        };
        let tensors: Vec<(String, Tensor)> = self
            .state()
            .map(|parameter| (parameter.name.clone(), parameter.var.as_detached_tensor()))
            .collect();
        let bytes = safetensors::serialize(tensors, None).map_err(|error| fail(error.to_string()))?;
        ffjord_files::write_atomic(path, &bytes).map_err(|error| fail(error.to_string()))
    }

    /// Reads parameters and buffers from a `.safetensors` file that [`save`](Self::save) or a trainer wrote. Nothing is
    /// changed unless all fit.
    ///
    /// ```
    /// use ffjord_flow::{Cnf, Flow};
    ///
    /// let (trained, fresh) = (Cnf::builder(2).seed(1).build()?, Cnf::builder(2).seed(2).build()?);
    /// let folder = tempfile::tempdir()?;
    /// let file = folder.path().join("moons.safetensors");
    /// Flow::over_normal(trained)?.save(&file)?;
    /// Flow::over_normal(fresh)?.load(&file)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`FlowError::File`] when the file cannot be read or is no `.safetensors` file; [`FlowError::Network`] lists what does
    /// not fit this flow.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let fail = |cause: String| FlowError::File {
            path: path.to_path_buf(),
            cause,
        };
        let bytes = std::fs::read(path).map_err(|error| fail(error.to_string()))?;
        let stored = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu);
        let stored: BTreeMap<String, Tensor> = stored.map_err(|error| fail(error.to_string()))?.into_iter().collect();
        let parameters: Vec<Parameter> = self.state().collect();
        Ok(load_parameters(&parameters, &stored)?)
    }

    /// Samples of the base, changed by `change`, on the side of the data.
    fn carry(&self, rows: usize, pass: &mut Pass<'_>, change: impl FnOnce(Tensor) -> Result<Tensor>) -> Result<Tensor> {
        self.check_condition(pass, rows)?;
        if rows == 0 {
            return self.no_rows();
        }
        let z = change(self.in_base(pass, |base, pass| base.sample(rows, pass))?)?;
        let image = self.map(pass, |bijection, pass| bijection.inverse(&z, pass))?;
        let image = image.checked(&self.bijection, rows, self.bijection.input_shape())?;
        Ok(image.value)
    }

    /// Everything that is saved.
    fn state(&self) -> impl Iterator<Item = Parameter> {
        let parameters = self.bijection.parameters().into_iter();
        parameters.chain(self.bijection.buffers())
    }

    fn no_rows(&self) -> Result<Tensor> {
        let mut shape = vec![0];
        shape.extend_from_slice(self.bijection.input_shape());
        Ok(Tensor::zeros(shape, self.base.dtype(), self.base.device())?)
    }

    fn check_condition(&self, pass: &Pass<'_>, rows: usize) -> Result<()> {
        condition::check(pass.condition(), rows, self.given_len(), self.base.dtype())
    }

    /// The bijection in this pass, which it sees the condition of only if it depends on one.
    fn map(
        &self,
        pass: &mut Pass<'_>,
        apply: impl FnOnce(&B, &mut Pass<'_>) -> Result<Transformed>,
    ) -> Result<Transformed> {
        let given = pass.condition().cloned();
        pass.set_given(given.clone().filter(|_| self.bijection.given_len() > 0));
        let image = apply(&self.bijection, pass);
        pass.set_given(given);
        image
    }

    /// The base in this pass, as [`map`](Self::map).
    fn in_base(&self, pass: &mut Pass<'_>, apply: impl FnOnce(&D, &mut Pass<'_>) -> Result<Tensor>) -> Result<Tensor> {
        let given = pass.condition().cloned();
        pass.set_given(given.clone().filter(|_| self.base.given_len() > 0));
        let result = apply(&self.base, pass);
        pass.set_given(given);
        result
    }
}

impl<B: Bijection, D: Density> Density for Flow<B, D> {
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> Result<Tensor> {
        Ok(self.evaluate(x, pass)?.log_prob)
    }

    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        self.carry(rows, pass, Ok)
    }

    fn row_shape(&self) -> &[usize] {
        self.bijection.input_shape()
    }

    fn dtype(&self) -> DType {
        self.base.dtype()
    }

    fn device(&self) -> &Device {
        self.base.device()
    }

    fn given_len(&self) -> usize {
        self.bijection.given_len().max(self.base.given_len())
    }
}

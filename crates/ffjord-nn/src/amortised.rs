//! Fully connected vector fields some of whose parameters every row has for itself.

use crate::activation::{Activation, ActivationKind};
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::layer::{self, LayerKind, Projection, TimeLayer};
use crate::parameter::{Parameter, ParameterBuilder};
use candle_core::{DType, Device, Tensor};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use rand::RngCore;
use serde::{Deserialize, Serialize};

/// Which parameters of an [`AmortisedMlp`] every row is given for itself.
///
/// ```
/// use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlpConfig, LayerKind};
/// let numbers = |amortisation| {
///     let (layer, activation) = (LayerKind::Concat, ActivationKind::Tanh);
///     AmortisedMlpConfig { dimension: 2, hidden: vec![16], layer, activation, amortisation }.given_len()
/// };
/// assert_eq!(numbers(Amortisation::Bias), 16 + 2);
/// assert_eq!(numbers(Amortisation::LowRank { rank: 3 }), 3 * (2 + 16) + 16 + 3 * (16 + 2) + 2);
/// assert_eq!(numbers(Amortisation::LastLayer), 2 + (1 + 16) * 2);
/// let all = Amortisation::AllLayers { activation_at_the_end: false };
/// assert_eq!(numbers(all), 16 + (1 + 2) * 16 + 2 + (1 + 16) * 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Amortisation {
    /// A bias for every layer: `layer(t, x) + b̂`.
    Bias,
    /// A bias and an update of low rank for every layer: `layer(t, x) + (x U) V + b̂` (FFJORD, eq. 10).
    LowRank {
        /// The rank of U V, at least 1.
        rank: usize,
    },
    /// The whole last layer, `[t, x] W + b̂`; the others are shared by all rows.
    LastLayer,
    /// Every layer whole; there are no shared weights.
    AllLayers {
        /// Whether the nonlinearity follows the last layer too, as the released code has it.
        #[serde(default)]
        activation_at_the_end: bool,
    },
}

/// The architecture of an [`AmortisedMlp`].
///
/// ```
/// use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlpConfig, LayerKind};
/// let config: AmortisedMlpConfig = serde_json::from_str(
///     r#"{"dimension": 2, "hidden": [16], "layer": "concat", "activation": "softplus",
///         "amortisation": {"low-rank": {"rank": 1}}}"#,
/// )?;
/// assert_eq!((config.layer, config.activation), (LayerKind::Concat, ActivationKind::Softplus));
/// assert_eq!(config.amortisation, Amortisation::LowRank { rank: 1 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmortisedMlpConfig {
    /// The state's dimension D.
    pub dimension: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// How the shared layers depend on time.
    #[serde(with = "crate::text")]
    pub layer: LayerKind,
    /// The nonlinearity between layers.
    #[serde(with = "crate::text")]
    pub activation: ActivationKind,
    /// What every row has for itself.
    pub amortisation: Amortisation,
}

impl AmortisedMlpConfig {
    /// Inputs and outputs of every layer.
    fn widths(&self) -> Vec<(usize, usize)> {
        let inputs = std::iter::once(self.dimension).chain(self.hidden.iter().copied());
        let outputs = self.hidden.iter().copied().chain([self.dimension]);
        inputs.zip(outputs).collect()
    }

    /// The numbers that every row has for itself in a layer of these widths.
    fn numbers(&self, (inputs, outputs): (usize, usize), last: bool) -> usize {
        match self.amortisation {
            Amortisation::Bias => outputs,
            Amortisation::LowRank { rank } => rank * (inputs + outputs) + outputs,
            Amortisation::LastLayer if !last => 0,
            Amortisation::LastLayer | Amortisation::AllLayers { .. } => outputs + (inputs + 1) * outputs,
        }
    }

    /// G, the numbers that every row has for itself.
    #[must_use]
    pub fn given_len(&self) -> usize {
        let last = self.hidden.len();
        let widths = self.widths().into_iter().enumerate();
        widths.map(|(index, widths)| self.numbers(widths, index == last)).sum()
    }
}

/// A multi-layer perceptron `[B, D] → [B, D]` that every row has a variation of: what a network made of that row, an
/// encoder for example, reaches it as [`given`](VectorField::given_len) numbers `[B, G]`, which stay the same through a
/// solve and get a gradient.
///
/// A row's numbers are taken layer by layer: of a bias b̂ `[o]`; of an update of low rank U `[i, r]`, V `[r, o]`, b̂ `[o]`;
/// of a whole layer b̂ `[o]` and then W `[1 + i, o]`, whose first row belongs to the time. These are the order and the
/// shapes of the released code; shared parameters are named `layers.0._layer.weight`, ….
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ActivationKind, Amortisation, AmortisedMlp, AmortisedMlpConfig, LayerKind, VectorField};
/// use rand::SeedableRng;
///
/// let config = AmortisedMlpConfig {
///     dimension: 2,
///     hidden: vec![16],
///     layer: LayerKind::Concat,
///     activation: ActivationKind::Softplus,
///     amortisation: Amortisation::LowRank { rank: 1 },
/// };
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = AmortisedMlp::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// assert_eq!(field.given_len(), (2 + 16) + 16 + (16 + 2) + 2);
/// let z = Tensor::zeros((3, 2), DType::F64, &Device::Cpu)?;
/// let own = Tensor::zeros((3, field.given_len()), DType::F64, &Device::Cpu)?;
/// assert_eq!(field.value(0.5, &z, Some(&own))?.dims(), &[3, 2]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct AmortisedMlp {
    config: AmortisedMlpConfig,
    shape: [usize; 1],
    /// None where the whole layer is a row's own.
    layers: Vec<Option<Box<dyn TimeLayer>>>,
    activation: Activation,
    parameters: Vec<Parameter>,
    dtype: DType,
    device: Device,
}

impl AmortisedMlp {
    /// A network whose shared layers have PyTorch's default initialisation, drawn from `rng`.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] when a width or the rank is 0.
    pub fn new(config: &AmortisedMlpConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let no_rank = config.amortisation == Amortisation::LowRank { rank: 0 };
        if config.dimension == 0 || config.hidden.contains(&0) || no_rank {
            return Err(NnError::InvalidArchitecture {
                reason: format!(
                    "dimension {} with hidden widths {:?} and {:?}: every width and the rank must be at least 1",
                    config.dimension, config.hidden, config.amortisation
                ),
            });
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let last = config.hidden.len();
        let layers = config
            .widths()
            .into_iter()
            .enumerate()
            .map(|(index, (inputs, outputs))| {
                let shared = match config.amortisation {
                    Amortisation::Bias | Amortisation::LowRank { .. } => true,
                    Amortisation::LastLayer => index < last,
                    Amortisation::AllLayers { .. } => false,
                };
                let build = |builder: &mut ParameterBuilder<'_>| {
                    layer::build(config.layer, Projection::Dense, inputs, outputs, builder)
                };
                shared
                    .then(|| builder.scoped(format!("layers.{index}"), build))
                    .transpose()
            });
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let activation = Activation::new(config.activation, &mut builder)?;
        Ok(Self {
            config: config.clone(),
            shape: [config.dimension],
            layers,
            activation,
            parameters: builder.finish(),
            dtype,
            device: device.clone(),
        })
    }

    /// One layer with what every row has of it for itself, which is taken from `own`.
    fn layer(&self, index: usize, t: &Tensor, h: &Dual, own: &mut Own<'_>) -> Result<Dual> {
        let (inputs, outputs) = self.config.widths()[index];
        let Some(layer) = &self.layers[index] else {
            let bias = own.take(outputs)?;
            let weight = own.matrices(inputs + 1, outputs)?;
            let of_time = weight
                .narrow(1, 0, 1)?
                .squeeze(1)?
                .broadcast_mul(&t.reshape(((), 1))?)?;
            let product = h.times_matrices(&weight.narrow(1, 1, inputs)?.contiguous()?)?;
            return product.shift(&(of_time + bias)?);
        };
        let shared = match t.rank() {
            1 => layer.at(&Dual::constant(t.clone())?, None)?.apply(h)?,
            _ => layer.rowwise(t, h)?,
        };
        let updated = match self.config.amortisation {
            Amortisation::LowRank { rank } => {
                let (down, up) = (own.matrices(inputs, rank)?, own.matrices(rank, outputs)?);
                shared.add(&h.times_matrices(&down)?.times_matrices(&up)?)?
            }
            _ => shared,
        };
        match self.config.amortisation {
            Amortisation::LastLayer => Ok(updated),
            _ => updated.shift(&own.take(outputs)?),
        }
    }
}

impl VectorField for AmortisedMlp {
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

    fn given_len(&self) -> usize {
        self.config.given_len()
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        let rank = match self.config.amortisation {
            Amortisation::Bias => 0,
            Amortisation::LowRank { rank } => rank,
            Amortisation::LastLayer | Amortisation::AllLayers { .. } => return Ok(None),
        };
        if !self.device.is_cpu() {
            return Ok(None);
        }
        let dimension = self.config.dimension;
        let dimensions = [&[dimension], self.config.hidden.as_slice(), &[dimension]].concat();
        let shape =
            MlpArchitecture::new(&dimensions, self.config.layer, self.config.activation)?.with_own_parts(rank)?;
        let level = SimdLevel::detect();
        FieldKernel::of(
            &self.parameters,
            self.dtype,
            |numbers| MlpKernel::new(level, shape.clone(), numbers),
            |numbers| MlpKernel::new(level, shape.clone(), numbers),
        )
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        let width = self.given_len();
        let numbers = given.ok_or(NnError::NothingGiven { width })?;
        let mut own = Own { numbers, taken: 0 };
        let mut h = self.layer(0, t, z, &mut own)?;
        for index in 1..self.layers.len() {
            h = self.layer(index, t, &self.activation.apply(&h)?, &mut own)?;
        }
        match self.config.amortisation {
            Amortisation::AllLayers {
                activation_at_the_end: true,
            } => self.activation.apply(&h),
            _ => Ok(h),
        }
    }
}

/// The numbers that every row has for itself, taken in their order.
struct Own<'a> {
    /// `[B, G]`.
    numbers: &'a Tensor,
    taken: usize,
}

impl Own<'_> {
    /// The next numbers, `[B, count]`.
    fn take(&mut self, count: usize) -> Result<Tensor> {
        let numbers = self.numbers.narrow(1, self.taken, count)?;
        self.taken += count;
        Ok(numbers)
    }

    /// The next numbers as a matrix for each row, `[B, rows, columns]`.
    fn matrices(&mut self, rows: usize, columns: usize) -> Result<Tensor> {
        let numbers = self.take(rows * columns)?.contiguous()?;
        Ok(numbers.reshape(((), rows, columns))?)
    }
}

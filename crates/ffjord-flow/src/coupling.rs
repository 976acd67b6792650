//! Coupling layers: some columns decide how the others are transformed.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::condition::beside;
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::transform::ColumnTransform;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::{ActivationKind, FeedForward, FeedForwardConfig, Parameter, ParameterBuilder};
use rand::RngCore;
use std::sync::Arc;

/// What a [`Coupling`] is made of.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_flow::{Affine, Coupling, CouplingConfig, FlowError};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = |transformed: [bool; 2], condition| {
///     let (hidden, activation, transform) = (vec![8], ActivationKind::Relu, Arc::new(Affine));
///     CouplingConfig { transformed: transformed.to_vec(), condition, hidden, activation, transform }
/// };
/// // All columns: how is for a condition to decide.
/// assert!(Coupling::new(&config([true, true], 3), &mut rng, DType::F32, &Device::Cpu).is_ok());
/// for refused in [config([true, true], 0), config([false, false], 3)] {
///     let error = Coupling::new(&refused, &mut rng, DType::F32, &Device::Cpu);
///     assert!(matches!(error, Err(FlowError::InvalidSetting { .. })));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct CouplingConfig {
    /// One entry a column: whether it is transformed. The others pass unchanged and are the network's input.
    pub transformed: Vec<bool>,
    /// The columns of the condition, 0 for none.
    pub condition: usize,
    /// The widths of the network's hidden layers.
    pub hidden: Vec<usize>,
    /// The nonlinearity between the network's layers.
    pub activation: ActivationKind,
    /// What is done to the transformed columns.
    pub transform: Arc<dyn ColumnTransform>,
}

/// `z_b = g(x_b; θ(x_a, c))`, `z_a = x_a` (Dinh et al. 2017, eq. 7 and 8, for any column transform g).
///
/// With every column transformed and a condition, it is a map of x whose parameters depend on c alone: as the last part
/// of a chain, with an affine transform, it turns the base into a Gaussian that depends on the condition.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Coupling, CouplingConfig, Pass, RationalQuadraticSpline};
/// use ffjord_nn::ActivationKind;
/// use rand::SeedableRng;
/// use std::sync::Arc;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = CouplingConfig {
///     transformed: vec![false, true],
///     condition: 0,
///     hidden: vec![16],
///     activation: ActivationKind::Relu,
///     transform: Arc::new(RationalQuadraticSpline::new(8, 3.0)?),
/// };
/// let coupling = Coupling::new(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// let x = Tensor::new(&[[0.3, -0.7]], &Device::Cpu)?;
/// let z = coupling.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// let back = coupling.inverse(&z.value, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?;
/// assert!((back[0][1] + 0.7).abs() < 1e-9);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct Coupling {
    row_shape: [usize; 1],
    condition: usize,
    network: FeedForward,
    transform: Arc<dyn ColumnTransform>,
    /// The columns that pass and those that are transformed.
    passing: Tensor,
    transformed: Tensor,
    /// Where each column is after those that pass stand before those that are transformed.
    places: Tensor,
    parameters: Vec<Parameter>,
}

impl Coupling {
    /// The identity at first, but for rounding; hidden weights are drawn from `rng`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] when no column is transformed, or when neither a column nor a condition is left to
    /// decide how.
    pub fn new(config: &CouplingConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let columns = 0..config.transformed.len() as u32;
        let (transformed, passing): (Vec<u32>, Vec<u32>) =
            columns.partition(|&column| config.transformed[column as usize]);
        let inputs = passing.len() + config.condition;
        if transformed.is_empty() || inputs == 0 {
            return Err(FlowError::invalid(
                "columns of a coupling layer",
                format!("{} transformed, {inputs} others or of a condition", transformed.len()),
                "at least one of each: a table of at least two columns, or a condition",
            ));
        }
        let mut builder = ParameterBuilder::new(rng, dtype, device);
        let network = FeedForwardConfig {
            inputs,
            hidden: config.hidden.clone(),
            outputs: transformed.len() * config.transform.parameter_count(),
            activation: config.activation,
        };
        let network = FeedForward::dense(&network, &mut builder)?;
        let mut places = vec![0; config.transformed.len()];
        for (place, &column) in passing.iter().chain(&transformed).enumerate() {
            places[column as usize] = place as u32;
        }
        let index = |columns: Vec<u32>| Tensor::new(columns, device);
        Ok(Self {
            row_shape: [config.transformed.len()],
            condition: config.condition,
            network,
            transform: config.transform.clone(),
            passing: index(passing)?,
            transformed: index(transformed)?,
            places: index(places)?,
            parameters: builder.finish(),
        })
    }

    fn run(
        &self,
        input: &Tensor,
        pass: &Pass<'_>,
        apply: impl Fn(&Tensor, &Tensor) -> Result<(Tensor, Tensor)>,
    ) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        let rows = input.dim(0)?;
        let transformed = input.index_select(&self.transformed, 1)?;
        let passing = match self.passing.elem_count() {
            0 => input.narrow(1, 0, 0)?,
            _ => input.index_select(&self.passing, 1)?,
        };
        let network_input = beside(&passing, pass.condition(), self.condition)?;
        let shape = (rows, self.transformed.elem_count(), self.transform.parameter_count());
        let parameters = self.network.apply(&network_input)?.reshape(shape)?;
        let (image, log_slope) = apply(&transformed, &parameters)?;
        let value = match self.passing.elem_count() {
            0 => image,
            _ => Tensor::cat(&[&passing, &image], 1)?.index_select(&self.places, 1)?,
        };
        Ok(Transformed::new(value, log_slope.sum(1)?))
    }
}

impl Bijection for Coupling {
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
        self.condition
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }
}

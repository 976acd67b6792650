//! Optimisers whose whole state can be saved, and that refuse gradients which are not finite.

mod adam;
mod adamax;
mod gradients;
mod moments;

pub use adam::{Adam, AdamConfig};
pub use adamax::{Adamax, AdamaxConfig};
pub use gradients::{clip_global_norm, global_norm};

use crate::error::{Result, TrainError, check_setting};
use candle_core::Tensor;
use ffjord_nn::Parameter;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Changes parameters, given at construction, by their gradients.
///
/// One of your own, plain gradient descent:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Optimizer, TrainError};
/// use std::collections::BTreeMap;
///
/// #[derive(Debug)]
/// struct Descent(Vec<Parameter>);
///
/// impl Optimizer for Descent {
///     fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<(), TrainError> {
///         for (parameter, gradient) in self.0.iter().zip(gradients) {
///             parameter.var.set(&(parameter.var.as_detached_tensor() - (gradient * learning_rate)?)?)?;
///         }
///         Ok(())
///     }
///     fn state(&self) -> Result<Vec<(String, Tensor)>, TrainError> { Ok(Vec::new()) }
///     fn load_state(&mut self, _state: &BTreeMap<String, Tensor>) -> Result<(), TrainError> { Ok(()) }
/// }
///
/// let weight = Parameter::constant("weight", 1, 1.0, DType::F64, &Device::Cpu)?;
/// let mut descent: Box<dyn Optimizer> = Box::new(Descent(vec![weight.clone()]));
/// descent.step(&[Tensor::new(&[4.0], &Device::Cpu)?], 0.125)?;
/// assert_eq!(weight.var.to_vec1::<f64>()?, [0.5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Optimizer: fmt::Debug + Send {
    /// One step against `gradients`, which have the order, shapes and types of the parameters.
    ///
    /// # Errors
    /// [`TrainError::NonFiniteGradient`] names the parameters whose gradient holds NaN, an infinity or a value whose
    /// square is not finite; [`TrainError::GradientCount`] and [`TrainError::GradientMismatch`] tell of gradients that
    /// do not fit. Neither weights nor state are changed then.
    fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<()>;

    /// All that [`load_state`](Self::load_state) needs to go on bit by bit, under names that start with `optimizer.`.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    fn state(&self) -> Result<Vec<(String, Tensor)>>;

    /// Takes over a saved state; entries of other names are left alone.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`] lists every entry that is missing or does not fit; nothing is changed then.
    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()>;
}

/// The optimisers by name.
///
/// ```
/// use ffjord_train::OptimizerKind;
///
/// assert_eq!("adamax".parse::<OptimizerKind>()?, OptimizerKind::Adamax);
/// let error = "sgd".parse::<OptimizerKind>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown optimizer `sgd`: accepted are adam, adamax");
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, Default)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OptimizerKind {
    /// [`Adam`].
    #[default]
    Adam,
    /// [`Adamax`].
    Adamax,
}

impl OptimizerKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Adam, Self::Adamax];

    /// The optimiser over `parameters`, with default settings but for the weight decay.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_nn::Parameter;
    /// use ffjord_train::OptimizerKind;
    /// let weight = Parameter::constant("weight", 1, 1.0, DType::F64, &Device::Cpu)?;
    /// let mut optimizer = OptimizerKind::Adamax.build(vec![weight.clone()], 0.0)?;
    /// optimizer.step(&[weight.var.ones_like()?], 0.1)?;
    /// assert!((weight.var.to_vec1::<f64>()?[0] - 0.9).abs() < 1e-6);
    /// assert!(OptimizerKind::Adam.build(vec![weight], -1.0).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`] if the weight decay is negative or not finite.
    pub fn build(self, parameters: Vec<Parameter>, weight_decay: f64) -> Result<Box<dyn Optimizer>> {
        Ok(match self {
            Self::Adam => Box::new(Adam::new(
                parameters,
                AdamConfig {
                    weight_decay,
                    ..AdamConfig::default()
                },
            )?),
            Self::Adamax => Box::new(Adamax::new(
                parameters,
                AdamaxConfig {
                    weight_decay,
                    ..AdamaxConfig::default()
                },
            )?),
        })
    }
}

impl fmt::Display for OptimizerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Adam => "adam",
            Self::Adamax => "adamax",
        })
    }
}

impl FromStr for OptimizerKind {
    type Err = TrainError;

    fn from_str(given: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.to_string() == given)
            .ok_or_else(|| TrainError::UnknownName {
                kind: "optimizer",
                given: given.to_string(),
                accepted: Self::ALL.map(|kind| kind.to_string()).join(", "),
            })
    }
}

fn check_decay_rates(beta1: f64, beta2: f64, epsilon: f64, weight_decay: f64) -> Result<()> {
    let rate = |value: f64| (0.0..1.0).contains(&value);
    check_setting("the optimizer's beta1", beta1, "a number in [0, 1)", rate)?;
    check_setting("the optimizer's beta2", beta2, "a number in [0, 1)", rate)?;
    check_setting("the optimizer's epsilon", epsilon, "a positive, finite number", |e| {
        e > 0.0 && e.is_finite()
    })?;
    let decay = |value: f64| value >= 0.0 && value.is_finite();
    check_setting("weight_decay", weight_decay, "a finite number, not negative", decay)
}

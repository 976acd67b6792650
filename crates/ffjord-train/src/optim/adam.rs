//! Adam.

use super::moments::{Coefficients, Pair, Rule, TwoMoments};
use super::{Optimizer, check_decay_rates};
use crate::error::Result;
use crate::slices::Real;
use candle_core::Tensor;
use ffjord_nn::Parameter;
use std::collections::BTreeMap;

/// The settings of [`Adam`].
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Adam, AdamConfig, Optimizer};
///
/// let weight = Parameter::constant("weight", 1, 1.0, DType::F64, &Device::Cpu)?;
/// let decay = AdamConfig { weight_decay: 0.1, ..AdamConfig::default() };
/// let mut adam = Adam::new(vec![weight.clone()], decay)?;
/// // Without a gradient the decay alone moves the weight towards 0.
/// adam.step(&[weight.var.zeros_like()?], 0.01)?;
/// assert!((weight.var.to_vec1::<f64>()?[0] - 0.99).abs() < 1e-6);
/// let refused = Adam::new(vec![weight], AdamConfig { beta1: 1.0, ..decay }).unwrap_err().to_string();
/// assert!(refused.contains("beta1"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamConfig {
    /// Decay rate of the first moment, in `[0, 1)`.
    pub beta1: f64,
    /// Decay rate of the second moment, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the root of the second moment, which bounds the step of weights that have tiny gradients.
    pub epsilon: f64,
    /// Factor of the weights that is added to their gradient (an L2 penalty of half this factor).
    pub weight_decay: f64,
}

impl Default for AdamConfig {
    /// β₁ = 0.9, β₂ = 0.999, ε = 1e-8 and no weight decay.
    fn default() -> Self {
        Self {
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
        }
    }
}

/// Adam (Kingma & Ba 2015, algorithm 1), with weight decay as PyTorch's `Adam` has it.
///
/// ```text
/// g ← g + decay · w
/// m ← β₁ m + (1 − β₁) g
/// v ← β₂ v + (1 − β₂) g²
/// w ← w − rate · m / (1 − β₁ⁿ) / (√v / √(1 − β₂ⁿ) + ε)     in step n = 1, 2, …
/// ```
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Adam, AdamConfig, Optimizer};
///
/// let weight = Var::new(&[1f64, -2.0], &Device::Cpu)?;
/// let parameters = vec![Parameter { name: "weight".into(), var: weight.clone() }];
/// let mut adam = Adam::new(parameters, AdamConfig::default())?;
/// adam.step(&[Tensor::new(&[0.5f64, -3.0], &Device::Cpu)?], 0.1)?;
/// // The first step has the length of the learning rate, whatever the gradient.
/// let moved = weight.to_vec1::<f64>()?;
/// assert!((moved[0] - 0.9).abs() < 1e-8 && (moved[1] + 1.9).abs() < 1e-8);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug)]
pub struct Adam(TwoMoments<AdamConfig>);

impl Adam {
    /// Adam over `parameters`, with moments of zero.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`](crate::TrainError::InvalidSetting) for settings outside their range.
    pub fn new(parameters: Vec<Parameter>, config: AdamConfig) -> Result<Self> {
        check_decay_rates(config.beta1, config.beta2, config.epsilon, config.weight_decay)?;
        Ok(Self(TwoMoments::new(config, parameters)?))
    }
}

impl Optimizer for Adam {
    fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<()> {
        self.0.step(gradients, learning_rate)
    }

    fn state(&self) -> Result<Vec<(String, Tensor)>> {
        self.0.state()
    }

    fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        self.0.load_state(state)
    }
}

impl Rule for AdamConfig {
    const SECOND_MOMENT: &'static str = "second_moment";

    fn coefficients(&self, steps: u64, learning_rate: f64) -> Coefficients {
        Coefficients {
            step_size: learning_rate / (1.0 - self.beta1.powf(steps as f64)),
            second_correction: (1.0 - self.beta2.powf(steps as f64)).sqrt(),
        }
    }

    fn update<T: Real>(&self, with: Coefficients, weights: &mut [T], gradient: &[T], moments: &mut Pair<Vec<T>>) {
        let (decay, epsilon) = (T::from_f64(self.weight_decay), T::from_f64(self.epsilon));
        let first_rate = T::from_f64(1.0 - self.beta1);
        let (beta2, second_rate) = (T::from_f64(self.beta2), T::from_f64(1.0 - self.beta2));
        let (step_size, correction) = (T::from_f64(with.step_size), T::from_f64(with.second_correction));
        let moments = moments.first.iter_mut().zip(&mut moments.second);
        for ((weight, gradient), (first, second)) in weights.iter_mut().zip(gradient).zip(moments) {
            let gradient = *gradient + decay * *weight;
            *first += first_rate * (gradient - *first);
            *second = beta2 * *second + second_rate * gradient * gradient;
            *weight -= step_size * *first / ((*second).sqrt() / correction + epsilon);
        }
    }

    fn evaluate(
        &self,
        with: Coefficients,
        weights: &Tensor,
        gradient: &Tensor,
        moments: &Pair<Tensor>,
    ) -> candle_core::Result<(Tensor, Pair<Tensor>)> {
        let gradient = (gradient + (weights * self.weight_decay)?)?;
        let first = (&moments.first + ((&gradient - &moments.first)? * (1.0 - self.beta1))?)?;
        let second = ((&moments.second * self.beta2)? + (gradient.sqr()? * (1.0 - self.beta2))?)?;
        let root = ((second.sqrt()? / with.second_correction)? + self.epsilon)?;
        let weights = (weights - ((&first * with.step_size)? / root)?)?;
        Ok((weights, Pair { first, second }))
    }
}

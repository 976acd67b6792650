//! Adamax.

use super::moments::{Coefficients, Pair, Rule, TwoMoments};
use super::{Optimizer, check_decay_rates};
use crate::error::Result;
use crate::slices::Real;
use candle_core::Tensor;
use ffjord_nn::Parameter;
use std::collections::BTreeMap;

/// The settings of [`Adamax`].
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Adamax, AdamaxConfig, Optimizer};
///
/// // Without memory every step is the learning rate against the gradient's sign.
/// let weight = Parameter::constant("weight", 2, 0.0, DType::F64, &Device::Cpu)?;
/// let config = AdamaxConfig { beta1: 0.0, beta2: 0.0, ..AdamaxConfig::default() };
/// let mut adamax = Adamax::new(vec![weight.clone()], config)?;
/// adamax.step(&[Tensor::new(&[3.0, -0.5], &Device::Cpu)?], 0.1)?;
/// let moved = weight.var.to_vec1::<f64>()?;
/// assert!((moved[0] + 0.1).abs() < 1e-6 && (moved[1] - 0.1).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamaxConfig {
    /// Decay rate of the first moment, in `[0, 1)`.
    pub beta1: f64,
    /// Decay rate of the infinity norm, in `[0, 1)`.
    pub beta2: f64,
    /// Added to the gradient's magnitude, so that the infinity norm is never zero; positive.
    pub epsilon: f64,
    /// Factor of the weights that is added to their gradient (an L2 penalty of half this factor).
    pub weight_decay: f64,
}

impl Default for AdamaxConfig {
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

/// Adamax: Adam with the infinity norm (Kingma & Ba 2015, algorithm 2), with ε and weight decay as PyTorch's `Adamax`.
///
/// ```text
/// g ← g + decay · w
/// m ← β₁ m + (1 − β₁) g
/// u ← max(β₂ u, |g| + ε)
/// w ← w − rate / (1 − β₁ⁿ) · m / u     in step n = 1, 2, …
/// ```
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use ffjord_nn::Parameter;
/// use ffjord_train::{Adamax, AdamaxConfig, Optimizer};
///
/// let weight = Var::new(1f64, &Device::Cpu)?;
/// let parameters = vec![Parameter { name: "weight".into(), var: weight.clone() }];
/// let mut adamax = Adamax::new(parameters, AdamaxConfig::default())?;
/// for _ in 0..200 {
///     let gradient = (weight.as_detached_tensor() * 2.0)?;
///     adamax.step(&[gradient], 0.02)?;
/// }
/// assert!(weight.to_scalar::<f64>()?.abs() < 0.1);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug)]
pub struct Adamax(TwoMoments<AdamaxConfig>);

impl Adamax {
    /// Adamax over `parameters`, with moments of zero.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`](crate::TrainError::InvalidSetting) for settings outside their range.
    pub fn new(parameters: Vec<Parameter>, config: AdamaxConfig) -> Result<Self> {
        check_decay_rates(config.beta1, config.beta2, config.epsilon, config.weight_decay)?;
        Ok(Self(TwoMoments::new(config, parameters)?))
    }
}

impl Optimizer for Adamax {
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

impl Rule for AdamaxConfig {
    const SECOND_MOMENT: &'static str = "infinity_norm";

    fn coefficients(&self, steps: u64, learning_rate: f64) -> Coefficients {
        // The infinity norm starts without a bias towards zero.
        Coefficients {
            step_size: learning_rate / (1.0 - self.beta1.powf(steps as f64)),
            second_correction: 1.0,
        }
    }

    fn update<T: Real>(&self, with: Coefficients, weights: &mut [T], gradient: &[T], moments: &mut Pair<Vec<T>>) {
        let (decay, epsilon) = (T::from_f64(self.weight_decay), T::from_f64(self.epsilon));
        let (first_rate, beta2) = (T::from_f64(1.0 - self.beta1), T::from_f64(self.beta2));
        let step_size = T::from_f64(with.step_size);
        let moments = moments.first.iter_mut().zip(&mut moments.second);
        for ((weight, gradient), (first, norm)) in weights.iter_mut().zip(gradient).zip(moments) {
            let gradient = *gradient + decay * *weight;
            *first += first_rate * (gradient - *first);
            let (decayed, magnitude) = (beta2 * *norm, gradient.abs() + epsilon);
            *norm = if decayed > magnitude { decayed } else { magnitude };
            *weight -= step_size * *first / *norm;
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
        let second = (&moments.second * self.beta2)?.maximum(&(gradient.abs()? + self.epsilon)?)?;
        let weights = (weights - ((&first * with.step_size)? / &second)?)?;
        Ok((weights, Pair { first, second }))
    }
}

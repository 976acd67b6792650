//! What Adam and Adamax share: two moments a weight, their storage, and the checks before a step.

use super::gradients::has_finite_squares;
use crate::error::{Result, TrainError, check_setting};
use crate::slices::{Access, Real, read, update};
use crate::state::{SavedState, describe};
use candle_core::{Device, Tensor};
use ffjord_nn::Parameter;
use std::collections::BTreeMap;

/// The state's entry for the number of steps.
const STEPS: &str = "optimizer.steps";

/// How one step changes a weight and its two moments.
pub(super) trait Rule: std::fmt::Debug + Send {
    /// What the second moment is called in checkpoints.
    const SECOND_MOMENT: &'static str;

    /// The step's numbers; `steps` counts this step too.
    fn coefficients(&self, steps: u64, learning_rate: f64) -> Coefficients;

    /// Changes weights and moments in place, in one pass.
    fn update<T: Real>(&self, with: Coefficients, weights: &mut [T], gradient: &[T], moments: &mut Pair<Vec<T>>);

    /// The same by tensor operations: the new weights and moments.
    fn evaluate(
        &self,
        with: Coefficients,
        weights: &Tensor,
        gradient: &Tensor,
        moments: &Pair<Tensor>,
    ) -> candle_core::Result<(Tensor, Pair<Tensor>)>;
}

/// The numbers of a step that all weights share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Coefficients {
    /// The learning rate over the first moment's bias correction.
    pub(super) step_size: f64,
    /// What the root of the second moment is divided by.
    pub(super) second_correction: f64,
}

/// The first and second moment of a parameter.
#[derive(Debug, Clone)]
pub(super) struct Pair<T> {
    pub(super) first: T,
    pub(super) second: T,
}

#[derive(Debug, Clone)]
enum Moments {
    F32(Pair<Vec<f32>>),
    F64(Pair<Vec<f64>>),
    Tensors(Pair<Tensor>),
}

impl Moments {
    fn zeros(parameter: &Tensor) -> Result<Self> {
        fn zeros<T: Real>(count: usize) -> Pair<Vec<T>> {
            Pair {
                first: vec![T::zero(); count],
                second: vec![T::zero(); count],
            }
        }
        Ok(match Access::of(parameter) {
            Access::F32 => Self::F32(zeros(parameter.elem_count())),
            Access::F64 => Self::F64(zeros(parameter.elem_count())),
            Access::Operations => {
                let zeros = parameter.zeros_like()?.detach();
                Self::Tensors(Pair {
                    first: zeros.clone(),
                    second: zeros,
                })
            }
        })
    }

    fn from_tensors(first: &Tensor, second: &Tensor, parameter: &Tensor) -> Result<Self> {
        fn values<T: Real>(first: &Tensor, second: &Tensor) -> Result<Pair<Vec<T>>> {
            Ok(Pair {
                first: read(first, <[T]>::to_vec)?,
                second: read(second, <[T]>::to_vec)?,
            })
        }
        Ok(match Access::of(parameter) {
            Access::F32 => Self::F32(values(first, second)?),
            Access::F64 => Self::F64(values(first, second)?),
            Access::Operations => {
                let place = |tensor: &Tensor| tensor.detach().to_device(parameter.device());
                Self::Tensors(Pair {
                    first: place(first)?,
                    second: place(second)?,
                })
            }
        })
    }

    fn to_tensors(&self, parameter: &Tensor) -> Result<[Tensor; 2]> {
        fn tensors<T: Real>(pair: &Pair<Vec<T>>, parameter: &Tensor) -> candle_core::Result<[Tensor; 2]> {
            let tensor = |values: &[T]| Tensor::from_slice(values, parameter.shape(), &Device::Cpu);
            Ok([tensor(&pair.first)?, tensor(&pair.second)?])
        }
        Ok(match self {
            Self::F32(pair) => tensors(pair, parameter)?,
            Self::F64(pair) => tensors(pair, parameter)?,
            Self::Tensors(pair) => [pair.first.clone(), pair.second.clone()],
        })
    }
}

/// An optimiser with two moments a weight, following `R`.
#[derive(Debug)]
pub(super) struct TwoMoments<R> {
    rule: R,
    parameters: Vec<Parameter>,
    moments: Vec<Moments>,
    steps: u64,
}

impl<R: Rule> TwoMoments<R> {
    pub(super) fn new(rule: R, parameters: Vec<Parameter>) -> Result<Self> {
        let moments = parameters
            .iter()
            .map(|parameter| Moments::zeros(&parameter.var))
            .collect::<Result<_>>()?;
        Ok(Self {
            rule,
            parameters,
            moments,
            steps: 0,
        })
    }

    pub(super) fn step(&mut self, gradients: &[Tensor], learning_rate: f64) -> Result<()> {
        self.check(gradients, learning_rate)?;
        let coefficients = self.rule.coefficients(self.steps + 1, learning_rate);
        for ((parameter, gradient), moments) in self.parameters.iter().zip(gradients).zip(&mut self.moments) {
            let rule = &self.rule;
            match moments {
                Moments::F32(pair) => update(&parameter.var, gradient, &mut |weights, gradient| {
                    rule.update(coefficients, weights, gradient, pair);
                })?,
                Moments::F64(pair) => update(&parameter.var, gradient, &mut |weights, gradient| {
                    rule.update(coefficients, weights, gradient, pair);
                })?,
                Moments::Tensors(pair) => {
                    let weights = parameter.var.as_detached_tensor();
                    let (weights, new) = rule.evaluate(coefficients, &weights, &gradient.detach(), pair)?;
                    parameter.var.set(&weights)?;
                    *pair = new;
                }
            }
        }
        self.steps += 1;
        Ok(())
    }

    /// Refuses what must not reach weights or moments, before anything is changed.
    fn check(&self, gradients: &[Tensor], learning_rate: f64) -> Result<()> {
        let in_range = |rate: f64| rate >= 0.0 && rate.is_finite();
        check_setting(
            "the learning rate",
            learning_rate,
            "a finite number, not negative",
            in_range,
        )?;
        if gradients.len() != self.parameters.len() {
            return Err(TrainError::GradientCount {
                given: gradients.len(),
                expected: self.parameters.len(),
            });
        }
        let mut not_finite = Vec::new();
        for (parameter, gradient) in self.parameters.iter().zip(gradients) {
            let same_type = parameter.var.dtype() == gradient.dtype();
            let same_device = parameter.var.device().same_device(gradient.device());
            if !(same_type && same_device && parameter.var.shape() == gradient.shape()) {
                return Err(TrainError::GradientMismatch {
                    parameter: parameter.name.clone(),
                    given: describe(gradient),
                    expected: describe(&parameter.var),
                });
            }
            if !has_finite_squares(gradient)? {
                not_finite.push(parameter.name.clone());
            }
        }
        if not_finite.is_empty() {
            Ok(())
        } else {
            Err(TrainError::NonFiniteGradient { parameters: not_finite })
        }
    }

    pub(super) fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let mut state = Vec::with_capacity(2 * self.parameters.len() + 1);
        for (parameter, moments) in self.parameters.iter().zip(&self.moments) {
            let names = Self::names(parameter);
            state.extend(names.into_iter().zip(moments.to_tensors(&parameter.var)?));
        }
        state.push(SavedState::count(STEPS, self.steps)?);
        Ok(state)
    }

    pub(super) fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let mut saved = SavedState::new(state);
        let steps = saved.read_count(STEPS);
        let tensors: Vec<[Option<&Tensor>; 2]> = self
            .parameters
            .iter()
            .map(|parameter| Self::names(parameter).map(|name| saved.tensor(&name, &parameter.var)))
            .collect();
        saved.finish()?;
        let mut loaded = Vec::with_capacity(self.moments.len());
        for (parameter, tensors) in self.parameters.iter().zip(tensors) {
            if let [Some(first), Some(second)] = tensors {
                loaded.push(Moments::from_tensors(first, second, &parameter.var)?);
            }
        }
        self.moments = loaded;
        self.steps = steps;
        Ok(())
    }

    fn names(parameter: &Parameter) -> [String; 2] {
        ["first_moment", R::SECOND_MOMENT].map(|moment| format!("optimizer.{}.{moment}", parameter.name))
    }
}

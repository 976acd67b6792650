//! Averages of weights over a run.

use crate::error::{Result, check_setting};
use crate::slices::{Access, Real, read};
use crate::state::SavedState;
use candle_core::{Device, Tensor};
use ffjord_nn::Parameter;
use std::collections::BTreeMap;

/// The state's entry for the number of updates.
const UPDATES: &str = "average.updates";

/// An exponential moving average of weights, without bias towards where they started.
///
/// After n updates with the weights w₁ … wₙ it is `Σᵢ dⁿ⁻ⁱ wᵢ / Σᵢ dⁿ⁻ⁱ` with the decay d, computed as
/// `ā ← ā + (1 − d) / (1 − dⁿ) · (wₙ − ā)`. Before the first update it is the weights at construction.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use ffjord_nn::Parameter;
/// use ffjord_train::WeightAverage;
///
/// let weight = Var::new(0f64, &Device::Cpu)?;
/// let parameter = Parameter { name: "weight".into(), var: weight.clone() };
/// let mut average = WeightAverage::new(&[parameter], 0.5)?;
/// for value in [1f64, 2.0] {
///     weight.set(&Tensor::new(value, &Device::Cpu)?)?;
///     average.update()?;
/// }
/// // (0.5 · 1 + 2) / (0.5 + 1)
/// assert!((average.values()[0].to_scalar::<f64>()? - 5.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
#[derive(Debug)]
pub struct WeightAverage {
    parameters: Vec<Parameter>,
    values: Vec<Tensor>,
    decay: f64,
    updates: u64,
}

impl WeightAverage {
    /// The average of `parameters` with this decay, in `[0, 1)`: about `1 / (1 − decay)` updates count.
    ///
    /// # Errors
    /// [`TrainError::InvalidSetting`](crate::TrainError::InvalidSetting) for a decay outside its range.
    pub fn new(parameters: &[Parameter], decay: f64) -> Result<Self> {
        check_decay(decay)?;
        let copy = |parameter: &Parameter| Ok(parameter.var.copy()?.detach());
        let values = parameters.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self {
            parameters: parameters.to_vec(),
            values,
            decay,
            updates: 0,
        })
    }

    /// Takes the parameters' present values into the average.
    ///
    /// # Errors
    /// When a tensor operation fails.
    pub fn update(&mut self) -> Result<()> {
        let updates = self.updates + 1;
        let rate = (1.0 - self.decay) / (1.0 - self.decay.powf(updates as f64));
        // New tensors, as those that `values` gave out must not change.
        let average = |(parameter, value): (&Parameter, &Tensor)| towards(value, &parameter.var, rate);
        self.values = self
            .parameters
            .iter()
            .zip(&self.values)
            .map(average)
            .collect::<Result<_>>()?;
        self.updates = updates;
        Ok(())
    }

    /// The average of each parameter, in the order and with the shapes and types of the parameters.
    #[must_use]
    pub fn values(&self) -> &[Tensor] {
        &self.values
    }

    /// Puts the average in place of the parameters' values.
    pub(crate) fn apply(&self) -> Result<()> {
        let values = self.parameters.iter().zip(&self.values);
        values
            .into_iter()
            .try_for_each(|(parameter, value)| Ok(parameter.var.set(value)?))
    }

    /// All that [`load_state`](Self::load_state) needs: `average.<parameter>` for each parameter, and the number of
    /// updates.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_nn::Parameter;
    /// use ffjord_train::WeightAverage;
    ///
    /// let parameter = Parameter::constant("weight", 1, 2.0, DType::F64, &Device::Cpu)?;
    /// let mut average = WeightAverage::new(&[parameter.clone()], 0.9)?;
    /// average.update()?;
    /// let state = average.state()?;
    /// assert!(state.iter().any(|(name, _)| name == "average.weight"));
    ///
    /// // Another one goes on from there.
    /// parameter.var.set(&parameter.var.zeros_like()?)?;
    /// let mut resumed = WeightAverage::new(&[parameter], 0.9)?;
    /// resumed.load_state(&state.into_iter().collect())?;
    /// assert_eq!(resumed.values()[0].to_vec1::<f64>()?, [2.0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub fn state(&self) -> Result<Vec<(String, Tensor)>> {
        let values = self.parameters.iter().zip(&self.values);
        let mut state: Vec<_> = values
            .map(|(parameter, value)| (entry(parameter), value.clone()))
            .collect();
        state.push(SavedState::count(UPDATES, self.updates)?);
        Ok(state)
    }

    /// Takes over a saved state; entries of other names are left alone.
    ///
    /// # Errors
    /// [`TrainError::StateMismatch`](crate::TrainError::StateMismatch) lists every entry that is missing or does not
    /// fit; nothing is changed then.
    pub fn load_state(&mut self, state: &BTreeMap<String, Tensor>) -> Result<()> {
        let mut saved = SavedState::new(state);
        let updates = saved.read_count(UPDATES);
        let found: Vec<_> = self
            .parameters
            .iter()
            .map(|p| (p, saved.tensor(&entry(p), &p.var)))
            .collect();
        saved.finish()?;
        let place =
            |(parameter, tensor): (&Parameter, &Tensor)| Ok(tensor.detach().to_device(parameter.var.device())?);
        let found = found
            .into_iter()
            .filter_map(|(parameter, tensor)| tensor.map(|tensor| (parameter, tensor)));
        self.values = found.map(place).collect::<Result<_>>()?;
        self.updates = updates;
        Ok(())
    }
}

/// Refuses a decay that is no share.
pub(crate) fn check_decay(decay: f64) -> Result<()> {
    let in_range = |decay: f64| (0.0..1.0).contains(&decay);
    check_setting("average", decay, "a number from 0 to below 1", in_range)
}

/// The state's entry for a parameter.
pub(crate) fn entry(parameter: &Parameter) -> String {
    format!("average.{}", parameter.name)
}

/// `from + rate · (to − from)`.
fn towards(from: &Tensor, to: &Tensor, rate: f64) -> Result<Tensor> {
    fn slices<T: Real>(from: &Tensor, to: &Tensor, rate: f64) -> Result<Tensor> {
        let rate = T::from_f64(rate);
        let blend = |(from, to): (&T, &T)| *from + rate * (*to - *from);
        let values: Vec<T> = read(from, |from| read(to, |to| from.iter().zip(to).map(blend).collect()))??;
        Ok(Tensor::from_vec(values, from.shape(), &Device::Cpu)?)
    }
    match Access::of(to) {
        Access::F32 => slices::<f32>(from, to, rate),
        Access::F64 => slices::<f64>(from, to, rate),
        Access::Operations => Ok((from + ((to.detach() - from)? * rate)?)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::TrainError;
    use candle_core::{DType, Var};

    fn parameter(values: &[f64], dtype: DType) -> Parameter {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap().to_dtype(dtype).unwrap();
        Parameter {
            name: "layers.0.weight".into(),
            var: Var::from_tensor(&tensor).unwrap(),
        }
    }

    fn set(parameter: &Parameter, values: &[f64]) {
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        parameter
            .var
            .set(&tensor.to_dtype(parameter.var.dtype()).unwrap())
            .unwrap();
    }

    fn values(average: &WeightAverage) -> Vec<f64> {
        average.values()[0].to_dtype(DType::F64).unwrap().to_vec1().unwrap()
    }

    #[test]
    fn is_the_weighted_mean_of_all_updates() {
        for (dtype, tolerance) in [(DType::F64, 1e-14), (DType::F32, 1e-6), (DType::F16, 3e-2)] {
            let parameter = parameter(&[100.0, -100.0], dtype);
            let mut average = WeightAverage::new(std::slice::from_ref(&parameter), 0.9).unwrap();
            assert_eq!(values(&average), [100.0, -100.0]);
            let (mut sum, mut weights) = ([0.0; 2], 0.0);
            for step in 1..=30 {
                let weight = [(f64::from(step) * 0.7).sin(), 2.0];
                set(&parameter, &weight);
                average.update().unwrap();
                sum = [0.9 * sum[0] + weight[0], 0.9 * sum[1] + weight[1]];
                weights = 0.9 * weights + 1.0;
                for (value, sum) in values(&average).into_iter().zip(sum) {
                    assert!(
                        (value - sum / weights).abs() < tolerance,
                        "{dtype:?} {value} {}",
                        sum / weights
                    );
                }
            }
        }
    }

    #[test]
    fn given_values_do_not_change_with_later_updates() {
        let parameter = parameter(&[1.0], DType::F32);
        let mut average = WeightAverage::new(std::slice::from_ref(&parameter), 0.5).unwrap();
        let before = average.values()[0].clone();
        set(&parameter, &[7.0]);
        average.update().unwrap();
        assert_eq!(before.to_vec1::<f32>().unwrap(), [1.0]);
        assert_eq!(values(&average), [7.0]);
    }

    #[test]
    fn a_loaded_average_goes_on_bit_by_bit() {
        let parameter = parameter(&[0.0, 0.0], DType::F32);
        let mut average = WeightAverage::new(std::slice::from_ref(&parameter), 0.99).unwrap();
        set(&parameter, &[0.1, 0.3]);
        average.update().unwrap();
        let mut resumed = WeightAverage::new(std::slice::from_ref(&parameter), 0.99).unwrap();
        resumed
            .load_state(&average.state().unwrap().into_iter().collect())
            .unwrap();
        set(&parameter, &[0.7, -0.2]);
        average.update().unwrap();
        resumed.update().unwrap();
        assert_eq!(values(&average), values(&resumed));
    }

    #[test]
    fn misfits_are_refused_and_change_nothing() {
        let parameter = parameter(&[1.0], DType::F64);
        let mut average = WeightAverage::new(std::slice::from_ref(&parameter), 0.5).unwrap();
        let mut state: BTreeMap<_, _> = average.state().unwrap().into_iter().collect();
        state.insert(
            "average.layers.0.weight".into(),
            Tensor::new(&[5f32], &Device::Cpu).unwrap(),
        );
        state.remove(UPDATES);
        let Err(TrainError::StateMismatch { problems }) = average.load_state(&state) else {
            panic!("was loaded")
        };
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert_eq!(values(&average), [1.0]);
        for decay in [1.0, -0.1, f64::NAN] {
            assert!(matches!(
                WeightAverage::new(&[], decay),
                Err(TrainError::InvalidSetting { .. })
            ));
        }
    }
}

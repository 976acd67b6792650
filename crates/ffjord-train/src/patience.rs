//! Early stopping.

use serde::{Deserialize, Serialize};

/// Follows validation losses (lower is better) to stop a run, or to lower its learning rate, when they stop improving.
///
/// ```
/// use ffjord_train::Patience;
///
/// let mut patience = Patience::default();
/// assert!(patience.record(2.0));
/// assert!(!patience.record(2.5));
/// assert!(!patience.record(f64::NAN));
/// assert_eq!(patience.best(), Some(2.0));
/// assert!(patience.exhausted(2));
/// ```
#[derive(Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    best: Option<f64>,
    without_improvement: u32,
    longest_without_improvement: u32,
}

impl Patience {
    /// Takes note of a validation; true if it is the best so far. A value that is not finite never is.
    pub fn record(&mut self, value: f64) -> bool {
        let improved = value.is_finite() && self.best.is_none_or(|best| value < best);
        if improved {
            self.best = Some(value);
            self.without_improvement = 0;
        } else {
            self.without_improvement = self.without_improvement.saturating_add(1);
            self.longest_without_improvement = self.longest_without_improvement.max(self.without_improvement);
        }
        improved
    }

    /// As [`record`](Self::record), but a value that is not the best counts for nothing.
    ///
    /// ```
    /// use ffjord_train::Patience;
    /// let mut patience = Patience::default();
    /// patience.record(1.0);
    /// // While a loss is being warmed up, values that are not the best count for nothing.
    /// assert!(!patience.record_patiently(2.0));
    /// assert_eq!(patience.without_improvement(), 0);
    /// patience.record(2.0);
    /// assert_eq!((patience.without_improvement(), patience.longest_without_improvement()), (1, 1));
    /// ```
    pub fn record_patiently(&mut self, value: f64) -> bool {
        let before = (self.without_improvement, self.longest_without_improvement);
        let improved = self.record(value);
        if !improved {
            (self.without_improvement, self.longest_without_improvement) = before;
        }
        improved
    }

    /// The best value so far; none before the first finite one.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Validations since the best one.
    #[must_use]
    pub fn without_improvement(&self) -> u32 {
        self.without_improvement
    }

    /// The largest number of validations in a row without improvement, over the whole run.
    ///
    /// It never falls, so that what follows from it ([`ScheduleConfig::Plateau`](crate::ScheduleConfig::Plateau)) is
    /// not undone by a later improvement.
    #[must_use]
    pub fn longest_without_improvement(&self) -> u32 {
        self.longest_without_improvement
    }

    /// Whether the last `patience` validations, and at least one, brought no improvement.
    #[must_use]
    pub fn exhausted(&self, patience: u32) -> bool {
        self.without_improvement >= patience.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_start_again_with_every_improvement_but_the_longest_stays() {
        let mut patience = Patience::default();
        let improved: Vec<bool> = [3.0, 4.0, 3.0, 2.0, 2.5].map(|value| patience.record(value)).into();
        assert_eq!(improved, [true, false, false, true, false]);
        assert_eq!(patience.without_improvement(), 1);
        assert_eq!(patience.longest_without_improvement(), 2);
        assert!(!patience.exhausted(2));
        assert!(patience.exhausted(1));
    }

    #[test]
    fn what_is_recorded_patiently_can_only_be_best() {
        let mut patience = Patience::default();
        let improved: Vec<bool> = [3.0, 4.0, 2.0, f64::NAN]
            .map(|value| patience.record_patiently(value))
            .into();
        assert_eq!(improved, [true, false, true, false]);
        assert_eq!((patience.best(), patience.without_improvement()), (Some(2.0), 0));
        assert_eq!(patience.longest_without_improvement(), 0);
    }

    #[test]
    fn what_is_not_finite_is_never_best() {
        let mut patience = Patience::default();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(!patience.record(value));
        }
        assert_eq!((patience.best(), patience.without_improvement()), (None, 3));
        assert!(patience.record(1e300));
    }

    #[test]
    fn nothing_is_exhausted_before_a_validation() {
        assert!(!Patience::default().exhausted(0));
    }

    #[test]
    fn survives_json_bit_by_bit() {
        let mut patience = Patience::default();
        patience.record(0.1 + 0.2);
        patience.record(1.0);
        let text = serde_json::to_string(&patience).unwrap();
        assert_eq!(serde_json::from_str::<Patience>(&text).unwrap(), patience);
        assert!(serde_json::from_str::<Patience>(r#"{"best": 1.0}"#).is_err());
    }
}

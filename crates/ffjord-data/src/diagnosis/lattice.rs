//! Lattices of values: whole numbers, cents, categories as numbers.

use serde::{Deserialize, Serialize};

/// The points `origin + k · step` that all values of a column lie on.
///
/// ```
/// use ffjord_data::Lattice;
///
/// let lattice = Lattice::of(&[0.25, 1.0, -0.5]).ok_or("none")?;
/// assert_eq!(lattice.step, 0.75);
/// assert_eq!((lattice.nearest(0.9), lattice.nearest(1.9)), (1.0, 1.75));
/// assert_eq!(lattice.within(&[0.25, 1.0, -0.5]).nearest(1.9), 1.0);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Lattice {
    /// The distance of neighbours, positive, in the column's units.
    pub step: f64,
    /// One of the points.
    pub origin: f64,
    /// The least and the greatest point, where others are none of the column's values; none where any may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<[f64; 2]>,
}

/// Steps below this part of the range are those of rounding.
const FINEST: f64 = 1e-7;
/// How far rounding moves a number of double and of single precision at most, relative to it.
const DOUBLE: f64 = 1e-13;
const SINGLE: f64 = 6e-8;

impl Lattice {
    /// The coarsest lattice of finite values; none if they are fewer than two, or lie on none that rounding would not
    /// explain as well.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.dedup();
        Self::of_sorted(&sorted)
    }

    /// As [`of`](Self::of), of values that ascend, each once.
    pub(super) fn of_sorted(sorted: &[f64]) -> Option<Self> {
        // Cents in single precision are multiples of 0.01 to so many digits, and to all digits of a power of two.
        let single = sorted.iter().all(|value| f64::from(*value as f32) == *value);
        let exact = Self::of_rounded(sorted, DOUBLE, 8.0);
        if !single {
            return exact;
        }
        // The shortest decimal that rounds to a number is what stood there before, of steps that decimals can write.
        let decimals: Vec<f64> = sorted.iter().map(|value| shortest(*value as f32)).collect();
        let others = [
            Self::of_rounded(&decimals, DOUBLE, 8.0),
            Self::of_rounded(sorted, SINGLE, 64.0),
        ];
        let coarser = |other: &Self| exact.is_none_or(|exact| other.step > 1.5 * exact.step);
        let coarsest = others.into_iter().flatten().filter(coarser);
        coarsest.max_by(|a, b| a.step.total_cmp(&b.step)).or(exact)
    }

    /// The coarsest lattice of values that were rounded by this part of themselves, with a step of so many of the largest
    /// rounding errors at least.
    fn of_rounded(sorted: &[f64], rounding: f64, errors: f64) -> Option<Self> {
        let (first, last) = (*sorted.first()?, *sorted.last()?);
        let range = last - first;
        // Values are rounded each, so their differences are off by as much.
        let noise = rounding * first.abs().max(last.abs());
        let finest = (FINEST * range).max(errors * noise);
        let mut step = 0.0;
        for pair in sorted.windows(2) {
            step = common_divisor(pair[1] - pair[0], step, finest);
            if step < finest {
                return None;
            }
        }
        if !step.is_normal() || !range.is_finite() {
            return None;
        }
        // The range is a whole number of steps, which makes the step as precise as the range is.
        let lattice = Self {
            step: range / (range / step).round(),
            origin: first,
            ends: None,
        };
        let off = |value: &f64| (lattice.nearest(*value) - value).abs();
        sorted
            .iter()
            .all(|value| off(value) < (1e-3 * lattice.step).max(4.0 * noise))
            .then_some(lattice)
    }

    /// The lattice between the least and the greatest of `values`, which lie on it and are finite.
    #[must_use]
    pub fn within(self, values: &[f64]) -> Self {
        let least = values.iter().copied().reduce(f64::min);
        let most = values.iter().copied().reduce(f64::max);
        Self {
            ends: least.zip(most).map(<[f64; 2]>::from),
            ..self
        }
    }

    /// The lattice of all points.
    #[must_use]
    pub fn endless(self) -> Self {
        Self { ends: None, ..self }
    }

    /// The point nearest to a value, between the ends where there are some.
    pub fn nearest(&self, value: f64) -> f64 {
        let point = self.origin + ((value - self.origin) / self.step).round() * self.step;
        match self.ends {
            Some([least, most]) => point.max(least).min(most),
            None => point,
        }
    }
}

/// Euclid's algorithm with remainders below `noise` taken for nothing.
fn common_divisor(mut a: f64, mut b: f64, noise: f64) -> f64 {
    while b > noise {
        (a, b) = (b, (a - (a / b).round() * b).abs());
    }
    a
}

/// The number with the fewest digits that single precision rounds to this one.
fn shortest(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// A number without the digits that rounding added.
pub(super) fn short(value: f64) -> f64 {
    format!("{value:.10e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_those_of_the_values() {
        for (step, origin) in [
            (1.0, 0.0),
            (0.01, 12.34),
            (60.0, 1.7e9),
            (1.0 / 255.0, 0.0),
            (0.25, -3.0),
        ] {
            let values: Vec<f64> = (0..200).map(|i| origin + f64::from(i * i % 61) * step).collect();
            let lattice = Lattice::of(&values).unwrap();
            assert!(
                (lattice.step / step - 1.0).abs() < 1e-5,
                "{lattice:?} instead of {step}"
            );
        }
        assert_eq!(Lattice::of(&[2.0, 2.0]), None);
        assert_eq!(
            Lattice::of(&[16_777_213.0, 16_777_214.0, 16_777_216.0]).map(|lattice| lattice.step),
            Some(1.0)
        );
        let roots: Vec<f64> = (0..200).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(Lattice::of(&roots), None);
    }

    #[test]
    fn steps_are_found_behind_the_rounding_of_single_precision() {
        let single = |value: f64| f64::from(value as f32);
        for (step, origin) in [(0.1, 100.0), (0.01, 5.0), (0.01, 1000.0), (1.0 / 255.0, 0.0)] {
            let values: Vec<f64> = (0..200)
                .map(|i| single(origin + f64::from(i * i % 61) * step))
                .collect();
            let lattice = Lattice::of(&values).unwrap();
            assert!(
                (lattice.step / step - 1.0).abs() < 1e-3,
                "{lattice:?} instead of {step}"
            );
        }
        // Gaps between values far out, over which the rounding of a step adds up: normal ones in cents.
        let normal = |i: u32| {
            let share = |factor: f64| (f64::from(i + 1) * factor).fract();
            (-2.0 * share(0.618_034).ln()).sqrt() * (std::f64::consts::TAU * share(0.754_878)).cos()
        };
        for scale in [300.0, 1000.0, 2000.0] {
            let cents: Vec<f64> = (0..400).map(|i| single((scale * normal(i)).round() * 0.01)).collect();
            let step = Lattice::of(&cents).map(|lattice| lattice.step);
            assert!(step.is_some_and(|step| (step / 0.01 - 1.0).abs() < 1e-6), "{step:?}");
        }
        let roots: Vec<f64> = (0..200).map(|i| single(f64::from(i).sqrt())).collect();
        assert_eq!(Lattice::of(&roots), None);
    }

    #[test]
    fn square_roots_lie_on_none() {
        let roots: Vec<f64> = (0..200).map(|i| f64::from(i).sqrt()).collect();
        assert_eq!(Lattice::of(&roots), None);
    }
}

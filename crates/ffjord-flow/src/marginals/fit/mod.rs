//! Fitting a column's map to its values: several maps are tried, and held-out values decide.

mod spline;
mod steps;

use super::curve::Curve;
use crate::error::Result;

/// Every so many values are held out.
const HELD_OUT_EVERY: usize = 5;
/// The most values that candidates are judged by.
const MOST_HELD_OUT: usize = 50_000;
/// With fewer values there is nothing to tell candidates apart by.
const FEWEST_VALUES: usize = 100;
/// How much better a candidate must be than a simpler one, in nats a value: so much, and more than chance makes of it.
const WORTH: f64 = 1e-4;
/// A piece is at least so wide, in the column's scales.
const NARROWEST: f64 = 1e-4;

/// A map that can be fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Candidate {
    Affine,
    Spline(usize),
    Steps(usize),
}

/// The increasing map with at most `knots` knots that makes the values most nearly standard normal, judged by a fifth of
/// them that a candidate has not seen; the chosen one is fitted to all.
///
/// `resolution` is the relative spacing of the numbers that knots are stored in. The values are finite, and at least one.
///
/// # Errors
/// Those of [`Curve::new`], which none of these curves has.
pub(super) fn fit(values: &[f64], knots: usize, resolution: f64) -> Result<Curve> {
    let all = Values::sorted(values.to_vec(), resolution);
    if values.len() < FEWEST_VALUES || knots < 4 || all.sorted.first() == all.sorted.last() {
        return all.affine();
    }
    let seen = values.iter().enumerate().filter(|(row, _)| row % HELD_OUT_EVERY != 0);
    let seen = Values::sorted(seen.map(|(_, value)| *value).collect(), resolution);
    let stride = values.len().div_ceil(MOST_HELD_OUT * HELD_OUT_EVERY) * HELD_OUT_EVERY;
    let held_out: Vec<f64> = values.iter().step_by(stride).copied().collect();
    let sizes: Vec<usize> = sizes(knots);
    let splines = sizes.iter().map(|size| (Candidate::Spline(*size), seen.spline(*size)));
    let steps = seen.steps(&sizes).into_iter().zip(&sizes);
    let steps = steps.map(|(curve, size)| (Candidate::Steps(*size), curve));
    let mut best = (Candidate::Affine, seen.affine()?.log_densities(&held_out));
    for (candidate, curve) in splines.chain(steps) {
        let densities = curve?.log_densities(&held_out);
        if is_better(&densities, &best.1) {
            best = (candidate, densities);
        }
    }
    match best.0 {
        Candidate::Affine => all.affine(),
        Candidate::Spline(size) => all.spline(size),
        Candidate::Steps(size) => all.steps(&[size]).pop().unwrap_or_else(|| all.affine()),
    }
}

/// Whether one map's log-densities of values are greater than another's of the same by more than [`WORTH`] and by more
/// than the standard error of their mean difference.
fn is_better(densities: &[f64], others: &[f64]) -> bool {
    let count = densities.len() as f64;
    let gains = || densities.iter().zip(others).map(|(density, other)| density - other);
    let gain = gains().sum::<f64>() / count;
    let variance = gains().map(|each| (each - gain).powi(2)).sum::<f64>() / count;
    gain > WORTH.max((variance / count).sqrt())
}

/// The numbers of knots that are tried, from few to all that are allowed.
fn sizes(knots: usize) -> Vec<usize> {
    let mut sizes: Vec<usize> = [5, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192]
        .into_iter()
        .filter(|size| *size < knots)
        .collect();
    let mut size = 256;
    while size < knots {
        sizes.push(size);
        size *= 2;
    }
    sizes.push(knots);
    sizes
}

/// A column's values in order, with what is needed to place knots among them.
#[derive(Debug)]
struct Values {
    sorted: Vec<f64>,
    mean: f64,
    deviation: f64,
    /// The least distance of two knots.
    narrowest: f64,
}

impl Values {
    fn sorted(mut values: Vec<f64>, resolution: f64) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        values.sort_unstable_by(f64::total_cmp);
        let (least, most) = (values[0], values[values.len() - 1]);
        let deviation = variance.sqrt();
        let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
        // Outliers make a deviation large, and a spike makes a distance of quantiles zero.
        let scale = [(at(0.95) - at(0.05)) / 3.3, (at(0.75) - at(0.25)) / 1.35];
        let scale = scale.into_iter().filter(|scale| *scale > 0.0).fold(deviation, f64::min);
        Self {
            narrowest: NARROWEST * scale + 16.0 * resolution * least.abs().max(most.abs()),
            mean,
            deviation,
            sorted: values,
        }
    }

    fn count(&self) -> usize {
        self.sorted.len()
    }

    /// Mean and deviation; of a column without spread, its value at distance 1.
    fn affine(&self) -> Result<Curve> {
        let slope = 1.0 / self.deviation;
        // What rounding makes of a constant column is no spread.
        let usable = slope.is_finite() && self.deviation > 1e-12 * self.mean.abs();
        Curve::affine(self.mean, if usable { slope } else { 1.0 })
    }

    /// The slope of a tail that has the density of a normal distribution with the column's deviation.
    fn tail_slope(&self) -> f64 {
        1.0 / self.deviation.max(self.narrowest)
    }
}

//! Splines through quantiles.

use super::Values;
use crate::error::Result;
use crate::marginals::curve::{Curve, Kind};
use crate::normal::{distribution, quantile};

/// The outermost knots have about so many values beyond them: the extremes themselves are chance.
const BEYOND: f64 = 4.0;

impl Values {
    /// A rational-quadratic spline with at most `knots` knots, which leads quantiles to those of the normal distribution.
    ///
    /// Half of the knots are evenly spaced in mass, where sharp features are, and half in z, which reaches into the tails.
    pub(super) fn spline(&self, knots: usize) -> Result<Curve> {
        let mut points: Vec<(f64, f64)> = Vec::with_capacity(knots);
        for z in self.levels(knots) {
            let x = self.quantile(distribution(z));
            match points.last() {
                Some((last, _)) if x - last < self.narrowest => {}
                _ => points.push((x, z)),
            }
        }
        if points.len() < 2 {
            return self.affine();
        }
        let (first, last) = (points[0], points[points.len() - 1]);
        let below = self
            .sorted
            .iter()
            .map(|x| first.0 - x)
            .take_while(|excess| *excess > 0.0);
        let above = self
            .sorted
            .iter()
            .rev()
            .map(|x| x - last.0)
            .take_while(|excess| *excess > 0.0);
        let tails = [tail(-first.1, below), tail(last.1, above)];
        let slopes = slopes(&points, tails);
        let (knots, images) = points.into_iter().unzip();
        Curve::new(Kind::Spline, knots, images, slopes)
    }

    /// The images of the knots, rising.
    fn levels(&self, knots: usize) -> Vec<f64> {
        let end = BEYOND / self.count() as f64;
        let outermost = -quantile(end, 1.0 - end);
        let of_z = knots.div_ceil(2);
        let of_mass = knots - of_z;
        let even = (0..of_z).map(|i| outermost * (2.0 * i as f64 / (of_z - 1) as f64 - 1.0));
        let mass = (1..=of_mass).map(|i| i as f64 / (of_mass + 1) as f64);
        let mut levels: Vec<f64> = even.chain(mass.map(|mass| quantile(mass, 1.0 - mass))).collect();
        levels.sort_unstable_by(f64::total_cmp);
        levels.dedup_by(|next, last| *next - *last < 1e-3);
        levels
    }

    /// The value with this share of all below it.
    fn quantile(&self, share: f64) -> f64 {
        let position = (share * self.count() as f64 - 0.5).clamp(0.0, (self.count() - 1) as f64);
        let (below, part) = (position.floor(), position.fract());
        let below = below as usize;
        let above = (below + 1).min(self.count() - 1);
        self.sorted[below] + part * (self.sorted[above] - self.sorted[below])
    }
}

/// Slopes at knots: the geometric mean of those of the chords on both sides, the nearer counting more (Gregory and
/// Delbourgo 1982); at the ends that of the tail, or the chord's where this is flatter: a tail is never thinner than what
/// it goes on from.
fn slopes(points: &[(f64, f64)], tails: [Option<f64>; 2]) -> Vec<f64> {
    let chords: Vec<(f64, f64)> = points
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)))
        .collect();
    let inner = chords.windows(2).map(|pair| {
        let ((left, before), (right, after)) = (pair[0], pair[1]);
        ((right * before.ln() + left * after.ln()) / (left + right)).exp()
    });
    let ends = [chords[0].1, chords[chords.len() - 1].1];
    let [first, last] = [0, 1].map(|end| tails[end].map_or(ends[end], |tail| tail.min(ends[end])));
    std::iter::once(first).chain(inner).chain([last]).collect()
}

/// The slope of the likeliest linear tail from an image z₀ outwards, by how far values lie beyond the knot: the positive
/// root of `s² Σe² + s z₀ Σe = n`, where the derivative of `Σ ln s − (z₀ + s e)²/2` is 0. One far value makes a tail flat
/// that would else hold it to be all but impossible. None where no value lies beyond.
fn tail(image: f64, excesses: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for excess in excesses {
        count += 1.0;
        sum += excess;
        squares += excess * excess;
    }
    let linear = image * sum;
    let slope = 2.0 * count / (linear + linear.hypot(2.0 * (count * squares).sqrt()));
    (slope.is_finite() && slope > 0.0).then_some(slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_is_the_likeliest() {
        let (image, excesses) = (1.5, [0.1, 0.4, 7.0]);
        let likelihood = |slope: f64| -> f64 {
            let terms = excesses.map(|excess| slope.ln() - (image + slope * excess).powi(2) / 2.0);
            terms.iter().sum()
        };
        let best = tail(image, excesses.into_iter()).unwrap_or(f64::NAN);
        assert!(likelihood(best) > likelihood(best * 1.001) && likelihood(best) > likelihood(best / 1.001));
        assert_eq!(tail(image, std::iter::empty()), None);
    }
}

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
        let slopes = slopes(&points);
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
/// Delbourgo 1982); at the ends the chord's, which is that of the tail.
fn slopes(points: &[(f64, f64)]) -> Vec<f64> {
    let chords: Vec<(f64, f64)> = points
        .windows(2)
        .map(|pair| (pair[1].0 - pair[0].0, (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0)))
        .collect();
    let inner = chords.windows(2).map(|pair| {
        let ((left, before), (right, after)) = (pair[0], pair[1]);
        ((right * before.ln() + left * after.ln()) / (left + right)).exp()
    });
    let ends = [chords[0].1, chords[chords.len() - 1].1];
    std::iter::once(ends[0]).chain(inner).chain([ends[1]]).collect()
}

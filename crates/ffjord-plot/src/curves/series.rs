//! One named series and what of it is shown.

use crate::window::quantile;

/// A named series of (x, y) points, joined in the order given; a point that is not finite leaves a gap.
///
/// ```
/// use ffjord_plot::{CurvePanel, Series, training_curves};
/// let losses: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i), 2.0 + f64::from(i).sin())).collect();
/// let figure = |series| training_curves(&[CurvePanel::new(vec![series])], "");
/// let plain = figure(Series::new("training", &losses))?;
/// // A mean over neighbours is another line.
/// assert_ne!(figure(Series::new("training", &losses).smoothed(10))?, plain);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Series<'a> {
    pub(super) name: String,
    pub(super) points: &'a [(f64, f64)],
    pub(super) window: usize,
    pub(super) bounds: bool,
}

impl<'a> Series<'a> {
    /// A series; an empty name keeps it out of the legend.
    pub fn new(name: impl Into<String>, points: &'a [(f64, f64)]) -> Self {
        Self {
            name: name.into(),
            points,
            window: 1,
            bounds: false,
        }
    }

    /// A thin grey line without marks, for what the others are compared with; the others keep their colours.
    ///
    /// ```
    /// use ffjord_plot::{CurvePanel, Series, training_curves};
    /// let (found, most) = ([(0.0, 0.1), (1.0, -0.2)], [(0.0, 0.3), (1.0, 0.3)]);
    /// let panel = CurvePanel::new(vec![Series::new("two standard errors", &most).bound(), Series::new("found", &found)]);
    /// assert!(training_curves(&[panel], "does it fit?")?.width() > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn bound(self) -> Self {
        Self { bounds: true, ..self }
    }

    /// Draws the mean over `window` neighbouring points as a strong line and the points themselves as a faint one.
    #[must_use]
    pub fn smoothed(self, window: usize) -> Self {
        Self {
            window: window.max(1),
            ..self
        }
    }

    /// The centred running mean over the series' window, shorter at the ends; points that are not finite are left out.
    pub(super) fn running_mean(&self) -> Vec<(f64, f64)> {
        let finite: Vec<_> = self
            .points
            .iter()
            .copied()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect();
        let half = self.window / 2;
        let mean = |(i, &(x, _)): (usize, &(f64, f64))| {
            let near = &finite[i.saturating_sub(half)..finite.len().min(i + half + 1)];
            (x, near.iter().map(|(_, y)| y).sum::<f64>() / near.len() as f64)
        };
        finite.iter().enumerate().map(mean).collect()
    }
}

/// The range of the sorted values that is shown: all of them but outliers more than 1.5 times the central 96 % away.
pub(super) fn shown(sorted: &[f64]) -> Option<(f64, f64)> {
    let (min, max) = (sorted.first()?, sorted.last()?);
    let (low, high) = (quantile(sorted, 0.02)?, quantile(sorted, 0.98)?);
    let reach = 1.5 * (high - low);
    if reach > 0.0 {
        Some((min.max(low - reach), max.min(high + reach)))
    } else {
        Some((*min, *max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_mean_of_a_line_is_the_line_and_shorter_at_the_ends() {
        let line: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), 3.0 - 2.0 * f64::from(i))).collect();
        let mean = Series::new("", &line).smoothed(7).running_mean();
        for (mean, point) in mean[3..17].iter().zip(&line[3..17]) {
            assert!((mean.1 - point.1).abs() < 1e-12);
        }
        assert!(
            (mean[0].1 - (3.0 - 2.0 * 1.5)).abs() < 1e-12,
            "the mean of points 0 to 3"
        );
    }

    #[test]
    fn a_single_outlier_does_not_set_the_range() {
        let mut values: Vec<f64> = (0..200).map(|i| 1.0 + f64::from(i) / 200.0).collect();
        values.push(1e6);
        let (low, high) = shown(&values).unwrap();
        assert!(low == 1.0 && high < 4.0, "{low}..{high}");
        assert_eq!(shown(&[2.0, 2.0]), Some((2.0, 2.0)));
    }
}

//! The part of the plane that a picture shows.

use std::ops::Range;

use crate::PlotError;

/// Beyond this size, sums and differences of coordinates could overflow.
const LARGEST: f64 = 1e100;

/// True for a coordinate that can be drawn.
pub(crate) fn drawable(value: f64) -> bool {
    value.abs() <= LARGEST
}

/// A rectangle of the plane, `x.start..x.end` by `y.start..y.end`, finite and of positive size.
///
/// ```
/// use ffjord_plot::Window;
///
/// let window = Window::new(-4.0..4.0, -2.0..2.0)?;
/// assert_eq!(window.aspect(), 0.5);
/// assert!(Window::new(1.0..1.0, 0.0..1.0).is_err());
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// Around the origin, and around points:
///
/// ```
/// use ffjord_plot::Window;
/// let square = Window::square(2.0)?;
/// assert_eq!((square.x(), square.y()), (-2.0..2.0, -2.0..2.0));
/// let covering = Window::covering(&[[0.0, 0.0], [10.0, 1.0], [f32::NAN, 5.0]])?;
/// assert!(covering.x().start < 0.0 && covering.x().end > 10.0 && covering.y().end < 2.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    x: Range<f64>,
    y: Range<f64>,
}

impl Window {
    /// The window with these ranges.
    ///
    /// # Errors
    /// [`PlotError::Range`] if a range is empty, reversed or not finite.
    pub fn new(x: Range<f64>, y: Range<f64>) -> Result<Self, PlotError> {
        for (axis, range) in [("x", &x), ("y", &y)] {
            let fits = drawable(range.start) && drawable(range.end) && range.start < range.end;
            // A span below the spacing of floating-point numbers leaves no room for two different ticks.
            let resolved = range.end - range.start > 1e-12 * range.start.abs().max(range.end.abs());
            if !fits || !resolved {
                return Err(PlotError::Range {
                    axis,
                    start: range.start,
                    end: range.end,
                });
            }
        }
        Ok(Self { x, y })
    }

    /// The square from `-half` to `half` in both directions.
    ///
    /// # Errors
    /// [`PlotError::Range`] unless `half` is finite and positive.
    pub fn square(half: f64) -> Result<Self, PlotError> {
        Self::new(-half..half, -half..half)
    }

    /// A window around all finite points but the outermost 0.1 % on each side, with a margin of 6 % of the span.
    ///
    /// Where all points agree in a coordinate, the range is widened around it.
    ///
    /// # Errors
    /// [`PlotError::Empty`] without points, [`PlotError::NothingFinite`] without a finite one.
    pub fn covering(points: &[[f32; 2]]) -> Result<Self, PlotError> {
        if points.is_empty() {
            return Err(PlotError::Empty { what: "points" });
        }
        let finite = || points.iter().filter(|point| point.iter().all(|c| c.is_finite()));
        let range = |axis: usize| robust_range(finite().map(|point| f64::from(point[axis])), 0.001, 0.06);
        match (range(0), range(1)) {
            (Some(x), Some(y)) => Self::new(x, y),
            _ => Err(PlotError::NothingFinite {
                what: "points",
                total: points.len(),
            }),
        }
    }

    /// The horizontal range.
    pub fn x(&self) -> Range<f64> {
        self.x.clone()
    }

    /// The vertical range.
    pub fn y(&self) -> Range<f64> {
        self.y.clone()
    }

    /// Height divided by width.
    pub fn aspect(&self) -> f64 {
        (self.y.end - self.y.start) / (self.x.end - self.x.start)
    }

    /// Where a point lies, from (0, 0) at the lower left to (1, 1) at the upper right; `None` outside the window.
    pub(crate) fn fraction(&self, point: [f32; 2]) -> Option<[f64; 2]> {
        let [u, v] = self.fraction_unbounded(point);
        ((0.0..=1.0).contains(&u) && (0.0..=1.0).contains(&v)).then_some([u, v])
    }

    /// As [`Self::fraction`], but for points outside the window too.
    pub(crate) fn fraction_unbounded(&self, point: [f32; 2]) -> [f64; 2] {
        let along = |range: &Range<f64>, c: f32| (f64::from(c) - range.start) / (range.end - range.start);
        [along(&self.x, point[0]), along(&self.y, point[1])]
    }
}

/// The range between the `tail` and `1 - tail` quantiles, widened by `margin` of its span; `None` without a drawable
/// value.
pub(crate) fn robust_range(values: impl Iterator<Item = f64>, tail: f64, margin: f64) -> Option<Range<f64>> {
    let mut sorted: Vec<f64> = values.filter(|&v| drawable(v)).collect();
    sorted.sort_by(f64::total_cmp);
    let low = quantile(&sorted, tail)?;
    let high = quantile(&sorted, 1.0 - tail)?;
    Some(widened(low, high, margin))
}

/// The value below which the fraction `q` of the sorted values lies (the nearest one, without interpolation).
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((q * last as f64).round() as usize).copied()
}

/// `low..high` with a margin on both sides; where they agree, a range around them.
pub(crate) fn widened(low: f64, high: f64, margin: f64) -> Range<f64> {
    let size = low.abs().max(high.abs());
    if high - low > 1e-9 * size {
        let pad = margin * (high - low);
        low - pad..high + pad
    } else {
        let pad = if size > 0.0 { 0.1 * size } else { 0.5 };
        low - pad..high + pad
    }
}

//! Painting a panel's content into its plot.

use std::ops::Range;

use crate::color::{ColorMap, MISSING, POINT, TEXT};
use crate::draw::canvas::{Canvas, Rect};
use crate::histogram::Histogram2d;
use crate::panel::Trajectories;
use crate::{Grid, Window};

/// Checked content with the range of its values.
pub(crate) enum Paint<'a> {
    Density { grid: &'a Grid, low: f64, high: f64 },
    Samples { counts: Histogram2d, top: f64 },
    Scatter { points: &'a [[f32; 2]] },
    Trajectories { paths: Trajectories<'a>, times: Range<f64> },
}

impl Paint<'_> {
    /// The brightest part of the colour maps is hard to see as lines on white, so lines stop here.
    pub(crate) const BRIGHTEST_LINE: f64 = 0.9;

    pub(crate) fn draw(&self, canvas: &mut Canvas, plot: Rect, window: &Window, map: ColorMap) {
        match self {
            Self::Density { grid, low, high } => canvas.raster(plot, |u, v| match grid.interpolate(u, v) {
                Some(value) => map.color((value - low) / (high - low)),
                None => MISSING,
            }),
            Self::Samples { counts, top } => {
                canvas.raster(plot, |u, v| map.color(f64::from(counts.at(u, v)) / top));
            }
            Self::Scatter { points } => cloud(canvas, plot, window, points),
            Self::Trajectories { paths, times } => lines(canvas, plot, window, *paths, times, map),
        }
    }
}

/// Dots that get smaller and more transparent with their number, so that dense regions keep their structure.
fn cloud(canvas: &mut Canvas, plot: Rect, window: &Window, points: &[[f32; 2]]) {
    let crowd = (points.len() as f32).sqrt();
    let radius = (60.0 / crowd).clamp(0.8, 2.5);
    let alpha = (30.0 / crowd).clamp(0.2, 0.8);
    canvas.clip(Some(plot));
    for &point in points {
        if let Some([u, v]) = window.fraction(point) {
            canvas.disc(plot.at(u, v), radius, POINT, alpha);
        }
    }
    canvas.clip(None);
}

/// Lines from start to end with a small dot at each end.
fn lines(canvas: &mut Canvas, plot: Rect, window: &Window, paths: Trajectories<'_>, times: &Range<f64>, map: ColorMap) {
    let place = |point: [f32; 2]| {
        let [u, v] = window.fraction_unbounded(point);
        plot.at(u, v)
    };
    let crowd = (paths.paths.len() as f32).sqrt();
    let alpha = (12.0 / crowd).clamp(0.25, 0.9);
    let radius = (24.0 / crowd).clamp(1.0, 2.2);
    canvas.clip(Some(plot));
    // All paths advance together, so that later times lie above earlier ones.
    for k in 1..paths.times.len() {
        let fraction = (0.5 * (paths.times[k - 1] + paths.times[k]) - times.start) / (times.end - times.start);
        let color = map.color(Paint::BRIGHTEST_LINE * fraction);
        for path in paths.paths {
            canvas.polyline(&[place(path[k - 1]), place(path[k])], 1.0, color, alpha);
        }
    }
    for (first, last) in paths.paths.iter().filter_map(|path| path.first().zip(path.last())) {
        for (point, color) in [(first, [120, 120, 120]), (last, TEXT)] {
            if let Some([u, v]) = window.fraction(*point) {
                canvas.disc(plot.at(u, v), radius, color, 0.85);
            }
        }
    }
    canvas.clip(None);
}

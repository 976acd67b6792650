//! The cells of a pair plot.

use crate::color::{Ramp, Rgb, WHITE};
use crate::draw::canvas::{Canvas, Rect};
use crate::draw::frame::draw_box;
use crate::histogram::{Histogram2d, bins_for, shares};
use crate::pair_plot::columns::Tables;
use crate::{PlotError, Window};

pub(super) const HELD_OUT: Rgb = [33, 113, 181];
pub(super) const SAMPLES: Rgb = [217, 72, 1];

/// Cells along each side of a histogram, at most.
const MOST_BINS: usize = 56;

/// Both tables' histograms of one column over each other, heights on a square-root scale.
pub(super) fn draw_marginals(canvas: &mut Canvas, plot: Rect, tables: &Tables<'_>, column: usize) {
    let range = &tables.ranges()[column];
    let rows = tables.held_out().count().min(tables.samples().count());
    let bins = bins_for(rows).min(MOST_BINS);
    let held_out = shares(tables.held_out().map(|row| row[column]), range, bins);
    let samples = shares(tables.samples().map(|row| row[column]), range, bins);
    let top = held_out
        .iter()
        .chain(&samples)
        .fold(0.0_f64, |m, &v| m.max(v))
        .max(f64::MIN_POSITIVE);
    for (shares, color) in [(&held_out, HELD_OUT), (&samples, SAMPLES)] {
        let outline: Vec<(f32, f32)> = shares
            .iter()
            .enumerate()
            .flat_map(|(i, share)| [(i, share), (i + 1, share)])
            .map(|(edge, share)| plot.at(edge as f64 / bins as f64, 0.94 * (share / top).sqrt()))
            .collect();
        let mut area = vec![plot.at(0.0, 0.0)];
        area.extend(&outline);
        area.push(plot.at(1.0, 0.0));
        canvas.polygon(&area, color, 0.22);
        canvas.polyline(&outline, 1.2, color, 0.95);
    }
    draw_box(canvas, plot);
}

/// The histogram of two columns: of the held-out rows below the diagonal, of the samples above it.
pub(super) fn draw_pair(canvas: &mut Canvas, plot: Rect, tables: &Tables<'_>, x: usize, y: usize) {
    let ranges = tables.ranges();
    let window: Result<Window, PlotError> = Window::new(ranges[x].clone(), ranges[y].clone());
    let Ok(window) = window else { return };
    let pair = |row: &[f32]| [row[x], row[y]];
    let rows = tables.held_out().count().min(tables.samples().count());
    let bins = bins_for(rows).min(MOST_BINS);
    let (counts, ramp) = if y > x {
        (Histogram2d::new(tables.held_out().map(pair), &window, bins), Ramp::Blue)
    } else {
        (
            Histogram2d::new(tables.samples().map(pair), &window, bins),
            Ramp::Orange,
        )
    };
    let top = counts.top();
    canvas.fill(plot, WHITE, 1.0);
    // Square roots show thin regions beside crowded ones.
    canvas.raster(plot, |u, v| ramp.color((f64::from(counts.at(u, v)) / top).sqrt()));
    draw_box(canvas, plot);
}

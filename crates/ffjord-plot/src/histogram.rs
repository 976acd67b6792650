//! Counts of points in equal cells.

use std::ops::Range;

use crate::Window;
use crate::window::{drawable, quantile};

/// Counts of points in `bins × bins` equal cells of a window.
pub(crate) struct Histogram2d {
    bins: usize,
    counts: Vec<u32>,
}

impl Histogram2d {
    /// Counts the points inside the window; those outside or not finite are left out.
    pub(crate) fn new(points: impl Iterator<Item = [f32; 2]>, window: &Window, bins: usize) -> Self {
        let bins = bins.max(1);
        let mut counts = vec![0_u32; bins * bins];
        for point in points {
            if let Some([u, v]) = window.fraction(point) {
                counts[cell(v, bins) * bins + cell(u, bins)] += 1;
            }
        }
        Self { bins, counts }
    }

    /// The count in the cell that holds the fractions `u`, `v` of the window.
    pub(crate) fn at(&self, u: f64, v: f64) -> u32 {
        self.counts[cell(v, self.bins) * self.bins + cell(u, self.bins)]
    }

    /// The count that is drawn in the strongest colour: nearly the largest, so that one crowded cell does not darken
    /// the rest.
    pub(crate) fn top(&self) -> f64 {
        let mut filled: Vec<f64> = self.counts.iter().filter(|&&n| n > 0).map(|&n| f64::from(n)).collect();
        filled.sort_by(f64::total_cmp);
        quantile(&filled, 0.995).unwrap_or(1.0)
    }
}

/// The share of all drawable values that falls into each of `bins` equal cells of a range.
pub(crate) fn shares(values: impl Iterator<Item = f32>, range: &Range<f64>, bins: usize) -> Vec<f64> {
    let bins = bins.max(1);
    let mut counts = vec![0.0_f64; bins];
    let mut total = 0.0_f64;
    for value in values.map(f64::from).filter(|&v| drawable(v)) {
        total += 1.0;
        let fraction = (value - range.start) / (range.end - range.start);
        if (0.0..=1.0).contains(&fraction) {
            counts[cell(fraction, bins)] += 1.0;
        }
    }
    counts.iter().map(|count| count / total.max(1.0)).collect()
}

/// Cells in each direction that suit `n` points: finer with more of them, but never a blur of single pixels.
pub(crate) fn bins_for(n: usize) -> usize {
    ((n as f64).sqrt() / 1.5).clamp(24.0, 120.0) as usize
}

fn cell(fraction: f64, bins: usize) -> usize {
    ((fraction * bins as f64) as usize).min(bins - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_fall_into_their_cells_and_outsiders_are_left_out() {
        let window = Window::new(0.0..2.0, 0.0..2.0).unwrap();
        let points = [
            [0.5, 0.5],
            [1.5, 0.5],
            [1.6, 0.4],
            [2.0, 2.0],
            [5.0, 0.0],
            [f32::NAN, 0.0],
        ];
        let histogram = Histogram2d::new(points.into_iter(), &window, 2);
        assert_eq!(histogram.counts, [1, 2, 0, 1]);
        assert_eq!(histogram.at(0.9, 0.1), 2);
    }

    #[test]
    fn shares_count_values_beyond_the_range_in_the_total() {
        let result = shares([0.1, 0.6, 0.7, 9.0, f32::INFINITY].into_iter(), &(0.0..1.0), 2);
        assert_eq!(result, [0.25, 0.5]);
    }
}

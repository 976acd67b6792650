//! A matrix whose rows are combined with each other, in columns that fit into a processor's cache.

use super::tridiagonal::Reflections;
use rayon::prelude::*;

/// Columns of a panel: with 2,000 rows it takes 1 MB, and a row of it is some vectors of any instruction set.
const COLUMNS: usize = 64;

/// A square matrix cut into panels of columns. What combines rows does the same to each panel by itself, in parallel.
#[derive(Debug)]
pub(super) struct Panels {
    d: usize,
    panels: Vec<Panel>,
}

/// `[D, C]`, row-major.
#[derive(Debug)]
struct Panel {
    columns: usize,
    entries: Vec<f64>,
}

/// Rows `row` and `row + 1`, x and y, become `c x − s y` and `s x + c y`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    pub(super) row: usize,
    pub(super) cosine: f64,
    pub(super) sine: f64,
}

impl Panels {
    pub(super) fn identity(d: usize) -> Self {
        let panel = |first: usize| {
            let columns = COLUMNS.min(d - first);
            let mut entries = vec![0.0; d * columns];
            let own = &mut entries[first * columns..];
            own.iter_mut()
                .step_by(columns + 1)
                .take(columns)
                .for_each(|entry| *entry = 1.0);
            Panel { columns, entries }
        };
        Self {
            d,
            panels: (0..d).step_by(COLUMNS).map(panel).collect(),
        }
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.d
    }

    /// Multiplies with reflections from the left, one after the other.
    pub(super) fn reflect(&mut self, reflections: &Reflections) {
        self.panels.par_iter_mut().for_each(|panel| panel.reflect(reflections));
    }

    /// Multiplies with rotations from the left, one after the other.
    pub(super) fn rotate(&mut self, rotations: &[Rotation]) {
        self.panels.par_iter_mut().for_each(|panel| panel.rotate(rotations));
    }

    /// The matrix, row-major.
    pub(super) fn into_rows(self) -> Vec<f64> {
        let mut matrix = vec![0.0; self.d * self.d];
        for (panel, first) in self.panels.into_iter().zip((0..).step_by(COLUMNS)) {
            let rows = matrix.chunks_exact_mut(self.d);
            for (row, part) in rows.zip(panel.entries.chunks_exact(panel.columns)) {
                row[first..first + panel.columns].copy_from_slice(part);
            }
        }
        matrix
    }
}

impl Panel {
    fn reflect(&mut self, reflections: &Reflections) {
        let mut sums = [0.0; COLUMNS];
        let sums = &mut sums[..self.columns];
        for (vector, scale) in reflections.in_order() {
            sums.fill(0.0);
            for (row, v) in self.entries.chunks_exact(self.columns).zip(vector) {
                sums.iter_mut().zip(row).for_each(|(sum, entry)| *sum += v * entry);
            }
            sums.iter_mut().for_each(|sum| *sum /= scale);
            for (row, v) in self.entries.chunks_exact_mut(self.columns).zip(vector) {
                row.iter_mut().zip(&*sums).for_each(|(entry, sum)| *entry -= v * sum);
            }
        }
    }

    fn rotate(&mut self, rotations: &[Rotation]) {
        for &Rotation { row, cosine, sine } in rotations {
            let rows = &mut self.entries[row * self.columns..(row + 2) * self.columns];
            let (upper, lower) = rows.split_at_mut(self.columns);
            for (x, y) in upper.iter_mut().zip(lower) {
                (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
            }
        }
    }
}

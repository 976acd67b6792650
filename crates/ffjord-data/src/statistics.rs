//! Moments of rows that pass by once.

/// Means and co-moments of columns, gathered row by row (Welford 1962), so that a table need not be in memory and a
/// large common offset costs no precision.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    rows: u64,
    means: Vec<f64>,
    /// The sums of products of deviations, lower triangle, row by row.
    comoments: Vec<f64>,
    deviations: Vec<f64>,
}

impl Statistics {
    /// Nothing seen yet, of `columns` columns.
    pub(crate) fn new(columns: usize) -> Self {
        Self {
            rows: 0,
            means: vec![0.0; columns],
            comoments: vec![0.0; columns * (columns + 1) / 2],
            deviations: vec![0.0; columns],
        }
    }

    /// Takes a row of as many values as there are columns.
    pub(crate) fn push(&mut self, row: impl IntoIterator<Item = f64>) {
        self.rows += 1;
        let count = self.rows as f64;
        for ((deviation, mean), value) in self.deviations.iter_mut().zip(&mut self.means).zip(row) {
            *deviation = value - *mean;
            *mean += *deviation / count;
        }
        let weight = (count - 1.0) / count;
        let mut entries = self.comoments.iter_mut();
        for (column, deviation) in self.deviations.iter().enumerate() {
            // The shorter side first: a zip takes one from its first side before it sees that the second has ended.
            for (other, entry) in self.deviations[..=column].iter().zip(entries.by_ref()) {
                *entry += weight * deviation * other;
            }
        }
    }

    /// The number of rows seen.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// The mean of every column, `[D]`.
    pub(crate) fn means(&self) -> &[f64] {
        &self.means
    }

    /// Standard deviations with divisor N, numpy's default, `[D]`.
    pub(crate) fn population_stds(&self) -> Vec<f64> {
        self.stds(self.rows as f64)
    }

    /// Standard deviations with divisor N − 1, pandas' default, `[D]`.
    pub(crate) fn sample_stds(&self) -> Vec<f64> {
        self.stds(self.rows as f64 - 1.0)
    }

    /// Pearson's correlation of two columns; not a number if one is constant.
    pub(crate) fn correlation(&self, a: usize, b: usize) -> f64 {
        self.comoment(a, b) / (self.comoment(a, a) * self.comoment(b, b)).sqrt()
    }

    fn stds(&self, divisor: f64) -> Vec<f64> {
        (0..self.means.len())
            .map(|column| (self.comoment(column, column) / divisor).sqrt())
            .collect()
    }

    fn comoment(&self, a: usize, b: usize) -> f64 {
        let (row, column) = (a.max(b), a.min(b));
        self.comoments[row * (row + 1) / 2 + column]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_and_correlations_are_those_of_two_passes() {
        let rows = [[1e8 + 1.0, 2.0, -1.0], [1e8 + 2.0, 4.0, 0.0], [1e8 + 4.0, 8.0, -3.0]];
        let mut statistics = Statistics::new(3);
        for row in rows {
            statistics.push(row);
        }
        let close = |given: f64, expected: f64| assert!((given - expected).abs() < 1e-7, "{given} is not {expected}");
        close(statistics.means()[0], 1e8 + 7.0 / 3.0);
        close(statistics.means()[1], 14.0 / 3.0);
        // numpy: std([2, 4, 8]) = 2.494438257849294, with ddof=1 3.0550504633038935.
        close(statistics.population_stds()[1], 2.494438257849294);
        close(statistics.sample_stds()[1], 3.0550504633038935);
        close(statistics.correlation(0, 1), 1.0);
        // numpy: corrcoef([2, 4, 8], [-1, 0, -3])[0, 1].
        close(statistics.correlation(2, 1), -0.785_714_285_714_285_6);
        close(statistics.correlation(1, 2), -0.785_714_285_714_285_6);
    }

    #[test]
    fn a_constant_column_has_no_correlation() {
        let mut statistics = Statistics::new(2);
        (0..5).for_each(|i| statistics.push([0.5, f64::from(i)]));
        assert!(statistics.correlation(0, 1).is_nan());
        assert_eq!(statistics.sample_stds()[0], 0.0);
    }
}

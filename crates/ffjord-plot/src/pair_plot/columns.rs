//! The two tables of a pair plot, column by column.

use std::ops::Range;

use crate::PlotError;
use crate::window::robust_range;

/// Held-out rows and samples with a common range for each drawn column.
pub(super) struct Tables<'a> {
    held_out: &'a [f32],
    samples: &'a [f32],
    columns: usize,
    ranges: Vec<Range<f64>>,
}

impl<'a> Tables<'a> {
    /// Checks the tables and finds the ranges of the first `drawn` columns.
    pub(super) fn new(
        held_out: &'a [f32],
        samples: &'a [f32],
        columns: usize,
        drawn: usize,
    ) -> Result<Self, PlotError> {
        if columns == 0 {
            return Err(PlotError::Empty { what: "column names" });
        }
        for (what, table) in [("held-out rows", held_out), ("samples", samples)] {
            if table.is_empty() {
                return Err(PlotError::Empty { what });
            }
            if !table.len().is_multiple_of(columns) {
                return Err(PlotError::Columns {
                    what,
                    given: table.len(),
                    columns,
                });
            }
        }
        let range = |j| {
            let values = held_out.chunks_exact(columns).map(|row| f64::from(row[j]));
            let total = held_out.len() / columns;
            robust_range(values, 0.002, 0.08).ok_or(PlotError::NothingFinite {
                what: "held-out values",
                total,
            })
        };
        let ranges = (0..drawn).map(range).collect::<Result<_, _>>()?;
        Ok(Self {
            held_out,
            samples,
            columns,
            ranges,
        })
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn ranges(&self) -> &[Range<f64>] {
        &self.ranges
    }

    pub(super) fn held_out(&self) -> impl Iterator<Item = &'a [f32]> {
        self.held_out.chunks_exact(self.columns)
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = &'a [f32]> {
        self.samples.chunks_exact(self.columns)
    }

    /// Values of the drawn columns that are not finite.
    pub(super) fn skipped(&self) -> usize {
        let drawn = self.ranges.len();
        self.held_out()
            .chain(self.samples())
            .flat_map(|row| &row[..drawn])
            .filter(|value| !value.is_finite())
            .count()
    }
}

//! A function's values on a rectangular grid.

use crate::{PlotError, Window};

/// Values at the centres of `nx × ny` equal cells of a window, row-major from the lower left: `values[row · nx +
/// column]`.
///
/// Row 0 is the lowest y, column 0 the lowest x. A density (≥ 0) is drawn from zero up; anything else, such as a
/// log-density, from its smallest finite value.
///
/// ```
/// use ffjord_plot::{Grid, Window};
///
/// // Evaluate any model at the cell centres, in the order in which the values are expected.
/// let window = Window::square(2.0)?;
/// let values = Grid::centers(&window, 3, 2).iter().map(|[x, y]| x + 10.0 * y).collect();
/// let grid = Grid::new(window, 3, 2, values)?;
/// assert_eq!(grid.value(2, 1), Some(4.0_f32 / 3.0 + 10.0));
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    window: Window,
    nx: usize,
    ny: usize,
    values: Vec<f32>,
}

impl Grid {
    /// The grid with these values.
    ///
    /// # Errors
    /// [`PlotError::GridSize`] unless there are `nx · ny ≥ 1` values.
    pub fn new(window: Window, nx: usize, ny: usize, values: Vec<f32>) -> Result<Self, PlotError> {
        if values.is_empty() || nx.checked_mul(ny) != Some(values.len()) {
            return Err(PlotError::GridSize {
                nx,
                ny,
                given: values.len(),
            });
        }
        Ok(Self { window, nx, ny, values })
    }

    /// The grid of `f(x, y)` at the cell centres.
    ///
    /// ```
    /// use ffjord_plot::{Grid, Window};
    /// let grid = Grid::from_fn(Window::square(1.0)?, 2, 4, |x, y| (x + 10.0 * y) as f32)?;
    /// assert_eq!((grid.size(), grid.window().x()), ((2, 4), -1.0..1.0));
    /// assert_eq!((grid.value(1, 0), grid.value(2, 0)), (Some(0.5 - 7.5), None));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn from_fn(
        window: Window,
        nx: usize,
        ny: usize,
        mut f: impl FnMut(f64, f64) -> f32,
    ) -> Result<Self, PlotError> {
        let values = Self::centers(&window, nx, ny)
            .iter()
            .map(|&[x, y]| f(f64::from(x), f64::from(y)))
            .collect();
        Self::new(window, nx, ny, values)
    }

    /// The `nx · ny` cell centres of a window in the order of a grid's values.
    pub fn centers(window: &Window, nx: usize, ny: usize) -> Vec<[f32; 2]> {
        let (x, y) = (window.x(), window.y());
        let along = |start: f64, end: f64, i: usize, n: usize| start + (end - start) * (i as f64 + 0.5) / n as f64;
        (0..ny)
            .flat_map(|row| (0..nx).map(move |column| (row, column)))
            .map(|(row, column)| {
                [
                    along(x.start, x.end, column, nx) as f32,
                    along(y.start, y.end, row, ny) as f32,
                ]
            })
            .collect()
    }

    /// The window that the cells fill.
    pub fn window(&self) -> &Window {
        &self.window
    }

    /// Cells along x and along y.
    pub fn size(&self) -> (usize, usize) {
        (self.nx, self.ny)
    }

    /// The value in a cell, if there is such a cell.
    pub fn value(&self, column: usize, row: usize) -> Option<f32> {
        (column < self.nx && row < self.ny).then(|| self.values[row * self.nx + column])
    }

    /// Interpolates bilinearly between cell centres at the fractions `u`, `v` of the window; `None` next to a
    /// non-finite value.
    pub(crate) fn interpolate(&self, u: f64, v: f64) -> Option<f64> {
        let split = |fraction: f64, n: usize| {
            let position = (fraction * n as f64 - 0.5).clamp(0.0, (n - 1) as f64);
            let low = position.floor() as usize;
            (low, (low + 1).min(n - 1), position - position.floor())
        };
        let (left, right, a) = split(u, self.nx);
        let (below, above, b) = split(v, self.ny);
        let at = |column: usize, row: usize| f64::from(self.values[row * self.nx + column]);
        let lower = at(left, below) * (1.0 - a) + at(right, below) * a;
        let upper = at(left, above) * (1.0 - a) + at(right, above) * a;
        let value = lower * (1.0 - b) + upper * b;
        value.is_finite().then_some(value)
    }

    /// The range of colours: from zero (or the smallest value, if negative) to the largest; and the number of
    /// non-finite cells.
    pub(crate) fn color_range(&self) -> Result<(f64, f64, usize), PlotError> {
        let finite = self.values.iter().filter(|value| value.is_finite());
        let count = finite.clone().count();
        if count == 0 {
            return Err(PlotError::NothingFinite {
                what: "grid values",
                total: self.values.len(),
            });
        }
        let low = finite.clone().fold(0.0_f64, |m, &v| m.min(f64::from(v)));
        let high = finite.fold(f64::NEG_INFINITY, |m, &v| m.max(f64::from(v)));
        let high = if high > low { high } else { low + 1.0 };
        Ok((low, high, self.values.len() - count))
    }
}

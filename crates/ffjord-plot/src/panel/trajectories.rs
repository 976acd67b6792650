//! Paths of particles.

use std::ops::Range;

use crate::window::drawable;
use crate::{PlotError, Window};

/// Paths `[P][K, 2]` of P particles at K common times.
///
/// ```
/// use ffjord_plot::{PanelOptions, Trajectories, trajectories};
/// // A path has one point for each time.
/// let short = [vec![[0.0, 0.0], [1.0, 0.5]]];
/// let refused = trajectories(Trajectories::new(&[0.0, 0.5, 1.0], &short), &PanelOptions::default());
/// assert!(refused.unwrap_err().to_string().contains("trajectory 0 has 2 points, but there are 3 times"));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Trajectories<'a> {
    pub(crate) times: &'a [f64],
    pub(crate) paths: &'a [Vec<[f32; 2]>],
}

impl<'a> Trajectories<'a> {
    /// Every path has one point for each time; times may run in either direction.
    pub fn new(times: &'a [f64], paths: &'a [Vec<[f32; 2]>]) -> Self {
        Self { times, paths }
    }

    /// The range of times and the number of points that are not finite.
    pub(crate) fn check(&self) -> Result<(Range<f64>, usize), PlotError> {
        if self.paths.is_empty() {
            return Err(PlotError::Empty { what: "paths" });
        }
        let count = self.times.len();
        let wrong = self
            .paths
            .iter()
            .enumerate()
            .find(|(_, path)| path.len() != count || count < 2);
        if let Some((path, points)) = wrong {
            return Err(PlotError::TrajectoryLength {
                path,
                points: points.len(),
                times: count,
            });
        }
        let first = self.times.iter().copied().fold(f64::INFINITY, f64::min);
        let last = self.times.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !self.times.iter().all(|&t| drawable(t)) || first >= last {
            return Err(PlotError::Range {
                axis: "time",
                start: first,
                end: last,
            });
        }
        let points = self.paths.iter().flatten();
        Ok((
            first..last,
            points.filter(|point| !point.iter().all(|c| c.is_finite())).count(),
        ))
    }

    /// The window that all points of all paths cover.
    pub(crate) fn window(&self) -> Result<Window, PlotError> {
        Window::covering(&self.paths.concat())
    }
}

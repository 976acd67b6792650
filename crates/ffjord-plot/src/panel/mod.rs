//! Panels of the plane with equal scales on both axes: density maps, histograms and clouds of samples, trajectories.

mod color_bar;
mod compose;
mod options;
mod paint;
mod trajectories;

pub use options::PanelOptions;
pub use trajectories::Trajectories;

pub(crate) use compose::compose;

use color_bar::ColorBar;
use paint::Paint;

use crate::color::ColorMap;
use crate::draw::axis::Axis;
use crate::draw::frame::Frame;
use crate::draw::style::SCALE;
use crate::histogram::{Histogram2d, bins_for};
use crate::{Figure, Grid, PlotError, Window};

/// Height of the plot in canvas units.
pub(crate) const HEIGHT: f32 = 300.0;
/// Beyond this ratio of width to height (or height to width) the axes get different scales rather than a sliver.
const LARGEST_RATIO: f64 = 2.5;

/// What a panel shows.
///
/// ```
/// use ffjord_plot::{Content, Panel, PanelOptions, side_by_side};
/// let points = [[0.0, 0.5], [1.0, -0.5]];
/// let draw = |content| side_by_side(&[Panel::new(content, PanelOptions::default())], "");
/// assert_ne!(draw(Content::Samples(&points))?, draw(Content::Scatter(&points))?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Content<'a> {
    /// A density on a grid as a heat map.
    Density(&'a Grid),
    /// Points `[N, 2]` as a histogram, coloured by the count in each cell.
    Samples(&'a [[f32; 2]]),
    /// Points `[N, 2]` as single dots.
    Scatter(&'a [[f32; 2]]),
    /// Paths of particles, coloured by time.
    Trajectories(Trajectories<'a>),
}

/// What to show and how, for [`side_by_side`].
///
/// ```
/// use ffjord_plot::{Content, Panel, PanelOptions, scatter, side_by_side};
/// let points = [[0.0, 0.5], [1.0, -0.5]];
/// let panel = Panel::new(Content::Scatter(&points), PanelOptions::default());
/// let two = side_by_side(&[panel.clone(), panel], "")?;
/// assert!(two.width() > scatter(&points, &PanelOptions::default())?.width());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Panel<'a> {
    content: Content<'a>,
    options: PanelOptions,
}

impl<'a> Panel<'a> {
    /// A panel of this content.
    pub fn new(content: Content<'a>, options: PanelOptions) -> Self {
        Self { content, options }
    }
}

/// A heat map of a density with axes, title and colour bar; both axes have the same scale.
///
/// ```
/// use ffjord_plot::{Grid, PanelOptions, Window, density_map};
///
/// let grid = Grid::from_fn(Window::square(3.0)?, 60, 60, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// let figure = density_map(&grid, &PanelOptions::default().title("standard normal").color_bar("p(x)"))?;
/// let (width, height) = (figure.width(), figure.height());
/// assert!(width > height);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::NothingFinite`] if no grid value is finite.
pub fn density_map(grid: &Grid, options: &PanelOptions) -> Result<Figure, PlotError> {
    single(Content::Density(grid), options)
}

/// A two-dimensional histogram of points `[N, 2]`, which resembles the density map of their distribution.
///
/// Without a window in the options, the picture covers all but the outermost points, see [`Window::covering`].
///
/// ```
/// use ffjord_plot::{PanelOptions, samples};
///
/// let points = [[0.0, 0.5], [1.0, -0.5], [f32::NAN, 0.0]];
/// let figure = samples(&points, &PanelOptions::default())?;
/// assert_eq!(figure.skipped(), 1);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without points, [`PlotError::NothingFinite`] without a finite one.
pub fn samples(points: &[[f32; 2]], options: &PanelOptions) -> Result<Figure, PlotError> {
    single(Content::Samples(points), options)
}

/// Points `[N, 2]` as single dots.
///
/// ```
/// use ffjord_plot::{PanelOptions, scatter};
/// let figure = scatter(&[[0.0, 0.5], [1.0, f32::INFINITY]], &PanelOptions::default().title("two points"))?;
/// assert_eq!(figure.skipped(), 1);
/// assert!(scatter(&[], &PanelOptions::default()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without points, [`PlotError::NothingFinite`] without a finite one.
pub fn scatter(points: &[[f32; 2]], options: &PanelOptions) -> Result<Figure, PlotError> {
    single(Content::Scatter(points), options)
}

/// Paths of particles through the plane, coloured by time; a few hundred show a flow best.
///
/// ```
/// use ffjord_plot::{PanelOptions, Trajectories, trajectories};
///
/// let paths = [vec![[0.0, 0.0], [1.0, 0.5], [2.0, 2.0]], vec![[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]]];
/// let figure = trajectories(Trajectories::new(&[0.0, 0.5, 1.0], &paths), &PanelOptions::default())?;
/// assert_eq!(figure.skipped(), 0);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::TrajectoryLength`] unless every path has one point for each time and there are at least two;
/// [`PlotError::Empty`] without paths, [`PlotError::NothingFinite`] without a finite point or time.
pub fn trajectories(paths: Trajectories<'_>, options: &PanelOptions) -> Result<Figure, PlotError> {
    single(Content::Trajectories(paths), options)
}

/// Several panels of equal height in a row under one heading (empty: none), such as data, model density and model
/// samples.
///
/// ```
/// use ffjord_plot::{Content, Grid, Panel, PanelOptions, Window, side_by_side};
///
/// let window = Window::square(3.0)?;
/// let grid = Grid::from_fn(window.clone(), 40, 40, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// let points = [[0.0, 0.5], [1.0, -0.5]];
/// let plain = PanelOptions::default().window(window).without_color_bar();
/// let figure = side_by_side(
///     &[
///         Panel::new(Content::Samples(&points), plain.clone().title("data")),
///         Panel::new(Content::Density(&grid), plain.title("model")),
///     ],
///     "two views",
/// )?;
/// assert!(figure.width() > figure.height());
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without panels, and whatever the panels' contents give.
pub fn side_by_side(panels: &[Panel<'_>], heading: &str) -> Result<Figure, PlotError> {
    compose(&[prepared(panels)?], heading, SCALE)
}

/// Rows of panels below each other under one heading, each row as that of [`side_by_side`].
///
/// ```
/// use ffjord_plot::{Content, Panel, PanelOptions, in_rows};
/// let points = [[0.0, 0.5], [1.0, -0.5]];
/// let panel = Panel::new(Content::Scatter(&points), PanelOptions::default());
/// let (one, two) = (in_rows(&[vec![panel.clone()]], "")?, in_rows(&[vec![panel.clone()], vec![panel]], "")?);
/// assert!(two.height() > one.height() && two.width() == one.width());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`side_by_side`].
pub fn in_rows(rows: &[Vec<Panel<'_>>], heading: &str) -> Result<Figure, PlotError> {
    let rows: Result<Vec<_>, _> = rows.iter().map(|row| prepared(row)).collect();
    compose(&rows?, heading, SCALE)
}

fn prepared<'a>(panels: &[Panel<'a>]) -> Result<Vec<Prepared<'a>>, PlotError> {
    let panels = panels.iter();
    panels
        .map(|panel| Prepared::new(panel.content, &panel.options, HEIGHT))
        .collect()
}

fn single(content: Content<'_>, options: &PanelOptions) -> Result<Figure, PlotError> {
    compose(&[vec![Prepared::new(content, options, HEIGHT)?]], "", SCALE)
}

/// A panel whose input is checked and whose size is known.
pub(crate) struct Prepared<'a> {
    paint: Paint<'a>,
    window: Window,
    width: f32,
    height: f32,
    frame: Frame,
    bar: Option<ColorBar>,
    color_map: ColorMap,
    skipped: usize,
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(content: Content<'a>, options: &PanelOptions, height: f32) -> Result<Self, PlotError> {
        let given = |otherwise: Result<Window, PlotError>| options.window.clone().map_or(otherwise, Ok);
        let (paint, window, values, skipped) = match content {
            Content::Density(grid) => {
                let (low, high, skipped) = grid.color_range()?;
                (
                    Paint::Density { grid, low, high },
                    grid.window().clone(),
                    low..high,
                    skipped,
                )
            }
            Content::Samples(points) => {
                let skipped = not_finite(points)?;
                let window = given(Window::covering(points))?;
                let counts = Histogram2d::new(points.iter().copied(), &window, bins_for(points.len()));
                let top = counts.top();
                (Paint::Samples { counts, top }, window, 0.0..top, skipped)
            }
            Content::Scatter(points) => {
                let skipped = not_finite(points)?;
                let window = given(Window::covering(points))?;
                (Paint::Scatter { points }, window, 0.0..1.0, skipped)
            }
            Content::Trajectories(paths) => {
                let (times, skipped) = paths.check()?;
                (
                    Paint::Trajectories {
                        paths,
                        times: times.clone(),
                    },
                    given(paths.window())?,
                    times,
                    skipped,
                )
            }
        };
        let bar = match (&paint, &options.color_bar) {
            (Paint::Scatter { .. }, _) | (_, None) => None,
            (_, Some(label)) => Some(ColorBar::new(values, label, height)),
        };
        let ratio = (1.0 / window.aspect()).clamp(1.0 / LARGEST_RATIO, LARGEST_RATIO);
        let width = height * ratio as f32;
        let texts = [&*options.title, &*options.x_label, &*options.y_label];
        let frame = Frame::new(Axis::linear(window.x()), Axis::linear(window.y()), width, height, texts);
        Ok(Self {
            paint,
            window,
            width,
            height,
            frame,
            bar,
            color_map: options.color_map,
            skipped,
        })
    }

    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }
}

/// How many points are not finite.
fn not_finite(points: &[[f32; 2]]) -> Result<usize, PlotError> {
    if points.is_empty() {
        return Err(PlotError::Empty { what: "points" });
    }
    let skipped = points
        .iter()
        .filter(|point| !point.iter().all(|c| c.is_finite()))
        .count();
    if skipped == points.len() {
        return Err(PlotError::NothingFinite {
            what: "points",
            total: skipped,
        });
    }
    Ok(skipped)
}

//! Series over the iterations of a training: losses, numbers of evaluations, validation.

mod layout;
mod series;

pub use series::Series;

use crate::draw::axis::{Axis, Scale};
use crate::draw::frame::Frame;
use crate::draw::text::Fonts;
use crate::{Figure, PlotError};
use layout::{HEIGHT, LEGEND, WIDTH, legend_lines};

/// One plot of [`training_curves`]: some series on common axes.
///
/// ```
/// use ffjord_plot::{CurvePanel, Scale, Series, training_curves};
///
/// let loss: Vec<(f64, f64)> = (1..200).map(|i| (f64::from(i), 4.0 / f64::from(i).sqrt())).collect();
/// let validation = [(50.0, 0.6), (100.0, 0.4), (150.0, 0.35)];
/// let series = vec![Series::new("training", &loss).smoothed(9), Series::new("validation", &validation)];
/// let panel = CurvePanel::new(series)
///     .title("loss")
///     .labels("iteration", "nats")
///     .scale(Scale::Log);
/// let figure = training_curves(&[panel], "")?;
/// assert_eq!(figure.skipped(), 0);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
#[derive(Clone, Debug)]
pub struct CurvePanel<'a> {
    title: String,
    x_label: String,
    y_label: String,
    x_scale: Scale,
    scale: Scale,
    series: Vec<Series<'a>>,
}

impl<'a> CurvePanel<'a> {
    /// A plot of these series with linear axes and no texts but the legend.
    pub fn new(series: Vec<Series<'a>>) -> Self {
        Self {
            title: String::new(),
            x_label: String::new(),
            y_label: String::new(),
            x_scale: Scale::Linear,
            scale: Scale::Linear,
            series,
        }
    }

    /// Writes a title above the plot.
    #[must_use]
    pub fn title(self, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            ..self
        }
    }

    /// Writes labels below and to the left of the plot.
    #[must_use]
    pub fn labels(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        Self {
            x_label: x.into(),
            y_label: y.into(),
            ..self
        }
    }

    /// Chooses the scale of the horizontal axis.
    #[must_use]
    pub fn x_scale(self, x_scale: Scale) -> Self {
        Self { x_scale, ..self }
    }

    /// Chooses the scale of the vertical axis.
    #[must_use]
    pub fn scale(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }
}

/// Plots in rows of up to three under one heading (empty: none); every plot has its own axes and legend.
///
/// The vertical axis shows all values but rare outliers far from the rest, such as the first losses of a training.
///
/// ```
/// use ffjord_plot::{CurvePanel, Series, training_curves};
/// let losses = [(1.0, 2.5), (2.0, 2.0), (3.0, f64::NAN)];
/// let panel = CurvePanel::new(vec![Series::new("training", &losses)]);
/// assert_eq!(training_curves(&[panel], "")?.skipped(), 1);
/// assert!(training_curves(&[], "").unwrap_err().to_string().contains("nothing to draw"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without panels or in a panel without points; [`PlotError::NothingFinite`] if none of a panel's
/// points can be drawn on its axes.
pub fn training_curves(panels: &[CurvePanel<'_>], heading: &str) -> Result<Figure, PlotError> {
    // With one legend anywhere all plots leave space for one, so that titles stay aligned.
    let fonts = Fonts::embedded();
    let lines = panels.iter().map(|panel| legend_lines(&fonts, &panel.series).len());
    let header = lines.max().unwrap_or(0) as f32 * LEGEND;
    let prepared: Result<Vec<_>, _> = panels.iter().map(|panel| Prepared::new(panel, header)).collect();
    layout::draw(&prepared?, heading)
}

/// A panel with its axes.
struct Prepared<'a> {
    frame: Frame,
    series: &'a [Series<'a>],
    skipped: usize,
}

impl<'a> Prepared<'a> {
    fn new(panel: &'a CurvePanel<'a>, header: f32) -> Result<Self, PlotError> {
        let total = panel.series.iter().map(|series| series.points.len()).sum();
        if total == 0 {
            return Err(PlotError::Empty {
                what: "points of a curve",
            });
        }
        let all = panel.series.iter().flat_map(|series| series.points);
        let fits = |&&(x, y): &&(f64, f64)| Axis::accepts(panel.x_scale, x) && Axis::accepts(panel.scale, y);
        let (mut xs, mut ys): (Vec<f64>, Vec<f64>) = all.filter(fits).copied().unzip();
        xs.sort_by(f64::total_cmp);
        ys.sort_by(f64::total_cmp);
        let (Some(&first), Some(&last), Some((low, high))) = (xs.first(), xs.last(), series::shown(&ys)) else {
            return Err(PlotError::NothingFinite {
                what: "points of a curve",
                total,
            });
        };
        let x = Axis::spanning(first, last, 0.02, panel.x_scale);
        let y = Axis::spanning(low, high, 0.05, panel.scale);
        let texts = [&*panel.title, &*panel.x_label, &*panel.y_label];
        let frame = Frame::new(x, y, WIDTH, HEIGHT, texts).header(header);
        Ok(Self {
            frame,
            series: &panel.series,
            skipped: total - xs.len(),
        })
    }
}

//! All pairs of columns of two tables: held-out rows against samples of a model.

mod cells;
mod columns;

use crate::draw::axis::{Axis, Tick};
use crate::draw::canvas::{Canvas, Rect};
use crate::draw::frame::{draw_x_ticks, draw_y_ticks, widest};
use crate::draw::style::{GAP, HEADING, LABEL, LINE, MARGIN, SCALE, TICK};
use crate::draw::text::{Align, Fonts, TextStyle};
use crate::{Figure, PlotError};
use cells::{draw_marginals, draw_pair};
use columns::Tables;

/// More columns than this are not drawn.
const MOST_COLUMNS: usize = 8;
const CELL_GAP: f32 = 5.0;

/// Texts of a [`pair_plot`].
///
/// ```
/// use ffjord_plot::{PairPlotOptions, pair_plot};
/// let (held_out, samples) = ([0.0, 1.0, 0.5, 0.2], [0.1, 0.8, 0.6, 0.1]);
/// let options = PairPlotOptions { title: "POWER".to_owned(), ..PairPlotOptions::default() };
/// let figure = pair_plot(&["voltage", "power"], &held_out, &samples, &options)?;
/// assert_ne!(figure, pair_plot(&["voltage", "power"], &held_out, &samples, &PairPlotOptions::default())?);
/// let refused = pair_plot(&["a", "b", "c"], &held_out, &samples, &options).unwrap_err().to_string();
/// assert!(refused.contains("4 values cannot be cut into rows of 3 columns"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct PairPlotOptions {
    /// Heading of the figure; where only the first columns are drawn, a note follows it.
    pub title: String,
    /// What the first table is called in the legend.
    pub held_out: String,
    /// What the second table is called in the legend.
    pub samples: String,
}

impl Default for PairPlotOptions {
    fn default() -> Self {
        Self {
            title: String::new(),
            held_out: "held-out rows".into(),
            samples: "samples".into(),
        }
    }
}

/// A square of plots for the first (up to) eight columns of two tables `[N, D]` and `[M, D]`, row-major, D names.
///
/// On the diagonal the marginal histograms of both tables lie over each other, their heights on a square-root scale so
/// that small modes beside a spike can be seen; below the diagonal are two-dimensional histograms of the held-out
/// rows, above it of the samples. Every column has one range everywhere: the held-out rows but the outermost 0.2 % on
/// each side.
///
/// ```
/// use ffjord_plot::{PairPlotOptions, pair_plot};
///
/// let held_out = [0.0, 1.0, 0.5, 0.2, 0.9, 0.4];
/// let samples = [0.1, 0.8, 0.6, 0.1, 0.7, 0.5];
/// let figure = pair_plot(&["voltage", "power"], &held_out, &samples, &PairPlotOptions::default())?;
/// assert_eq!(figure.skipped(), 0);
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without names or rows, [`PlotError::Columns`] if a table's length is no multiple of the number
/// of names, [`PlotError::NothingFinite`] if a drawn column of the held-out rows has no finite value.
pub fn pair_plot<S: AsRef<str>>(
    names: &[S],
    held_out: &[f32],
    samples: &[f32],
    options: &PairPlotOptions,
) -> Result<Figure, PlotError> {
    let drawn = names.len().min(MOST_COLUMNS);
    let tables = Tables::new(held_out, samples, names.len(), drawn)?;
    let names: Vec<&str> = names[..drawn].iter().map(AsRef::as_ref).collect();
    let title = if tables.columns() > drawn {
        let note = format!("(first {drawn} of {} columns)", tables.columns());
        if options.title.is_empty() {
            note
        } else {
            format!("{} {note}", options.title)
        }
    } else {
        options.title.clone()
    };
    draw(&tables, &names, &title, options)
}

fn draw(tables: &Tables<'_>, names: &[&str], title: &str, options: &PairPlotOptions) -> Result<Figure, PlotError> {
    let n = names.len();
    let cell = (620.0 / n as f32).clamp(88.0, 190.0);
    let fonts = Fonts::embedded();
    let axes: Vec<Axis> = tables.ranges().iter().cloned().map(Axis::linear).collect();
    let x_ticks: Vec<_> = axes
        .iter()
        .map(|axis| ticks_inside(axis, cell, |label| fonts.width(label, LABEL, false)))
        .collect();
    let y_ticks: Vec<_> = axes
        .iter()
        .map(|axis| ticks_inside(axis, cell, |_| 0.5 * LABEL))
        .collect();
    // The first row's diagonal cell has no vertical scale, so its ticks are not drawn.
    let tick_width = y_ticks
        .iter()
        .skip(1)
        .map(|ticks| widest(ticks, &fonts))
        .fold(0.0, f32::max);
    let line = LABEL * LINE;
    let left = MARGIN + line + GAP + tick_width + TICK + 0.5 * GAP;
    let heading_height = if title.is_empty() { 0.0 } else { HEADING * LINE };
    let top = MARGIN + heading_height + line + GAP;
    let side = n as f32 * cell + (n - 1) as f32 * CELL_GAP;
    let width = left + side + MARGIN + 0.5 * GAP;
    let height = top + side + TICK + 2.0 * line + MARGIN;

    let mut canvas = Canvas::new(width, height, SCALE, fonts)?;
    let heading = TextStyle::new(HEADING, Align::Middle).bold();
    canvas.text(title, left + 0.5 * side, MARGIN + 0.5 * HEADING * LINE, heading);
    draw_legend(&mut canvas, left, side, MARGIN + heading_height + 0.5 * line, options);
    for row in 0..n {
        for column in 0..n {
            let x = left + column as f32 * (cell + CELL_GAP);
            let y = top + row as f32 * (cell + CELL_GAP);
            let plot = Rect { x, y, w: cell, h: cell };
            if row == column {
                draw_marginals(&mut canvas, plot, tables, row);
            } else {
                draw_pair(&mut canvas, plot, tables, column, row);
            }
            let middle = TextStyle::new(LABEL, Align::Middle);
            if row + 1 == n {
                draw_x_ticks(&mut canvas, plot, &axes[column], &x_ticks[column]);
                canvas.text(
                    names[column],
                    plot.center_x(),
                    plot.bottom() + TICK + 1.5 * line,
                    middle,
                );
            }
            if column == 0 {
                if row > 0 {
                    draw_y_ticks(&mut canvas, plot, &axes[row], &y_ticks[row]);
                }
                canvas.text(names[row], MARGIN + 0.5 * line, plot.y + 0.5 * cell, middle.rotated());
            }
        }
    }
    Ok(canvas.into_figure(tables.skipped()))
}

/// Ticks whose labels (of this size along the axis) stay within `length` units, so that none touches another,
/// in this cell or the next.
fn ticks_inside(axis: &Axis, length: f32, size: impl Fn(&str) -> f32) -> Vec<Tick> {
    let few = (length / 34.0) as usize + 1;
    let mut ticks = Vec::new();
    // Close to the ends and to each other labels are dropped; with fewer than two left, finer ticks are tried.
    for most in few..few + 4 {
        ticks = axis.ticks(most);
        let mut taken = -0.5 * CELL_GAP;
        for tick in &mut ticks {
            let center = axis.fraction(tick.value) as f32 * length;
            let reach = tick.label.as_deref().map_or(0.0, |label| 0.5 * size(label));
            if center - reach < taken || center + reach > length + 0.5 * CELL_GAP {
                tick.label = None;
            } else {
                taken = center + reach + GAP;
            }
        }
        if ticks.iter().filter(|tick| tick.label.is_some()).count() >= 2 {
            break;
        }
    }
    ticks
}

/// The two tables' colours and where each is shown, centred above the cells.
fn draw_legend(canvas: &mut Canvas, left: f32, side: f32, y: f32, options: &PairPlotOptions) {
    let short = side < 480.0;
    let texts = if short {
        [options.held_out.clone(), options.samples.clone()]
    } else {
        [
            format!("{} (below the diagonal)", options.held_out),
            format!("{} (above the diagonal)", options.samples),
        ]
    };
    let widths = texts.each_ref().map(|text| canvas.fonts().width(text, LABEL, false));
    let patch = 12.0;
    let mut x = left + 0.5 * (side - widths[0] - widths[1] - 2.0 * (patch + 6.0) - 24.0);
    for ((text, width), color) in texts.iter().zip(widths).zip([cells::HELD_OUT, cells::SAMPLES]) {
        canvas.fill(
            Rect {
                x,
                y: y - 0.5 * patch,
                w: patch,
                h: patch,
            },
            color,
            0.8,
        );
        canvas.text(text, x + patch + 6.0, y, TextStyle::new(LABEL, Align::Start));
        x += patch + 6.0 + width + 24.0;
    }
}

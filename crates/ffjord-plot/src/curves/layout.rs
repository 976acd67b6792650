//! Arranging and drawing the plots of a training.

use crate::color::{Rgb, SPINE, WHITE, series as series_color};
use crate::curves::{Prepared, Series};
use crate::draw::canvas::{Canvas, Rect};
use crate::draw::frame::{Frame, Margins};
use crate::draw::style::{GAP, HEADING, LABEL, LINE, MARGIN, PANEL_GAP, SCALE};
use crate::draw::text::{Align, Fonts, TextStyle};
use crate::{Figure, PlotError};

/// Width of a plot in canvas units.
pub(super) const WIDTH: f32 = 330.0;
/// Height of a plot in canvas units.
pub(super) const HEIGHT: f32 = 210.0;
/// Height of a line of the legend above a plot.
pub(super) const LEGEND: f32 = LABEL * LINE + 2.0;

/// Length of the stroke before a name in the legend, the gap between both, and that between entries.
const STROKE: f32 = 18.0;
const NAME_GAP: f32 = 5.0;
const ENTRY_GAP: f32 = 14.0;

/// Up to this many points are marked by dots.
const DOTTED: usize = 40;

pub(super) fn draw(panels: &[Prepared<'_>], heading: &str) -> Result<Figure, PlotError> {
    if panels.is_empty() {
        return Err(PlotError::Empty { what: "panels" });
    }
    let fonts = Fonts::embedded();
    // The same margins everywhere align the plots of all rows and columns.
    let margin = panels
        .iter()
        .map(|panel| panel.frame.margins(&fonts))
        .fold(Margins::default(), widest);
    // Up to three in a row, but four as two by two.
    let columns = if panels.len() == 4 { 2 } else { panels.len().min(3) };
    let rows = panels.len().div_ceil(columns);
    let (cell_w, cell_h) = (margin.left + WIDTH + margin.right, margin.top + HEIGHT + margin.bottom);
    let heading_height = if heading.is_empty() { 0.0 } else { HEADING * LINE + 4.0 };
    let width = 2.0 * MARGIN + columns as f32 * cell_w + (columns - 1) as f32 * PANEL_GAP;
    let height = 2.0 * MARGIN + heading_height + rows as f32 * cell_h + (rows - 1) as f32 * PANEL_GAP;

    let mut canvas = Canvas::new(width, height, SCALE, fonts)?;
    let style = TextStyle::new(HEADING, Align::Middle).bold();
    canvas.text(heading, 0.5 * width, MARGIN + 0.5 * HEADING * LINE, style);
    for (i, panel) in panels.iter().enumerate() {
        let (row, column) = ((i / columns) as f32, (i % columns) as f32);
        let x = MARGIN + column * (cell_w + PANEL_GAP) + margin.left;
        let y = MARGIN + heading_height + row * (cell_h + PANEL_GAP) + margin.top;
        draw_panel(
            &mut canvas,
            Rect {
                x,
                y,
                w: WIDTH,
                h: HEIGHT,
            },
            panel,
        );
    }
    Ok(canvas.into_figure(panels.iter().map(|panel| panel.skipped).sum()))
}

fn widest(a: Margins, b: Margins) -> Margins {
    Margins {
        left: a.left.max(b.left),
        right: a.right.max(b.right),
        top: a.top.max(b.top),
        bottom: a.bottom.max(b.bottom),
    }
}

fn draw_panel(canvas: &mut Canvas, plot: Rect, panel: &Prepared<'_>) {
    panel.frame.draw_grid(canvas, plot);
    canvas.clip(Some(plot));
    for (series, color) in panel.series.iter().zip(colors(panel.series)) {
        draw_series(canvas, plot, &panel.frame, series, color);
    }
    canvas.clip(None);
    panel.frame.draw(canvas, plot);
    draw_legend(canvas, plot, panel.series);
}

/// The colour of every series: bounds have that of the frame.
fn colors(series: &[Series<'_>]) -> Vec<Rgb> {
    let mut others = 0..;
    let color = |series: &Series<'_>| match series.bounds {
        true => SPINE,
        false => others.next().map_or(SPINE, series_color),
    };
    series.iter().map(color).collect()
}

fn draw_series(canvas: &mut Canvas, plot: Rect, frame: &Frame, series: &Series<'_>, color: Rgb) {
    let (x_axis, y_axis) = frame.axes();
    // Far outside the plot the exact place does not matter, and the rasteriser wants moderate numbers.
    let near = |fraction: f64| {
        if fraction.is_finite() {
            fraction.clamp(-50.0, 50.0)
        } else {
            f64::NAN
        }
    };
    let place = |&(x, y): &(f64, f64)| plot.at(near(x_axis.fraction(x)), near(y_axis.fraction(y)));
    let points: Vec<_> = series.points.iter().map(place).collect();
    if series.window > 1 {
        canvas.polyline(&points, 1.0, color, 0.3);
        let mean: Vec<_> = series.running_mean().iter().map(place).collect();
        canvas.polyline(&mean, 1.8, color, 1.0);
        return;
    }
    if series.bounds {
        canvas.polyline(&points, 1.0, color, 1.0);
        return;
    }
    canvas.polyline(&points, 1.5, color, 1.0);
    if points.len() <= DOTTED {
        for point in points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite()) {
            canvas.disc(point, 3.2, WHITE, 1.0);
            canvas.disc(point, 2.4, color, 1.0);
        }
    }
}

/// The indices of the named series, a list for each line of the legend; a line holds as many as the plot is wide.
pub(super) fn legend_lines(fonts: &Fonts, series: &[Series<'_>]) -> Vec<Vec<usize>> {
    let mut lines: Vec<Vec<usize>> = Vec::new();
    let mut used = 0.0;
    for (i, series) in series.iter().enumerate().filter(|(_, series)| !series.name.is_empty()) {
        let width = fonts.width(&series.name, LABEL, false) + NAME_GAP + STROKE;
        match lines.last_mut() {
            Some(line) if used + ENTRY_GAP + width <= WIDTH => {
                line.push(i);
                used += ENTRY_GAP + width;
            }
            _ => {
                lines.push(vec![i]);
                used = width;
            }
        }
    }
    lines
}

/// A short stroke and the name of each series, right-aligned above the plot.
fn draw_legend(canvas: &mut Canvas, plot: Rect, series: &[Series<'_>]) {
    let (lines, colors) = (legend_lines(canvas.fonts(), series), colors(series));
    for (above, line) in lines.iter().rev().enumerate() {
        let y = plot.y - GAP - 0.5 * LABEL - above as f32 * LEGEND;
        let mut x = plot.right();
        for &i in line.iter().rev() {
            let name = &series[i].name;
            canvas.text(name, x, y, TextStyle::new(LABEL, Align::End));
            x -= canvas.fonts().width(name, LABEL, false) + NAME_GAP;
            canvas.polyline(&[(x - STROKE, y), (x, y)], 2.0, colors[i], 1.0);
            x -= STROKE + ENTRY_GAP;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_take_no_color_from_others() {
        let (bound, plain) = (|| Series::new("bound", &[]).bound(), || Series::new("plain", &[]));
        assert_eq!(
            colors(&[bound(), plain(), bound(), plain()]),
            [SPINE, series_color(0), SPINE, series_color(1)]
        );
    }

    #[test]
    fn a_legend_wraps_where_the_plot_ends() {
        let fonts = Fonts::embedded();
        let of = |names: &[&str]| {
            let series: Vec<_> = names.iter().map(|name| Series::new(*name, &[])).collect();
            legend_lines(&fonts, &series)
        };
        assert_eq!(of(&["training", "", "validation"]), [vec![0, 2]]);
        let long = "a name of a run that is rather long";
        assert_eq!(of(&[long, long, "short"]), [vec![0], vec![1, 2]]);
        assert!(of(&["", ""]).is_empty());
    }
}

//! Putting panels in rows on one canvas.

use crate::draw::canvas::{Canvas, Rect};
use crate::draw::style::{HEADING, LINE, MARGIN, PANEL_GAP};
use crate::draw::text::{Align, Fonts, TextStyle};
use crate::panel::Prepared;
use crate::panel::paint::Paint;
use crate::{Figure, PlotError};

/// Draws rows of panels from left to right, the plots of a row aligned at the top, with `scale` pixels for a canvas unit.
pub(crate) fn compose(rows: &[Vec<Prepared<'_>>], heading: &str, scale: f32) -> Result<Figure, PlotError> {
    if rows.iter().all(Vec::is_empty) {
        return Err(PlotError::Empty { what: "panels" });
    }
    let fonts = Fonts::embedded();
    let heading_height = if heading.is_empty() { 0.0 } else { HEADING * LINE + 4.0 };
    let (mut plots, mut y, mut width) = (Vec::new(), MARGIN + heading_height, 0.0f32);
    for row in rows.iter().filter(|row| !row.is_empty()) {
        let (right, bottom) = lay_out(row, y, &fonts, &mut plots);
        width = width.max(right);
        y = bottom + PANEL_GAP;
    }
    let (width, height) = (width + MARGIN, y - PANEL_GAP + MARGIN);

    let mut canvas = Canvas::new(width, height, scale, fonts)?;
    let style = TextStyle::new(HEADING, Align::Middle).bold();
    canvas.text(heading, 0.5 * width, MARGIN + 0.5 * HEADING * LINE, style);
    for (panel, &plot) in rows.iter().flatten().zip(&plots) {
        panel.paint.draw(&mut canvas, plot, &panel.window, panel.color_map);
        panel.frame.draw(&mut canvas, plot);
        if let Some(bar) = &panel.bar {
            let shown = if matches!(panel.paint, Paint::Trajectories { .. }) {
                Paint::BRIGHTEST_LINE
            } else {
                1.0
            };
            bar.draw(&mut canvas, plot, panel.color_map, shown);
        }
    }
    Ok(canvas.into_figure(rows.iter().flatten().map(Prepared::skipped).sum()))
}

/// Adds the places of a row's plots below `y`, and returns the right and the lower end of the row.
fn lay_out(row: &[Prepared<'_>], y: f32, fonts: &Fonts, plots: &mut Vec<Rect>) -> (f32, f32) {
    let margins: Vec<_> = row.iter().map(|panel| panel.frame.margins(fonts)).collect();
    let right = |panel: &Prepared<'_>, margin: f32| panel.bar.as_ref().map_or(0.0, |bar| bar.width(fonts)).max(margin);
    let top = margins.iter().map(|m| m.top).fold(0.0, f32::max);
    let bottom = margins.iter().map(|m| m.bottom).fold(0.0, f32::max);
    let tallest = row.iter().map(|panel| panel.height).fold(0.0, f32::max);
    let mut x = MARGIN;
    for (panel, margin) in row.iter().zip(&margins) {
        let plot = Rect {
            x: x + margin.left,
            y: y + top,
            w: panel.width,
            h: panel.height,
        };
        x = plot.right() + right(panel, margin.right) + PANEL_GAP;
        plots.push(plot);
    }
    (x - PANEL_GAP, y + top + tallest + bottom)
}

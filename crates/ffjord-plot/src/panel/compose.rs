//! Putting panels in a row on one canvas.

use crate::draw::canvas::{Canvas, Rect};
use crate::draw::style::{HEADING, LINE, MARGIN, PANEL_GAP};
use crate::draw::text::{Align, Fonts, TextStyle};
use crate::panel::Prepared;
use crate::panel::paint::Paint;
use crate::{Figure, PlotError};

/// Draws the panels from left to right, their plots aligned at the top, with `scale` pixels for a canvas unit.
pub(crate) fn compose(panels: &[Prepared<'_>], heading: &str, scale: f32) -> Result<Figure, PlotError> {
    if panels.is_empty() {
        return Err(PlotError::Empty { what: "panels" });
    }
    let fonts = Fonts::embedded();
    let margins: Vec<_> = panels.iter().map(|panel| panel.frame.margins(&fonts)).collect();
    let right = |panel: &Prepared<'_>, margin: f32| panel.bar.as_ref().map_or(0.0, |bar| bar.width(&fonts)).max(margin);
    let top = margins.iter().map(|m| m.top).fold(0.0, f32::max);
    let bottom = margins.iter().map(|m| m.bottom).fold(0.0, f32::max);
    let heading_height = if heading.is_empty() { 0.0 } else { HEADING * LINE + 4.0 };
    let tallest = panels.iter().map(|panel| panel.height).fold(0.0, f32::max);

    let mut plots = Vec::with_capacity(panels.len());
    let mut x = MARGIN;
    for (panel, margin) in panels.iter().zip(&margins) {
        let plot = Rect {
            x: x + margin.left,
            y: MARGIN + heading_height + top,
            w: panel.width,
            h: panel.height,
        };
        x = plot.right() + right(panel, margin.right) + PANEL_GAP;
        plots.push(plot);
    }
    let width = x - PANEL_GAP + MARGIN;
    let height = 2.0 * MARGIN + heading_height + top + tallest + bottom;

    let mut canvas = Canvas::new(width, height, scale, fonts)?;
    let style = TextStyle::new(HEADING, Align::Middle).bold();
    canvas.text(heading, 0.5 * width, MARGIN + 0.5 * HEADING * LINE, style);
    for (panel, &plot) in panels.iter().zip(&plots) {
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
    Ok(canvas.into_figure(panels.iter().map(Prepared::skipped).sum()))
}

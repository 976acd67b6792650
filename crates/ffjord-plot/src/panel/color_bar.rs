//! The bar beside a panel that tells which colour stands for which value.

use std::ops::Range;

use crate::color::{ColorMap, SPINE};
use crate::draw::axis::{Axis, Tick};
use crate::draw::canvas::{Canvas, Rect};
use crate::draw::frame::{draw_box, widest};
use crate::draw::style::{GAP, LABEL, LINE, SPINE_WIDTH, TICK};
use crate::draw::text::{Align, Fonts, TextStyle};

const BAR_WIDTH: f32 = 11.0;
const BAR_GAP: f32 = 10.0;

/// A colour bar with ticks on its right.
pub(crate) struct ColorBar {
    axis: Axis,
    ticks: Vec<Tick>,
    label: String,
}

impl ColorBar {
    pub(crate) fn new(values: Range<f64>, label: &str, height: f32) -> Self {
        let axis = Axis::linear(values);
        let ticks = axis.ticks((height / 45.0) as usize + 1);
        Self {
            axis,
            ticks,
            label: label.to_owned(),
        }
    }

    /// Width including the gap to the plot.
    pub(crate) fn width(&self, fonts: &Fonts) -> f32 {
        let label = if self.label.is_empty() {
            0.0
        } else {
            0.5 * GAP + LABEL * LINE
        };
        BAR_GAP + BAR_WIDTH + TICK + 0.5 * GAP + widest(&self.ticks, fonts) + label
    }

    /// Draws the bar to the right of a plot; `shown` is the part of the colour map that the panel uses.
    pub(crate) fn draw(&self, canvas: &mut Canvas, plot: Rect, map: ColorMap, shown: f64) {
        let bar = Rect {
            x: plot.right() + BAR_GAP,
            y: plot.y,
            w: BAR_WIDTH,
            h: plot.h,
        };
        canvas.raster(bar, |_, v| map.color(shown * v));
        draw_box(canvas, bar);
        for tick in &self.ticks {
            let (_, y) = bar.at(1.0, self.axis.fraction(tick.value));
            canvas.polyline(&[(bar.right(), y), (bar.right() + TICK, y)], SPINE_WIDTH, SPINE, 1.0);
            if let Some(label) = &tick.label {
                canvas.text(
                    label,
                    bar.right() + TICK + 0.5 * GAP,
                    y,
                    TextStyle::new(LABEL, Align::Start),
                );
            }
        }
        let x = plot.right() + self.width(canvas.fonts()) - 0.5 * LABEL * LINE;
        let style = TextStyle::new(LABEL, Align::Middle).rotated();
        canvas.text(&self.label, x, plot.y + 0.5 * plot.h, style);
    }
}

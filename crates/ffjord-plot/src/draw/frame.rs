//! The frame around a plot: spines, ticks, tick labels, axis labels and a title; and the margins they need.

use crate::color::{GRID_LINE, SPINE};
use crate::draw::axis::{Axis, Tick};
use crate::draw::canvas::{Canvas, Rect};
use crate::draw::style::{GAP, LABEL, LINE, SPINE_WIDTH, TICK, TITLE};
use crate::draw::text::{Align, Fonts, TextStyle};

/// Canvas units that one label along the horizontal axis needs.
const X_LABEL_SPACE: f32 = 52.0;
/// Canvas units that one label along the vertical axis needs.
const Y_LABEL_SPACE: f32 = 42.0;

/// Everything around a plot of known size, ready to be measured and drawn.
pub(crate) struct Frame {
    x: Axis,
    y: Axis,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    title: String,
    x_label: String,
    y_label: String,
    header: f32,
}

/// Space that a frame needs on each side of the plot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Margins {
    pub(crate) left: f32,
    pub(crate) right: f32,
    pub(crate) top: f32,
    pub(crate) bottom: f32,
}

impl Frame {
    /// The frame of a plot of `width × height` units; empty texts take no space.
    pub(crate) fn new(x: Axis, y: Axis, width: f32, height: f32, texts: [&str; 3]) -> Self {
        let x_ticks = x.ticks((width / X_LABEL_SPACE) as usize + 1);
        let y_ticks = y.ticks((height / Y_LABEL_SPACE) as usize + 1);
        let [title, x_label, y_label] = texts.map(str::to_owned);
        Self {
            x,
            y,
            x_ticks,
            y_ticks,
            title,
            x_label,
            y_label,
            header: 0.0,
        }
    }

    /// Keeps this much space free between the title and the plot.
    pub(crate) fn header(self, header: f32) -> Self {
        Self { header, ..self }
    }

    /// Space that the frame needs around the plot.
    pub(crate) fn margins(&self, fonts: &Fonts) -> Margins {
        let line = LABEL * LINE;
        let title = if self.title.is_empty() { 0.0 } else { TITLE * LINE + GAP };
        let x_label = if self.x_label.is_empty() { 0.0 } else { line };
        let y_label = if self.y_label.is_empty() { 0.0 } else { line };
        let last = self.x_ticks.iter().rfind(|tick| tick.label.is_some());
        // The last label of the horizontal axis is centred on its tick and may reach over the right edge.
        let over = last
            .and_then(|tick| tick.label.as_deref())
            .map_or(0.0, |l| 0.5 * fonts.width(l, LABEL, false));
        Margins {
            left: widest(&self.y_ticks, fonts) + TICK + 0.5 * GAP + y_label,
            right: if last.is_some_and(|tick| self.x.fraction(tick.value) > 0.85) {
                over
            } else {
                0.0
            },
            top: (title + self.header).max(0.5 * LABEL),
            bottom: TICK + line + x_label,
        }
    }

    /// Light lines at the labelled ticks, to be drawn before the content.
    pub(crate) fn draw_grid(&self, canvas: &mut Canvas, plot: Rect) {
        for tick in self.x_ticks.iter().filter(|tick| tick.label.is_some()) {
            let (x, _) = plot.at(self.x.fraction(tick.value), 0.0);
            canvas.polyline(&[(x, plot.y), (x, plot.bottom())], SPINE_WIDTH, GRID_LINE, 1.0);
        }
        for tick in self.y_ticks.iter().filter(|tick| tick.label.is_some()) {
            let (_, y) = plot.at(0.0, self.y.fraction(tick.value));
            canvas.polyline(&[(plot.x, y), (plot.right(), y)], SPINE_WIDTH, GRID_LINE, 1.0);
        }
    }

    /// Spines, ticks and texts, to be drawn after the content.
    pub(crate) fn draw(&self, canvas: &mut Canvas, plot: Rect) {
        draw_box(canvas, plot);
        draw_x_ticks(canvas, plot, &self.x, &self.x_ticks);
        draw_y_ticks(canvas, plot, &self.y, &self.y_ticks);
        let line = LABEL * LINE;
        let below = plot.bottom() + TICK + 1.5 * line;
        canvas.text(
            &self.x_label,
            plot.center_x(),
            below,
            TextStyle::new(LABEL, Align::Middle),
        );
        let ticks = widest(&self.y_ticks, canvas.fonts());
        let beside = plot.x - TICK - 0.5 * GAP - ticks - 0.5 * line;
        let style = TextStyle::new(LABEL, Align::Middle).rotated();
        canvas.text(&self.y_label, beside, plot.y + 0.5 * plot.h, style);
        let above = plot.y - self.header - GAP - 0.5 * TITLE * LINE + 2.0;
        canvas.text(
            &self.title,
            plot.center_x(),
            above,
            TextStyle::new(TITLE, Align::Middle).bold(),
        );
    }

    pub(crate) fn axes(&self) -> (&Axis, &Axis) {
        (&self.x, &self.y)
    }
}

/// The four lines around a plot.
pub(crate) fn draw_box(canvas: &mut Canvas, plot: Rect) {
    let (left, top, right, bottom) = (plot.x, plot.y, plot.right(), plot.bottom());
    let half = 0.5 * SPINE_WIDTH;
    let lines = [
        [(left - half, top), (right + half, top)],
        [(left - half, bottom), (right + half, bottom)],
        [(left, top), (left, bottom)],
        [(right, top), (right, bottom)],
    ];
    for line in lines {
        canvas.polyline(&line, SPINE_WIDTH, SPINE, 1.0);
    }
}

/// Ticks and labels below a plot.
pub(crate) fn draw_x_ticks(canvas: &mut Canvas, plot: Rect, axis: &Axis, ticks: &[Tick]) {
    for tick in ticks {
        let (x, y) = plot.at(axis.fraction(tick.value), 0.0);
        let length = if tick.label.is_some() { TICK } else { 0.5 * TICK };
        canvas.polyline(&[(x, y), (x, y + length)], SPINE_WIDTH, SPINE, 1.0);
        if let Some(label) = &tick.label {
            canvas.text(
                label,
                x,
                y + TICK + 0.5 * LABEL * LINE,
                TextStyle::new(LABEL, Align::Middle),
            );
        }
    }
}

/// Ticks and labels to the left of a plot.
pub(crate) fn draw_y_ticks(canvas: &mut Canvas, plot: Rect, axis: &Axis, ticks: &[Tick]) {
    for tick in ticks {
        let (x, y) = plot.at(0.0, axis.fraction(tick.value));
        let length = if tick.label.is_some() { TICK } else { 0.5 * TICK };
        canvas.polyline(&[(x, y), (x - length, y)], SPINE_WIDTH, SPINE, 1.0);
        if let Some(label) = &tick.label {
            canvas.text(label, x - TICK - 0.5 * GAP, y, TextStyle::new(LABEL, Align::End));
        }
    }
}

/// Width of the widest label.
pub(crate) fn widest(ticks: &[Tick], fonts: &Fonts) -> f32 {
    let labels = ticks.iter().filter_map(|tick| tick.label.as_deref());
    labels.map(|label| fonts.width(label, LABEL, false)).fold(0.0, f32::max)
}

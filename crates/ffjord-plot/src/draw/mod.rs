//! Drawing primitives: a canvas, text from the embedded font, axes with ticks, and the frame around a plot.

pub(crate) mod axis;
pub(crate) mod canvas;
pub(crate) mod frame;
pub(crate) mod style;
pub(crate) mod text;

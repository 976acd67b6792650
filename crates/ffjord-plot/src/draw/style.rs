//! Sizes that every picture shares, in units of the canvas (a pixel at scale 1).

/// Size of tick labels, legends and axis labels.
pub(crate) const LABEL: f32 = 11.5;
/// Size of panel titles.
pub(crate) const TITLE: f32 = 13.0;
/// Size of the title over the whole figure.
pub(crate) const HEADING: f32 = 15.0;
/// Height of a line of text relative to its size.
pub(crate) const LINE: f32 = 1.35;
/// Margin around the whole figure.
pub(crate) const MARGIN: f32 = 10.0;
/// Space between neighbouring things, such as a title and its plot.
pub(crate) const GAP: f32 = 6.0;
/// Space between neighbouring panels.
pub(crate) const PANEL_GAP: f32 = 20.0;
/// Length of ticks.
pub(crate) const TICK: f32 = 4.0;
/// Width of the frame's lines and of ticks.
pub(crate) const SPINE_WIDTH: f32 = 0.9;
/// Canvas units to pixels in still pictures: sharp on screens with two device pixels for each of theirs.
pub(crate) const SCALE: f32 = 2.0;

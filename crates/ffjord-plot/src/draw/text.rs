//! Text from the embedded DejaVu Sans, so that labels look the same on a machine without any fonts.

use ab_glyph::{Font as _, FontRef, Glyph, PxScale, ScaleFont as _, point};

use crate::color::{Rgb, TEXT};

/// Height of capitals relative to the text size in DejaVu Sans.
const CAPITALS: f32 = 0.729;

/// Which part of the text is placed at the given x (or, for rotated text, y).
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Start,
    Middle,
    End,
}

/// How a line of text looks and is placed.
#[derive(Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) size: f32,
    pub(crate) bold: bool,
    pub(crate) align: Align,
    /// A quarter turn counter-clockwise: the text runs upwards.
    pub(crate) rotated: bool,
    pub(crate) color: Rgb,
}

impl TextStyle {
    pub(crate) fn new(size: f32, align: Align) -> Self {
        Self {
            size,
            bold: false,
            align,
            rotated: false,
            color: TEXT,
        }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn rotated(self) -> Self {
        Self { rotated: true, ..self }
    }
}

/// The regular and the bold face.
pub(crate) struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Fonts {
    pub(crate) fn embedded() -> Self {
        // The bytes are part of the program, so parsing them cannot depend on any input.
        let parse = |bytes| FontRef::try_from_slice(bytes).expect("the embedded font parses");
        Self {
            regular: parse(dejavu::sans::regular()),
            bold: parse(dejavu::sans::bold()),
        }
    }

    /// Width of a line of text in canvas units.
    pub(crate) fn width(&self, text: &str, size: f32, bold: bool) -> f32 {
        self.layout(text, size, bold).1
    }

    /// Calls `paint(dx, dy, coverage)` for every pixel of the text, relative to the whole pixel at `x`, `y`.
    ///
    /// `x`, `y` and `scale` (device pixels for a canvas unit) place the anchor: horizontally as the style says,
    /// vertically at half the height of capitals; for rotated text the two swap.
    pub(crate) fn rasterize(
        &self,
        text: &str,
        style: &TextStyle,
        x: f32,
        y: f32,
        scale: f32,
        mut paint: impl FnMut(i64, i64, f32),
    ) {
        let size = style.size * scale;
        let (glyphs, width) = self.layout(text, size, style.bold);
        let along = match style.align {
            Align::Start => 0.0,
            Align::Middle => -0.5 * width,
            Align::End => -width,
        };
        let down = 0.5 * CAPITALS * size;
        let (origin_x, origin_y) = if style.rotated {
            ((x * scale + down).round() as i64, (y * scale - along).round() as i64)
        } else {
            ((x * scale + along).round() as i64, (y * scale + down).round() as i64)
        };
        let font = self.face(style.bold);
        for outline in glyphs.into_iter().filter_map(|glyph| font.outline_glyph(glyph)) {
            let bounds = outline.px_bounds();
            let (left, top) = (bounds.min.x as i64, bounds.min.y as i64);
            outline.draw(|dx, dy, coverage| {
                let (gx, gy) = (left + i64::from(dx), top + i64::from(dy));
                if style.rotated {
                    paint(origin_x + gy, origin_y - gx, coverage);
                } else {
                    paint(origin_x + gx, origin_y + gy, coverage);
                }
            });
        }
    }

    fn face(&self, bold: bool) -> &FontRef<'static> {
        if bold { &self.bold } else { &self.regular }
    }

    /// Glyphs in one line from the origin along the baseline, and the width of the line.
    fn layout(&self, text: &str, size: f32, bold: bool) -> (Vec<Glyph>, f32) {
        let font = self.face(bold);
        // ab_glyph scales by the height of a line; sizes here are those of the em square, as everywhere else.
        let em = font.units_per_em().unwrap_or(2048.0);
        let scale = PxScale::from(size * font.height_unscaled() / em);
        let scaled = font.as_scaled(scale);
        let mut pen = 0.0;
        let mut previous = None;
        let mut glyphs = Vec::new();
        for character in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            let id = font.glyph_id(character);
            if let Some(previous) = previous {
                pen += scaled.kern(previous, id);
            }
            glyphs.push(id.with_scale_and_position(scale, point(pen, 0.0)));
            pen += scaled.h_advance(id);
            previous = Some(id);
        }
        (glyphs, pen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_and_larger_text_is_wider_and_symbols_of_tick_labels_exist() {
        let fonts = Fonts::embedded();
        let width = fonts.width("0.25", 10.0, false);
        assert!(width > 15.0 && width < 40.0, "{width}");
        assert!(fonts.width("0.250", 10.0, false) > width);
        assert!((fonts.width("0.25", 20.0, false) / width - 2.0).abs() < 0.05);
        for symbol in "−×⁰¹²³⁴⁵⁶⁷⁸⁹⁻√".chars() {
            assert_ne!(fonts.regular.glyph_id(symbol).0, 0, "{symbol} is missing");
        }
    }
}

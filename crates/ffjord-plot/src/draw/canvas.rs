//! A white canvas with anti-aliased shapes and text. Coordinates are canvas units from the upper left.

use image::RgbImage;
use tiny_skia::{
    Color, FillRule, LineCap, LineJoin, Mask, Paint, PathBuilder, Pixmap, Rect as SkiaRect, Stroke, Transform,
};

use crate::color::Rgb;
use crate::draw::text::{Fonts, TextStyle};
use crate::{Figure, PlotError};

/// Largest width or height in pixels.
const LIMIT: u32 = 16_384;

/// An axis-aligned rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) w: f32,
    pub(crate) h: f32,
}

impl Rect {
    pub(crate) fn right(&self) -> f32 {
        self.x + self.w
    }

    pub(crate) fn bottom(&self) -> f32 {
        self.y + self.h
    }

    pub(crate) fn center_x(&self) -> f32 {
        self.x + 0.5 * self.w
    }

    /// The point at fractions from the left and from the bottom.
    pub(crate) fn at(&self, u: f64, v: f64) -> (f32, f32) {
        (self.x + self.w * u as f32, self.y + self.h * (1.0 - v as f32))
    }
}

/// A canvas of RGB pixels, opaque everywhere.
pub(crate) struct Canvas {
    pixmap: Pixmap,
    mask: Option<Mask>,
    scale: f32,
    fonts: Fonts,
}

impl Canvas {
    /// A white canvas of `width × height` units with `scale` pixels for each.
    pub(crate) fn new(width: f32, height: f32, scale: f32, fonts: Fonts) -> Result<Self, PlotError> {
        let (w, h) = ((width * scale).ceil(), (height * scale).ceil());
        let refuse = || PlotError::ImageSize {
            width: w,
            height: h,
            limit: LIMIT,
        };
        let fits = |side: f32| (1.0..=LIMIT as f32).contains(&side);
        if !fits(w) || !fits(h) {
            return Err(refuse());
        }
        let mut pixmap = Pixmap::new(w as u32, h as u32).ok_or_else(refuse)?;
        pixmap.fill(Color::WHITE);
        Ok(Self {
            pixmap,
            mask: None,
            scale,
            fonts,
        })
    }

    pub(crate) fn fonts(&self) -> &Fonts {
        &self.fonts
    }

    /// Until the next call, lines and discs outside `area` are cut off (`None`: nothing is).
    pub(crate) fn clip(&mut self, area: Option<Rect>) {
        self.mask = area.and_then(|area| {
            let mut mask = Mask::new(self.pixmap.width(), self.pixmap.height())?;
            let path = PathBuilder::from_rect(skia_rect(area)?);
            mask.fill_path(&path, FillRule::Winding, true, self.transform());
            Some(mask)
        });
    }

    /// Fills a rectangle whose edges are moved to whole pixels.
    pub(crate) fn fill(&mut self, area: Rect, color: Rgb, alpha: f32) {
        let (left, top, right, bottom) = self.pixels_of(area);
        let area = SkiaRect::from_ltrb(left as f32, top as f32, right as f32, bottom as f32);
        if let Some(area) = area {
            self.pixmap
                .fill_rect(area, &paint(color, alpha), Transform::identity(), None);
        }
    }

    /// A line through the points, broken where one of them is not finite.
    pub(crate) fn polyline(&mut self, points: &[(f32, f32)], width: f32, color: Rgb, alpha: f32) {
        let mut builder = PathBuilder::new();
        let mut drawing = false;
        for &(x, y) in points {
            let finite = x.is_finite() && y.is_finite();
            match (finite, drawing) {
                (true, true) => builder.line_to(x, y),
                (true, false) => builder.move_to(x, y),
                (false, _) => {}
            }
            drawing = finite;
        }
        let Some(path) = builder.finish() else { return };
        let stroke = Stroke {
            width,
            line_cap: LineCap::Butt,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        self.pixmap.stroke_path(
            &path,
            &paint(color, alpha),
            &stroke,
            self.transform(),
            self.mask.as_ref(),
        );
    }

    /// Fills the area enclosed by the points.
    pub(crate) fn polygon(&mut self, points: &[(f32, f32)], color: Rgb, alpha: f32) {
        let mut builder = PathBuilder::new();
        for (i, &(x, y)) in points.iter().enumerate() {
            if i == 0 {
                builder.move_to(x, y)
            } else {
                builder.line_to(x, y)
            }
        }
        builder.close();
        let Some(path) = builder.finish() else { return };
        let paint = paint(color, alpha);
        self.pixmap
            .fill_path(&path, &paint, FillRule::Winding, self.transform(), self.mask.as_ref());
    }

    /// A filled disc.
    pub(crate) fn disc(&mut self, center: (f32, f32), radius: f32, color: Rgb, alpha: f32) {
        if let Some(path) = PathBuilder::from_circle(center.0, center.1, radius) {
            let paint = paint(color, alpha);
            self.pixmap
                .fill_path(&path, &paint, FillRule::Winding, self.transform(), self.mask.as_ref());
        }
    }

    /// One line of text, see [`TextStyle`].
    pub(crate) fn text(&mut self, text: &str, x: f32, y: f32, style: TextStyle) {
        let (width, height) = (i64::from(self.pixmap.width()), i64::from(self.pixmap.height()));
        let bytes = self.pixmap.data_mut();
        self.fonts.rasterize(text, &style, x, y, self.scale, |x, y, coverage| {
            if (0..width).contains(&x) && (0..height).contains(&y) {
                let start = 4 * (y * width + x) as usize;
                for (byte, ink) in bytes[start..start + 3].iter_mut().zip(style.color) {
                    let below = f32::from(*byte);
                    *byte = (below + (f32::from(ink) - below) * coverage.clamp(0.0, 1.0)).round() as u8;
                }
            }
        });
    }

    /// Colours every pixel of a rectangle by the fractions of its centre from the left and from the bottom.
    pub(crate) fn raster(&mut self, area: Rect, mut color: impl FnMut(f64, f64) -> Rgb) {
        let (left, top, right, bottom) = self.pixels_of(area);
        let width = self.pixmap.width() as usize;
        let bytes = self.pixmap.data_mut();
        for py in top..bottom {
            let v = 1.0 - (f64::from(py - top) + 0.5) / f64::from(bottom - top);
            for px in left..right {
                let u = (f64::from(px - left) + 0.5) / f64::from(right - left);
                let start = 4 * (py as usize * width + px as usize);
                bytes[start..start + 3].copy_from_slice(&color(u, v));
            }
        }
    }

    /// The finished picture.
    pub(crate) fn into_figure(self, skipped: usize) -> Figure {
        let bytes = self.pixmap.data();
        let image = RgbImage::from_fn(self.pixmap.width(), self.pixmap.height(), |x, y| {
            let start = 4 * (y as usize * self.pixmap.width() as usize + x as usize);
            image::Rgb([bytes[start], bytes[start + 1], bytes[start + 2]])
        });
        Figure::new(image, skipped)
    }

    fn transform(&self) -> Transform {
        Transform::from_scale(self.scale, self.scale)
    }

    /// Left, top, right and bottom in whole pixels, inside the canvas.
    fn pixels_of(&self, area: Rect) -> (u32, u32, u32, u32) {
        let pixel = |value: f32, limit: u32| ((value * self.scale).round().max(0.0) as u32).min(limit);
        let (width, height) = (self.pixmap.width(), self.pixmap.height());
        (
            pixel(area.x, width),
            pixel(area.y, height),
            pixel(area.right(), width),
            pixel(area.bottom(), height),
        )
    }
}

fn skia_rect(area: Rect) -> Option<SkiaRect> {
    SkiaRect::from_xywh(area.x, area.y, area.w, area.h)
}

fn paint(color: Rgb, alpha: f32) -> Paint<'static> {
    let mut paint = Paint::default();
    let alpha = (alpha.clamp(0.0, 1.0) * 255.0).round() as u8;
    paint.set_color_rgba8(color[0], color[1], color[2], alpha);
    paint
}

//! Encoding frames as GIF: only the part that changed, with one palette for all.

use std::borrow::Cow;
use std::time::Duration;

use gif::{DisposalMethod, Frame, Repeat};
use image::RgbImage;

use crate::animation::palette::{Palette, UNCHANGED};
use crate::{ColorMap, PlotError};

/// Collects the frames of one GIF file.
pub(super) struct Encoder {
    inner: gif::Encoder<Vec<u8>>,
    palette: Palette,
    width: u16,
    /// Palette entries of the frame before.
    shown: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(width: u32, height: u32, map: ColorMap) -> Result<Self, PlotError> {
        let (Ok(w), Ok(h)) = (u16::try_from(width), u16::try_from(height)) else {
            let limit = u32::from(u16::MAX);
            return Err(PlotError::ImageSize {
                width: width as f32,
                height: height as f32,
                limit,
            });
        };
        let palette = Palette::new(map);
        let mut inner = gif::Encoder::new(Vec::new(), w, h, &palette.bytes())?;
        inner.set_repeat(Repeat::Infinite)?;
        Ok(Self {
            inner,
            palette,
            width: w,
            shown: Vec::new(),
        })
    }

    /// Adds an image of the animation's size, shown for `delay`.
    pub(super) fn push(&mut self, image: &RgbImage, delay: Duration) -> Result<(), PlotError> {
        let entries: Vec<u8> = image.pixels().map(|pixel| self.palette.index(pixel.0)).collect();
        let (left, top, right, bottom) = self.changed(&entries);
        let stride = usize::from(self.width);
        let mut buffer = Vec::with_capacity((right - left) * (bottom - top));
        for y in top..bottom {
            let row = y * stride + left..y * stride + right;
            let before = self.shown.get(row.clone()).unwrap_or_default();
            let pairs = entries[row].iter().enumerate();
            buffer.extend(pairs.map(|(x, &entry)| {
                if before.get(x) == Some(&entry) {
                    UNCHANGED
                } else {
                    entry
                }
            }));
        }
        let frame = Frame {
            delay: u16::try_from(delay.as_millis() / 10).unwrap_or(u16::MAX),
            dispose: DisposalMethod::Keep,
            transparent: Some(UNCHANGED),
            left: left as u16,
            top: top as u16,
            width: (right - left) as u16,
            height: (bottom - top) as u16,
            buffer: Cow::Owned(buffer),
            ..Frame::default()
        };
        self.inner.write_frame(&frame)?;
        self.shown = entries;
        Ok(())
    }

    /// The bytes of the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, PlotError> {
        Ok(self.inner.into_inner()?)
    }

    /// Left, top, right and bottom of the smallest rectangle with all changes; one pixel where nothing changed.
    fn changed(&self, entries: &[u8]) -> (usize, usize, usize, usize) {
        let stride = usize::from(self.width);
        let differing = entries
            .iter()
            .enumerate()
            .filter(|&(i, entry)| self.shown.get(i) != Some(entry));
        let start = (usize::MAX, usize::MAX, 0, 0);
        let (left, top, right, bottom) = differing.fold(start, |(left, top, right, bottom), (i, _)| {
            let (x, y) = (i % stride, i / stride);
            (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1))
        });
        if right == 0 {
            (0, 0, 1, 1)
        } else {
            (left, top, right, bottom)
        }
    }
}

//! One palette of 255 colours for all frames of an animation.

use std::collections::HashMap;

use crate::ColorMap;
use crate::color::{POINT, Rgb, WHITE};

const MAP_COLORS: usize = 144;
const GREYS: usize = 47;
const POINT_SHADES: usize = 64;

/// The entry that stands for "as in the frame before".
pub(super) const UNCHANGED: u8 = 255;

/// The colour map, greys for text and lines, and the shades of overlapping points on white.
pub(super) struct Palette {
    colors: Vec<Rgb>,
    nearest: HashMap<Rgb, u8>,
}

impl Palette {
    pub(super) fn new(map: ColorMap) -> Self {
        let steps = |n: usize| (0..n).map(move |i| i as f64 / (n - 1) as f64);
        let mut colors: Vec<Rgb> = steps(MAP_COLORS).map(|fraction| map.color(fraction)).collect();
        colors.extend(steps(GREYS).map(|fraction| mix([0, 0, 0], WHITE, fraction)));
        colors.extend(steps(POINT_SHADES).map(|fraction| mix(POINT, WHITE, fraction)));
        Self {
            colors,
            nearest: HashMap::new(),
        }
    }

    /// The colours as red, green, blue, red, …, 256 in all (the last is never seen).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.colors.concat();
        bytes.resize(3 * 256, 0);
        bytes
    }

    /// The entry closest to a colour; of equally close ones the first.
    pub(super) fn index(&mut self, color: Rgb) -> u8 {
        *self.nearest.entry(color).or_insert_with(|| {
            let distance = |other: &Rgb| -> i32 {
                other
                    .iter()
                    .zip(color)
                    .map(|(&a, b)| (i32::from(a) - i32::from(b)).pow(2))
                    .sum()
            };
            let best = self.colors.iter().enumerate().min_by_key(|(_, other)| distance(other));
            best.map_or(0, |(i, _)| i as u8)
        })
    }
}

fn mix(from: Rgb, to: Rgb, fraction: f64) -> Rgb {
    let channel = |i: usize| (f64::from(from[i]) + (f64::from(to[i]) - f64::from(from[i])) * fraction).round() as u8;
    [channel(0), channel(1), channel(2)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_palette_leaves_one_entry_free_and_knows_its_own_colors() {
        let mut palette = Palette::new(ColorMap::Inferno);
        assert_eq!(palette.colors.len(), usize::from(UNCHANGED));
        assert_eq!(palette.bytes().len(), 768);
        for color in [WHITE, POINT, [0, 0, 0], ColorMap::Inferno.color(1.0)] {
            let index = usize::from(palette.index(color));
            assert_eq!(palette.colors[index], color);
        }
    }
}

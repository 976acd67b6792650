//! A density and samples along the time of a flow, as an animated GIF.

mod encode;
mod palette;

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use crate::panel::{Prepared, compose};
use crate::{ColorMap, Content, Grid, PanelOptions, PlotError, Window};

/// Canvas units to pixels: one, because GIFs grow with every pixel.
const SCALE: f32 = 1.0;
/// Heights of the plots that make sense.
const HEIGHTS: RangeInclusive<u32> = 40..=2000;

/// One moment: the density and samples at time `t`.
///
/// ```
/// # use ffjord_plot::{AnimationFrame, AnimationOptions, Grid, Window, animation};
/// # let density = Grid::from_fn(Window::square(3.0)?, 20, 20, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// let frame = AnimationFrame { t: 0.0, density: &density, points: &[[1.0, 0.0], [0.0, f32::NAN]] };
/// let small = AnimationOptions { height: 40, ..AnimationOptions::default() };
/// assert_eq!(animation(&[frame], &small)?.skipped(), 1);
/// // All frames show one window.
/// let wider = Grid::from_fn(Window::square(4.0)?, 20, 20, |_, _| 1.0)?;
/// let refused = animation(&[frame, AnimationFrame { density: &wider, ..frame }], &small).unwrap_err().to_string();
/// assert!(refused.contains("frame 1 shows another window"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnimationFrame<'a> {
    /// The time, shown above the panels.
    pub t: f64,
    /// The density on a grid with the same window in every frame; the samples are shown in it too.
    pub density: &'a Grid,
    /// Samples `[N, 2]`; the same particles in the same order make their motion visible.
    pub points: &'a [[f32; 2]],
}

/// How an [`animation`] looks.
///
/// ```
/// # use ffjord_plot::{AnimationFrame, AnimationOptions, Grid, Window, animation};
/// # let density = Grid::from_fn(Window::square(3.0)?, 20, 20, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// use ffjord_plot::ColorMap;
/// let frames = [AnimationFrame { t: 0.0, density: &density, points: &[[1.0, 0.0]] }];
/// let bytes = |height, color_map| {
///     let options = AnimationOptions { height, color_map, ..AnimationOptions::default() };
///     animation(&frames, &options).map(|gif| gif.bytes().to_vec())
/// };
/// assert_ne!(bytes(40, ColorMap::Inferno)?, bytes(40, ColorMap::Viridis)?);
/// assert!(bytes(10, ColorMap::Inferno).unwrap_err().to_string().contains("10 pixels high"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AnimationOptions {
    /// Title of the density panel.
    pub density_title: String,
    /// Title of the samples panel.
    pub samples_title: String,
    /// How long each frame is shown; GIF counts in hundredths of a second.
    pub delay: Duration,
    /// How long the last frame is shown before the animation starts again.
    pub hold: Duration,
    /// Colours of the density; in every frame from zero to that frame's largest value.
    pub color_map: ColorMap,
    /// Height of each panel's plot in pixels, 40 to 2000.
    pub height: u32,
}

impl Default for AnimationOptions {
    fn default() -> Self {
        Self {
            density_title: "density".into(),
            samples_title: "samples".into(),
            delay: Duration::from_millis(80),
            hold: Duration::from_millis(1500),
            color_map: ColorMap::default(),
            height: 300,
        }
    }
}

/// A finished animation: the bytes of a GIF file that repeats for ever.
///
/// ```
/// # use ffjord_plot::{AnimationFrame, AnimationOptions, Grid, Window, animation};
/// # let density = Grid::from_fn(Window::square(3.0)?, 20, 20, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
/// # let folder = tempfile::tempdir()?;
/// let frames = [AnimationFrame { t: 0.0, density: &density, points: &[[1.0, 0.0]] }];
/// let gif = animation(&frames, &AnimationOptions { height: 40, ..AnimationOptions::default() })?;
/// let path = folder.path().join("flow.gif");
/// gif.save(&path)?;
/// assert_eq!((std::fs::read(&path)?, gif.skipped()), (gif.bytes().to_vec(), 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Animation {
    bytes: Vec<u8>,
    skipped: usize,
}

impl Animation {
    /// The bytes of the GIF file; equal input gives equal bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many points and cells were left out, over all frames, because they are NaN or infinite.
    pub fn skipped(&self) -> usize {
        self.skipped
    }

    /// Writes the GIF to `path`; a reader sees the old file or the whole new one.
    ///
    /// # Errors
    /// [`PlotError::File`] if the folder does not exist or cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        Ok(ffjord_files::write_atomic(path, &self.bytes)?)
    }
}

/// Density (left) and samples (right) along time; all frames share one palette, so that colours do not flicker.
///
/// ```
/// use ffjord_plot::{AnimationFrame, AnimationOptions, Grid, Window, animation};
///
/// let grid = |s: f64| {
///     let window = Window::square(3.0)?;
///     Grid::from_fn(window, 30, 30, |x, y| (-0.5 * (x * x + y * y) / (s * s)).exp() as f32)
/// };
/// let (early, late) = (grid(1.0)?, grid(0.5)?);
/// let frames = [
///     AnimationFrame { t: 0.0, density: &early, points: &[[1.0, 0.0], [0.0, 1.0]] },
///     AnimationFrame { t: 0.5, density: &late, points: &[[0.5, 0.0], [0.0, 0.5]] },
/// ];
/// let gif = animation(&frames, &AnimationOptions { height: 120, ..AnimationOptions::default() })?;
/// assert!(gif.bytes().starts_with(b"GIF89a"));
/// # Ok::<(), ffjord_plot::PlotError>(())
/// ```
///
/// # Errors
/// [`PlotError::Empty`] without frames or in a frame without points, [`PlotError::NothingFinite`] if none of a frame's
/// points or cells is finite, [`PlotError::FrameWindow`] if the densities' windows differ, [`PlotError::PlotHeight`]
/// for a height that makes no sense.
pub fn animation(frames: &[AnimationFrame<'_>], options: &AnimationOptions) -> Result<Animation, PlotError> {
    let Some(first) = frames.first() else {
        return Err(PlotError::Empty { what: "frames" });
    };
    if !HEIGHTS.contains(&options.height) {
        let (smallest, largest) = HEIGHTS.into_inner();
        return Err(PlotError::PlotHeight {
            given: options.height,
            smallest,
            largest,
        });
    }
    let window = first.density.window();
    if let Some(frame) = frames.iter().position(|frame| frame.density.window() != window) {
        return Err(PlotError::FrameWindow { frame });
    }
    let mut encoder: Option<encode::Encoder> = None;
    let mut skipped = 0;
    for (i, frame) in frames.iter().enumerate() {
        let figure = draw(frame, window, options)?;
        skipped += figure.skipped();
        let image = figure.into_image();
        let delay = if i + 1 == frames.len() {
            options.hold
        } else {
            options.delay
        };
        let encoder = match &mut encoder {
            Some(encoder) => encoder,
            none => none.insert(encode::Encoder::new(image.width(), image.height(), options.color_map)?),
        };
        encoder.push(&image, delay)?;
    }
    let bytes = encoder.map(encode::Encoder::finish).transpose()?.unwrap_or_default();
    Ok(Animation { bytes, skipped })
}

fn draw(frame: &AnimationFrame<'_>, window: &Window, options: &AnimationOptions) -> Result<crate::Figure, PlotError> {
    let height = options.height as f32;
    let plain = PanelOptions::default()
        .color_map(options.color_map)
        .without_color_bar()
        .window(window.clone());
    let left = plain.clone().title(&*options.density_title);
    let right = plain.title(&*options.samples_title);
    let panels = vec![
        Prepared::new(Content::Density(frame.density), &left, height)?,
        Prepared::new(Content::Scatter(frame.points), &right, height)?,
    ];
    compose(&[panels], &format!("t = {:.2}", frame.t).replace('-', "−"), SCALE)
}

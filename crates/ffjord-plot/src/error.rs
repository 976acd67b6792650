//! What can go wrong while drawing or saving.

/// The reasons a picture cannot be drawn or written.
///
/// Single non-finite points are not errors: they are left out and counted (see
/// [`Figure::skipped`](crate::Figure::skipped)).
///
/// ```
/// use ffjord_plot::{PlotError, Window};
/// let refused = Window::new(1.0..1.0, 0.0..1.0).unwrap_err();
/// assert!(matches!(refused, PlotError::Range { axis: "x", .. }));
/// assert!(refused.to_string().contains("the x range 1..1 cannot be drawn"));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The input holds nothing at all.
    #[error("nothing to draw: no {what} given; give at least one")]
    Empty {
        /// What was expected, in the plural.
        what: &'static str,
    },
    /// The input holds values, but none that has a place in the picture.
    #[error("nothing to draw: none of the {total} {what} is finite (on a logarithmic axis: finite and above zero)")]
    NothingFinite {
        /// What was given, in the plural.
        what: &'static str,
        /// How many were given.
        total: usize,
    },
    /// A range is empty, reversed, not finite or too wide for `f64` arithmetic.
    #[error("the {axis} range {start}..{end} cannot be drawn; it must be finite and its end above its start")]
    Range {
        /// The axis concerned, `x` or `y`.
        axis: &'static str,
        /// Start of the range as given.
        start: f64,
        /// End of the range as given.
        end: f64,
    },
    /// A grid's values do not fill its cells.
    #[error("a grid of {nx} x {ny} cells needs that many values (and at least one), but {given} were given")]
    GridSize {
        /// Cells along x.
        nx: usize,
        /// Cells along y.
        ny: usize,
        /// Values given.
        given: usize,
    },
    /// Numbers are no images that can be shown.
    #[error(
        "{numbers} numbers are no images of {shape:?} (channels, height, width): give whole images of 1 or 3 channels"
    )]
    Images {
        /// Numbers given.
        numbers: usize,
        /// Channels, height and width.
        shape: [usize; 3],
    },
    /// A table's values cannot be cut into rows.
    #[error("{what}: {given} values cannot be cut into rows of {columns} columns (one for each name)")]
    Columns {
        /// The table concerned.
        what: &'static str,
        /// Values given.
        given: usize,
        /// Columns, one for each name.
        columns: usize,
    },
    /// A trajectory does not have one point for each time.
    #[error("trajectory {path} has {points} points, but there are {times} times; they must agree and be at least two")]
    TrajectoryLength {
        /// Index of the trajectory.
        path: usize,
        /// Points of that trajectory.
        points: usize,
        /// Times given.
        times: usize,
    },
    /// The density of an animation's frame is on another window than the first frame's.
    #[error("frame {frame} shows another window than frame 0; all densities of an animation need the same window")]
    FrameWindow {
        /// Index of the frame.
        frame: usize,
    },
    /// An animation's plots would be too small to see, or too large for a GIF.
    #[error("plots of an animation cannot be {given} pixels high; choose {smallest} to {largest}")]
    PlotHeight {
        /// Height asked for, in pixels.
        given: u32,
        /// Smallest height accepted.
        smallest: u32,
        /// Largest height accepted.
        largest: u32,
    },
    /// The picture would have no pixels, or too many.
    #[error("a picture of {width} x {height} pixels is outside 1..={limit} in each direction; change size or scale")]
    ImageSize {
        /// Width asked for, in pixels.
        width: f32,
        /// Height asked for, in pixels.
        height: f32,
        /// Largest width or height that is drawn.
        limit: u32,
    },
    /// Encoding the PNG failed.
    #[error("cannot encode the picture as PNG: {0}")]
    Png(#[from] image::ImageError),
    /// Encoding the GIF failed.
    #[error("cannot encode the animation as GIF: {0}")]
    Gif(#[from] gif::EncodingError),
    /// The file cannot be written.
    #[error(transparent)]
    File(#[from] ffjord_files::FileError),
}

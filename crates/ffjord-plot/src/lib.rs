//! Pictures of densities, samples, trajectories and training curves.
//!
//! Everything is drawn from plain slices by the program itself: no system fonts, no display, no network. Equal input
//! gives equal bytes. Points that are NaN or infinite are left out and counted in [`Figure::skipped`].
//!
//! | function | picture |
//! |---|---|
//! | [`density_map`] | heat map of a [`Grid`] of values |
//! | [`samples`], [`scatter`] | points as a histogram or as dots |
//! | [`trajectories`] | paths of particles coloured by time |
//! | [`side_by_side`] | several of these in a row |
//! | [`training_curves`] | series over the iterations, linear or logarithmic |
//! | [`pair_plot`] | all pairs of columns of two tables: held-out rows against samples |
//! | [`image_grid`] | small images in rows |
//! | [`animation`] | density and samples along time, as GIF |
//!
//! Text is set in DejaVu Sans, which the crate `dejavu` carries; its licence is in `licenses/DejaVu-fonts.txt`.
//!
//! Still pictures are PNG with two pixels for each unit of the layout. Files are replaced in one step, see
//! [`Figure::save`].
//!
//! ```
//! use ffjord_plot::{Grid, PanelOptions, Window, density_map};
//!
//! let window = Window::square(3.0)?;
//! let grid = Grid::from_fn(window, 80, 80, |x, y| (-0.5 * (x * x + y * y)).exp() as f32)?;
//! let figure = density_map(&grid, &PanelOptions::default().title("standard normal"))?;
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("density.png");
//! figure.save(&path)?;
//! # Ok::<(), ffjord_plot::PlotError>(())
//! ```
#![forbid(unsafe_code)]

mod animation;
mod color;
mod curves;
mod draw;
mod error;
mod figure;
mod grid;
mod histogram;
mod image_grid;
mod pair_plot;
mod panel;
mod window;

pub use animation::{Animation, AnimationFrame, AnimationOptions, animation};
pub use color::ColorMap;
pub use curves::{CurvePanel, Series, training_curves};
pub use draw::axis::Scale;
pub use error::PlotError;
pub use figure::Figure;
pub use grid::Grid;
pub use image_grid::{ImageGrid, image_grid};
pub use pair_plot::{PairPlotOptions, pair_plot};
pub use panel::{
    Content, Panel, PanelOptions, Trajectories, density_map, in_rows, samples, scatter, side_by_side, trajectories,
};
pub use window::Window;

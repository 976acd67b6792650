//! Single-threaded matrix products on blocks of rows.

mod accumulate;
mod aligned;
mod column_sums;
#[allow(unsafe_code, reason = "the `gemm` crate takes pointers")]
mod large;
mod multiply;
mod packed;
mod tile;
mod vector;

pub use accumulate::accumulate_outer;
pub use aligned::AlignedBuffer;
pub use column_sums::add_column_sums;
pub use multiply::{Rows, RowsMut, multiply};
pub use packed::{PackedMatrix, PanelLayout};
pub(crate) use vector::{add_scaled, dot};

//! Figure 8 of the paper: how far the integral of a density is from 1, by precision and tolerance.

mod integral;
mod report;

pub use integral::{Integral, Quadrature, integrate};
pub use report::{row, write};

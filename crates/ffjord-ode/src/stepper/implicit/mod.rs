//! Implicit steps for stiff equations, by Newton–Krylov iterations that form no matrix.

mod esdirk;
mod gmres;
mod newton;

pub use esdirk::Esdirk;

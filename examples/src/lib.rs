//! Small [`programs`], and one of everything that a user of FFJORD can bring along, by public API alone.
//!
//! Every other module is such a piece, with a training run that uses it. `cargo run --release -p ffjord-examples -- pieces`
//! does them all and prints what came of it; the crate's tests hold each to a bound that a fault would miss.
//!
//! | module | trait or constructor | what it is |
//! |---|---|---|
//! | [`tableau`] | `Tableau::new` | the Runge–Kutta pair of Cash and Karp |
//! | [`controller`] | `Controller` | steps that are powers of two |
//! | [`field`] | `VectorField` | a network gated by another |
//! | [`kernel`] | `Kernel` | a planar field with a compiled kernel |
//! | [`trace`] | `TraceVectors` | probes that are signed columns of a Hadamard matrix |
//! | [`bijection`] | `Bijection` | the sinh–arcsinh transformation of each column |
//! | [`objective`] | `Objective` | reverse Kullback–Leibler divergence from a known density |
//! | [`dataset`] | `BatchSource` | points with the angle they were seen at as a condition |
//! | [`backend`] | `Backend` | one that counts what it hands on |
#![forbid(unsafe_code)]

pub mod backend;
pub mod bijection;
pub mod controller;
pub mod dataset;
pub mod field;
pub mod kernel;
mod moons;
pub mod objective;
pub mod programs;
pub mod tableau;
pub mod trace;

/// The pages of `docs/` and the front page whose examples are compiled and run, as one program with this crate's own.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../README.md")]
    struct FrontPage;
    #[doc = include_str!("../../docs/first-flow.md")]
    struct FirstFlow;
    #[doc = include_str!("../../docs/conditions.md")]
    struct Conditions;
    #[doc = include_str!("../../docs/choosing.md")]
    struct Choosing;
    #[doc = include_str!("../../docs/extend.md")]
    struct Extend;
    #[doc = include_str!("../../docs/from-pytorch.md")]
    struct FromPyTorch;
}

use std::fmt;

/// A result with whatever error comes.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What training made of a model: held-out losses, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trained {
    /// Before the first iteration.
    pub before: f64,
    /// After the last.
    pub after: f64,
}

impl fmt::Display for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "from {:.3} to {:.3} nats", self.before, self.after)
    }
}

#![doc = include_str!("../README.md")]
#![doc = include_str!("equations.md")]
#![forbid(unsafe_code)]

/// The tensor library whose tensors, devices and number types appear in the API.
pub use candle_core as candle;
/// Solves on a card, compiled at run time.
#[cfg(feature = "cuda")]
pub use ffjord_cuda as cuda;
pub use ffjord_data as data;
pub use ffjord_flow as flow;
/// SIMD functions and compiled networks; what a kernel for a field of one's own implements.
pub use ffjord_kernels as kernels;
pub use ffjord_nn as nn;
pub use ffjord_ode as ode;
#[cfg(feature = "plot")]
pub use ffjord_plot as plot;
pub use ffjord_trace as trace;
pub use ffjord_train as train;
/// Variational autoencoders whose posteriors are flows.
pub use ffjord_vae as vae;
/// The version of `rand` whose generators passes and networks take.
pub use rand;

//! Small programs, each about one thing that the library is used for.
//!
//! Each file is complete: its `run` is what the `main` of a program of your own would be. `cargo run --release -p
//! ffjord-examples -- NAME` runs one and prints what it found; the crate's tests hold every result to something known.
//!
//! | name | what it does |
//! |---|---|
//! | [`plain-ode`](plain_ode) | solves Kepler's equation of motion, with an event on the way |
//! | [`neural-ode`](neural_ode) | learns a vector field from starts and ends of short paths |
//! | [`operator-trace`](operator_trace) | estimates the trace of a function of an operator that has products only |
//! | [`csv-density`](csv_density) | learns the density of a table in a file, and draws new rows |
//! | [`conditional-density`](conditional_density) | learns p(y given x) where y has two branches |
//! | [`digits`] | learns images of handwritten digits by flow matching |
//! | [`vae-plane`](vae_plane) | draws the latent plane of a variational autoencoder with a continuous posterior |
//! | [`simulator-posterior`](simulator_posterior) | learns what observations say of a simulator's parameters |
//! | [`energy-weights`](energy_weights) | samples from a given energy, with exact weights |

pub mod conditional_density;
pub mod csv_density;
pub mod digits;
pub mod energy_weights;
pub mod neural_ode;
pub mod operator_trace;
pub mod plain_ode;
pub mod simulator_posterior;
pub mod vae_plane;

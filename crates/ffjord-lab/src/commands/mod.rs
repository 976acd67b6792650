//! One file a command.

pub mod bench;
pub mod check;
pub mod cite;
pub mod compare;
pub mod data;
pub mod eval;
mod eval_vae;
pub mod experiment;
pub mod figure;
pub mod gradcheck;
mod image_figures;
mod image_sets;
mod latent_evaluations;
pub mod parity;
pub mod plot;
mod reading;
pub mod report;
pub mod reproduce;
mod rows;
pub mod runs;
pub mod sample;
pub mod table;
pub mod trace_variance;
mod units;
pub mod watch;
pub mod work_precision;

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bench;
pub mod benchmark_table;
pub mod compare;
pub mod density_integral;
mod error;
pub mod fit;
pub mod gpu_check;
pub mod gradcheck;
pub mod image_training;
pub mod latent_evaluations;
mod memory;
pub mod parity;
mod program;
pub mod robustness;
pub mod scale;
pub mod trace_variance;
pub mod work_precision;

pub use error::{Result, StudyError};

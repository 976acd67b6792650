#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
mod data;
mod error;
mod evaluation;
mod given;
mod image_model;
mod images;
mod initial_weights;
mod model;
mod objective;
mod original;
mod original_images;
mod provenance;
mod results;
mod rows;
mod run_folder;
mod sampling;
mod statistics;
mod trained;

pub use data::{RunData, SplitLabel};
pub use error::{Result, RunError};
pub use evaluation::{Likelihood, gaussian_nll, log_likelihoods, scores, summarise};
pub use ffjord_data::Matrix;
pub use given::GivenColumns;
pub use initial_weights::load_initial_weights;
pub use model::{Model, Part};
pub use objective::objective;
pub use original::load_original;
pub use original_images::original_tensor_name;
pub use provenance::Provenance;
pub use results::{CurvePoint, RunResult, SplitRecord, TestRecord, TrainingRecord};
pub use rows::Rows;
pub use run_folder::{DataSummary, ImageFormat, RunFolder};
pub use sampling::{samples, samples_given};
pub use statistics::mean_and_standard_error;
pub use trained::{Trained, Units};

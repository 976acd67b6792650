#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod config;
mod data;
mod data_summary;
mod dealing;
mod dequantize;
mod error;
mod evaluation;
mod given;
mod image_model;
mod images;
mod initial_weights;
mod level_start;
mod model;
mod objective;
mod original;
mod own_table;
mod placement;
mod provenance;
mod results;
mod rows;
mod run_folder;
mod run_lock;
mod run_state;
mod sampling;
mod start;
mod statistics;
mod trained;
pub mod vae;

pub use data::{RunData, SplitLabel, TableFile};
pub use data_summary::{DataSource, DataSummary, ImageFormat};
pub use error::{Result, RunError};
pub use evaluation::{
    Likelihood, Scores, gaussian_nll, log_likelihoods, log_likelihoods_together, scores, scores_together, summarise,
};
pub use ffjord_cuda::DeviceName;
pub use ffjord_data::Matrix;
pub use given::GivenColumns;
pub use initial_weights::load_initial_weights;
pub use model::{Model, Part};
pub use objective::objective;
pub use original::{load_original, original_tensor_name};
pub use provenance::Provenance;
pub use results::{BitsRecord, CurvePoint, RunResult, SplitRecord, TestRecord, TrainingRecord};
pub use rows::Rows;
pub use run_folder::{RunFolder, Started};
pub use run_lock::RunLock;
pub use run_state::RunState;
pub use sampling::{samples, samples_at, samples_given};
pub use start::StartPart;
pub use statistics::mean_and_standard_error;
pub use trained::{Opening, Trained, Units};

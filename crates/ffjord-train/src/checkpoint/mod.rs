//! Checkpoints that survive a stop at any moment, and files of weights.

mod description;
mod store;
mod tensors;

pub use store::{CheckpointStore, StoredCheckpoint};
pub use tensors::{load_tensors, save_tensors};

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod batch;
pub mod benchmark;
pub mod dataset;
pub mod diagnosis;
mod error;
#[cfg(feature = "fetch")]
pub mod fetch;
pub mod fs;
pub mod image;
pub mod manifest;
mod matlab;
pub mod matrix;
pub mod numpy;
pub mod pickle;
pub mod power;
pub mod preprocess;
mod split;
mod statistics;
pub mod table;
pub mod toy;

pub use batch::{Batches, LastBatch, permutation};
pub use benchmark::{Benchmark, BenchmarkDataset, BenchmarkError};
pub use dataset::{Dataset, Splits};
pub use diagnosis::{Finding, Lattice, diagnose};
pub use error::DataError;
pub use image::{FoundImages, ImageSet, ImageSplits, Images};
pub use matrix::{Element, Matrix};
pub use preprocess::{ConstantColumns, Prepared, SplitRanges, SplitRule, Standardizer, prepare, prepare_as};
pub use split::{RowSplit, SplitError};
pub use toy::ToyDensity;

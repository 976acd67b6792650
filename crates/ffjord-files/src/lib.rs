#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod place;
mod same_file;
mod write;

pub use error::FileError;
pub use same_file::refuse_same_file;
pub use write::{name_of_unfinished, write_atomic, write_atomic_with};

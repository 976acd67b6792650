//! Published results of the tabular benchmarks beside those of our runs (table 2 of the paper).

mod comparison;
mod markdown;
mod published;

pub use comparison::{Comparison, Measured, compare};
pub use markdown::markdown;
pub use published::{PublishedLikelihood, PublishedModel, PublishedTable, Selection};

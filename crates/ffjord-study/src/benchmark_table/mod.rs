//! Published results of the tabular benchmarks and of variational autoencoders beside those of our runs (tables 2 and 3 of
//! the paper).

mod bounds;
mod comparison;
mod markdown;
mod published;

pub use bounds::bounds_as_results;
pub use comparison::{Comparison, Measured, compare};
pub use markdown::{markdown, markdown_3};
pub use published::{PublishedLikelihood, PublishedModel, PublishedTable, Selection};

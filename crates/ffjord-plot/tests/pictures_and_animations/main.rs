//! Pictures, and what they refuse.

mod gif;
mod hostile_input;
mod pictures;

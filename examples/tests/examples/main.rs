//! Tests of all examples as one program, since linking the tensor library takes longer than most of them run.

mod book;
mod derivatives;
mod programs;
mod training;

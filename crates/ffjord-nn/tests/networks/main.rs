//! Networks as vector fields, in one program: each links the tensor library, which takes longer than most of them run.

mod construction;
mod derivatives;
mod feed_forward;
mod fused;
mod ops;
mod times;

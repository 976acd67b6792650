//! What the trainer is made of, in one program: each links the tensor library, which takes longer than most of them run.

mod checkpoints;
mod dequantization;
mod flow_matching;
mod optimizers;
mod tensorboard;

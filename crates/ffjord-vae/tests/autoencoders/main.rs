//! Variational autoencoders, in one program: each links the tensor library, which takes longer than most of them run.

mod doubly_reparametrised;
mod linear_gaussian;
mod log_determinants;
mod training;

//! The kernels against plain loops, exact values and each other: one program, so that what they share is compiled once.

mod accuracy;
mod convolution_reference;
mod elementwise;
mod image_convolution;
mod linalg;
mod mlp_properties;
mod mlp_reference;
mod network;
mod normalisation;
mod reference;
mod types;

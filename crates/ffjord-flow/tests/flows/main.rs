//! Flows as a user meets them: bijections, gradients, refusals.

mod bijections;
mod common;
mod gradients;
mod precision;
mod refusals;

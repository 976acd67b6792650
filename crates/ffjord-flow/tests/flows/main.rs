//! Flows as a user meets them: bijections, gradients, refusals.

mod bijections;
mod bottleneck;
mod check;
mod common;
mod conditional;
mod discrete;
mod gradients;
mod image_flows;
mod images;
mod integrals;
mod precision;
mod refusals;
mod shapes;
mod start;
mod step_sharing;
mod velocity;
mod wide;

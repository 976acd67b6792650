//! Bijections with log-determinants: continuous normalizing flows, chains and base densities.
#![forbid(unsafe_code)]

//! Continuous normalizing flows with free-form dynamics (FFJORD).
#![forbid(unsafe_code)]

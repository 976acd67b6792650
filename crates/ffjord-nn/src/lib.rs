//! Neural networks as time-dependent vector fields: value, Jacobian-vector and vector-Jacobian products.
#![forbid(unsafe_code)]

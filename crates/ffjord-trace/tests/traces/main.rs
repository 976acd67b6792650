//! Estimators of traces and functions of operators.

mod estimators;
mod lanczos;
mod sketching;
mod standard_errors;

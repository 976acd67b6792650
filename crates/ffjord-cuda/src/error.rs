//! What can go wrong between a flow and a GPU.

use std::path::PathBuf;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// There is no driver, no card or no compiler.
    #[error("CUDA cannot be used here: {reason}. `cargo xtask doctor` says what is there and what to install")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// The driver refused a call.
    #[error("the CUDA driver failed to {what}: {reason}")]
    Driver {
        /// What was tried.
        what: &'static str,
        /// What the driver answered.
        reason: String,
    },
    /// A kernel could not be compiled.
    #[error("a kernel cannot be compiled for {target}: {reason}")]
    Compilation {
        /// What it was compiled for.
        target: String,
        /// What the compiler said.
        reason: String,
    },
    /// A flow that the kernels do not have.
    #[error("{what} cannot be solved on a GPU: {accepted}, or `--device cpu`, is possible")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What there is.
        accepted: &'static str,
    },
    /// The name of a device that is none.
    #[error("{given:?} is no device: write cpu, cuda or cuda:N with the number N of a card")]
    UnknownDevice {
        /// The name given.
        given: String,
    },
    /// A cached kernel could not be read or written.
    #[error("{}: {source}", .path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

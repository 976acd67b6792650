//! What can keep a command from running.

use std::ffi::OsString;
use std::io;

/// The reasons why xtask itself fails; a command that runs and fails hands its exit code on instead.
#[derive(Debug, thiserror::Error)]
pub(crate) enum XtaskError {
    /// The program cannot be started.
    #[error("cannot start {}: {source}; is Rust's cargo on the PATH?", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// What the operating system answered.
        source: io::Error,
    },
    /// Waiting for the program failed.
    #[error("lost track of the running command: {0}")]
    Wait(io::Error),
    /// The folder in which the user stands is gone or cannot be read.
    #[error("cannot tell the current folder: {0}; change to a folder that exists")]
    CurrentFolder(io::Error),
    /// Nothing can be listened to on this machine.
    #[error("cannot find a free port of 127.0.0.1 for the processes to meet at: {0}")]
    Port(io::Error),
    /// The operating system does not say where this program lies.
    #[error("cannot tell where this program lies, beside which the laboratory is built: {0}")]
    OwnPlace(io::Error),
    /// Ctrl-C cannot be caught, so that a run could be cut off while it saves.
    #[error("cannot watch for Ctrl-C: {0}")]
    Interrupt(#[from] ctrlc::Error),
}

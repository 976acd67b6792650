//! Lines on standard output that a closed pipe does not turn into a panic.

use std::fmt::Arguments;
use std::io::Write;

/// Writes one line; use it through [`say!`].
pub fn line(text: Arguments<'_>) {
    // Whoever closed the pipe has read what they wanted: `cargo xtask experiment --list | head` is no error.
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// As `println!`, but without its panic on a closed standard output.
macro_rules! say {
    ($($part:tt)*) => { $crate::terminal::line(format_args!($($part)*)) };
}
pub(crate) use say;

//! Lines on standard output and standard error that a closed pipe or a full disk does not turn into a panic.

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

/// Writes one line on standard error; use it through [`tell!`].
pub fn line_of_errors(text: Arguments<'_>) {
    // A run whose messages nobody can keep goes on, and a failure keeps its exit code.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// As `eprintln!`, but without its panic where standard error cannot be written.
macro_rules! tell {
    ($($part:tt)*) => { $crate::terminal::line_of_errors(format_args!($($part)*)) };
}
pub(crate) use tell;

/// Rows of texts as lines whose columns stand below each other; the last text of a row may be of any length.
pub fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let width = |text: &String| text.chars().count();
    let most = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widths: Vec<usize> = (0..most)
        .map(|column| {
            let inner = rows.iter().filter(|row| column + 1 < row.len());
            inner.map(|row| width(&row[column])).max().unwrap_or_default()
        })
        .collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(text, width)| format!("{text:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect()
}

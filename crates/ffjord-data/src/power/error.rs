//! What can be wrong with the POWER data.

use std::io;

use thiserror::Error;

use super::ROWS;

/// Why POWER data, raw or packed, cannot be used.
///
/// ```
/// use ffjord_data::power::{PowerError, decode};
/// let refused = decode(b"not packed").unwrap_err();
/// assert!(matches!(refused, PowerError::NotPacked));
/// assert!(refused.to_string().contains("make one from the original text"));
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PowerError {
    /// The raw text does not start with the original's column names.
    #[error("this is not the original text of POWER: its first line is {found:?} where {expected:?} is expected")]
    RawHeader {
        /// The beginning of the first line.
        found: String,
        /// The original's first line.
        expected: &'static str,
    },
    /// A raw line has too few or too many fields.
    #[error("line {line} has {given} fields where the original has 9: the file is damaged or incomplete")]
    RawFieldCount {
        /// Line of the file, from 1.
        line: u64,
        /// Fields it has.
        given: usize,
    },
    /// A raw field is not what its column holds.
    #[error("line {line}, column {column}: {text:?} is not {accepted}")]
    RawField {
        /// Line of the file, from 1.
        line: u64,
        /// The column's name in the original.
        column: &'static str,
        /// The field.
        text: String,
        /// What would be.
        accepted: &'static str,
    },
    /// The raw text could not be read on.
    #[error("cannot read after line {line}: {source}")]
    RawRead {
        /// The last line read well, 0 if none.
        line: u64,
        /// The reason.
        source: io::Error,
    },
    /// The packed file does not start with its magic bytes, or is shorter than its header.
    #[error("this is no packed POWER file: make one from the original text with the example `embed_power`")]
    NotPacked,
    /// The packed file's checksum does not hold.
    #[error("the packed POWER file is corrupt: its checksum does not hold; restore it or make it again")]
    Checksum,
    /// The packed file claims more rows than there are minutes in the measured years.
    #[error("the packed POWER file claims {rows} rows; at most {limit} can be packed")]
    TooManyRows {
        /// The rows claimed or given.
        rows: usize,
        /// The limit.
        limit: usize,
    },
    /// The packed columns are shorter or longer than their rows need.
    #[error("the packed columns of {rows} rows need {expected} bytes, but {given} or more are there")]
    PackedLength {
        /// The rows claimed.
        rows: usize,
        /// Bytes their columns need.
        expected: usize,
        /// Bytes found, counted up to one too many.
        given: usize,
    },
    /// A minute is not one of a day.
    #[error("row {row} has minute {minute} of the day: the last one is 1439")]
    Minute {
        /// The row, from 0.
        row: usize,
        /// Its minute.
        minute: u16,
    },
    /// The compressor or decompressor failed.
    #[error("the columns cannot be compressed or decompressed: {0}")]
    Compression(io::Error),
    /// The data is not complete, so the published split cannot be made from it.
    #[error("there are {given} complete rows where the published split has {ROWS}: use the complete original")]
    Incomplete {
        /// Complete rows found.
        given: usize,
    },
}

//! The number of rows that share one solve, or the name of one of its ends.

use crate::solve::SolveSettings;
use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;
use std::fmt;

/// Writes a number of rows, [`SolveSettings::WHOLE_BATCH`] by its name; for serde's `serialize_with`.
///
/// # Errors
/// When the serializer fails.
pub fn serialize<S: Serializer>(rows: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    match *rows {
        SolveSettings::WHOLE_BATCH => serializer.serialize_str("whole-batch"),
        rows => serializer.serialize_u64(rows as u64),
    }
}

/// Reads a number of rows, `per-row` or `whole-batch`, and 0 as the whole batch, which old files mean by it; for serde's
/// `deserialize_with`.
///
/// # Errors
/// When there is anything else.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    deserializer.deserialize_any(BlockRows)
}

struct BlockRows;

impl Visitor<'_> for BlockRows {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of rows, `per-row` or `whole-batch`")
    }

    fn visit_u64<E: Error>(self, rows: u64) -> Result<usize, E> {
        match usize::try_from(rows) {
            Ok(0) => Ok(SolveSettings::WHOLE_BATCH),
            Ok(rows) => Ok(rows),
            Err(_) => Err(E::invalid_value(Unexpected::Unsigned(rows), &self)),
        }
    }

    fn visit_i64<E: Error>(self, rows: i64) -> Result<usize, E> {
        match u64::try_from(rows) {
            Ok(rows) => self.visit_u64(rows),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(rows), &self)),
        }
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        match name {
            "per-row" => Ok(SolveSettings::PER_ROW),
            "whole-batch" => Ok(SolveSettings::WHOLE_BATCH),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }
}

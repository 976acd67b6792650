//! The number of rows that share one solve, or the name of one of its ends.

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use std::fmt;

/// Reads a number of rows, `per-row` as 1 and `whole-batch` as 0.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    deserializer.deserialize_any(BlockRows)
}

struct BlockRows;

impl Visitor<'_> for BlockRows {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of rows, `per-row` or `whole-batch`")
    }

    fn visit_u64<E: Error>(self, rows: u64) -> Result<usize, E> {
        usize::try_from(rows).map_err(|_| E::invalid_value(Unexpected::Unsigned(rows), &self))
    }

    fn visit_i64<E: Error>(self, rows: i64) -> Result<usize, E> {
        usize::try_from(rows).map_err(|_| E::invalid_value(Unexpected::Signed(rows), &self))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        match name {
            "per-row" => Ok(1),
            "whole-batch" => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }
}

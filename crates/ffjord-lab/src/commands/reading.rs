//! Options of commands that read tables.

use clap::Args;
use ffjord_data::table::{Decimal, Delimiter, Header, LoadOptions};

/// How files of rows are read; what is not said is found from the file.
#[derive(Debug, Default, Args)]
pub struct ReadArguments {
    /// The array of a `.npz` file (default: `x` if there is one, else the only one)
    #[arg(long, value_name = "NAME")]
    array: Option<String>,
    /// Whether text starts with a line of column names, or the last comment above the first row holds them
    #[arg(long, value_name = "true|false|comment")]
    header: Option<Header>,
    /// The columns of --data to use, by name or number from 0
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    columns: Vec<String>,
    /// Columns of --data to leave out
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    drop: Vec<String>,
    /// What separates the fields of text: comma, semicolon, tab, pipe or white-space
    #[arg(long, value_name = "NAME")]
    delimiter: Option<Delimiter>,
    /// The decimal sign of text: point or comma
    #[arg(long, value_name = "NAME")]
    decimal: Option<Decimal>,
    /// What comments of text begin with; nothing for text without comments
    #[arg(long, value_name = "SIGN", default_value = "#")]
    comment: String,
    /// Lines at the beginning of text that are no part of the table
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip_lines: u64,
}

impl ReadArguments {
    /// The options for the file of rows, with values that are not finite.
    pub(super) fn of_rows(&self) -> LoadOptions {
        LoadOptions {
            array: self.array.clone(),
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            ..self.of_conditions(true)
        }
    }

    /// The options for a file of conditions.
    pub(super) fn of_conditions(&self, keep_non_finite: bool) -> LoadOptions {
        LoadOptions {
            header: self.header.unwrap_or_default(),
            delimiter: self.delimiter,
            decimal: self.decimal,
            comment: Some(self.comment.clone()),
            skip_lines: self.skip_lines,
            keep_non_finite,
            ..LoadOptions::default()
        }
    }
}

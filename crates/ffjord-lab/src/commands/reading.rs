//! Options of commands that read tables.

use clap::Args;
use ffjord_data::table::{Decimal, Delimiter, Header, LoadOptions};

/// How files of rows are read; what is not said is found from the file.
#[derive(Debug, Default, Args)]
pub struct ReadArguments {
    /// The array of a `.npz` file (default: `x` if there is one, else the only one)
    #[arg(long, value_name = "NAME")]
    array: Option<String>,
    /// Whether text starts with a line of column names
    #[arg(long, value_name = "true|false")]
    header: Option<bool>,
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
            header: match self.header {
                None => Header::Detect,
                Some(true) => Header::Present,
                Some(false) => Header::Absent,
            },
            delimiter: self.delimiter,
            decimal: self.decimal,
            keep_non_finite,
            ..LoadOptions::default()
        }
    }
}

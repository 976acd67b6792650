//! Options of commands that read tables.

use clap::Args;
use ffjord_data::table::{Decimal, Delimiter, Header, LoadOptions};
use ffjord_run::Trained;

/// How files of rows are read; what is not said is as the run was told of its own file, or is found.
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
    /// What comments of text begin with; nothing for text without comments (default: #)
    #[arg(long, value_name = "SIGN")]
    comment: Option<String>,
    /// Lines at the beginning of text that are no part of the table (default: 0, whatever the training data's file had)
    #[arg(long, value_name = "N")]
    skip_lines: Option<u64>,
}

impl ReadArguments {
    /// The options for the file of rows, with values that are not finite.
    pub(super) fn of_rows(&self, trained: &Trained) -> LoadOptions {
        LoadOptions {
            array: self.array.clone(),
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            ..self.of_conditions(trained)
        }
    }

    /// The options for a file of conditions, with values that are not finite.
    pub(super) fn of_conditions(&self, trained: &Trained) -> LoadOptions {
        let own = trained.table();
        LoadOptions {
            header: self.header.or(own.map(|own| own.header)).unwrap_or_default(),
            delimiter: self.delimiter.or(own.and_then(|own| own.delimiter)),
            decimal: self.decimal.or(own.and_then(|own| own.decimal)),
            comment: self.comment.clone().or_else(|| own.and_then(|own| own.comment.clone())),
            skip_lines: self.skip_lines.unwrap_or(0),
            keep_non_finite: true,
            ..LoadOptions::default()
        }
    }

    /// A sentence on lines that were skipped above the training data and are not skipped here: another file may have none.
    pub(super) fn not_skipped(&self, trained: &Trained) -> Option<String> {
        let skipped = trained.table().map_or(0, |own| own.skip_lines);
        (skipped > 0 && self.skip_lines.is_none()).then(|| {
            format!(
                "{skipped} lines were skipped above the training data (data.skip_lines): say --skip-lines {skipped} if this \
                 file has them, too, or --skip-lines 0"
            )
        })
    }
}

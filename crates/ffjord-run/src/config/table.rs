//! What a configuration says of an own table.

use ffjord_data::table::{Decimal, Delimiter, Header, LoadOptions};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::PathBuf;
use std::str::FromStr;

/// A table in a file of the user's own, and what is made of it.
///
/// ```
/// use ffjord_run::config::{SplitConfig, TableConfig};
/// let table: TableConfig =
///     serde_json::from_str(r#"{"path": "a.csv", "given": ["speed"], "drop": ["id", 3], "split": "ordered"}"#)?;
/// assert_eq!((table.given, table.split), (vec!["speed".to_string()], SplitConfig::Ordered));
/// let options = TableConfig { drop: vec!["id".to_string()], ..TableConfig::default() }.load_options();
/// assert_eq!(options.drop, ["id"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableConfig {
    /// A `.npy`, `.npz` or text file.
    pub path: PathBuf,
    /// Columns that the others are given, by name or, where the table has no names, by number from 0: the flow is of
    /// p(rest | given). None for the density of whole rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "columns")]
    pub given: Vec<String>,
    /// Which array of a `.npz` archive; there must be only one if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub array: Option<String>,
    /// Whether text starts with column names (`true`, `false`), or a comment above the first row holds them (`comment`);
    /// its first lines tell if absent.
    #[serde(default, skip_serializing_if = "found", with = "header")]
    pub header: Header,
    /// The columns to use, in this order, by name or number from 0; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "columns")]
    pub columns: Vec<String>,
    /// Columns to leave out, which need not be numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "columns")]
    pub drop: Vec<String>,
    /// What separates the fields of text; its first lines tell if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "named")]
    pub delimiter: Option<Delimiter>,
    /// The decimal sign of text; its first lines tell if absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "named")]
    pub decimal: Option<Decimal>,
    /// What comments of text begin with; `#` if absent, and no line is a comment if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Lines at the beginning of text that are no part of the table.
    #[serde(default, skip_serializing_if = "none_skipped")]
    pub skip_lines: u64,
    /// Which rows are trained on, and which validate and test.
    #[serde(default)]
    pub split: SplitConfig,
    /// Columns on a lattice that uniform noise of its step is added to.
    #[serde(default, skip_serializing_if = "DequantizeConfig::is_none")]
    pub dequantize: DequantizeConfig,
    /// How columns are scaled.
    #[serde(default)]
    pub scale: ScaleConfig,
}

/// Which rows of an own table are trained on, and which validate and test.
///
/// ```
/// use ffjord_run::config::SplitConfig;
/// assert_eq!(SplitConfig::default(), SplitConfig::Shuffled);
/// let by_column: SplitConfig = serde_json::from_str(r#"{"column": "part"}"#)?;
/// assert_eq!(by_column, SplitConfig::Column("part".to_string()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SplitConfig {
    /// A tenth of the rows is test and a tenth of the others validation, in an order that the seed draws.
    #[default]
    Shuffled,
    /// The same parts of the rows as they stand, test last: for time series.
    Ordered,
    /// What a column says of every row: train, validation or test, or 0, 1 or 2.
    Column(#[serde(deserialize_with = "column")] String),
}

/// How the columns of an own table are scaled.
///
/// ```
/// use ffjord_run::config::ScaleConfig;
/// assert_eq!(ScaleConfig::default(), ScaleConfig::Standard);
/// assert_eq!(serde_json::from_str::<ScaleConfig>(r#""robust""#)?, ScaleConfig::Robust);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ScaleConfig {
    /// By mean and standard deviation.
    #[default]
    Standard,
    /// By median and the range between the quartiles, in which outliers have no say.
    Robust,
}

/// Which columns of an own table noise is added to.
///
/// ```
/// use ffjord_run::config::DequantizeConfig;
/// let all: DequantizeConfig = serde_json::from_str("true")?;
/// let one: DequantizeConfig = serde_json::from_str(r#"["hour"]"#)?;
/// assert_eq!((&all, &one), (&DequantizeConfig::All(true), &DequantizeConfig::Columns(vec!["hour".to_string()])));
/// assert!(DequantizeConfig::default().is_none() && !all.is_none() && !one.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum DequantizeConfig {
    /// All that lie on a coarse lattice, or none.
    All(bool),
    /// These, by name or number from 0.
    Columns(#[serde(deserialize_with = "columns")] Vec<String>),
}

impl Default for DequantizeConfig {
    fn default() -> Self {
        Self::All(false)
    }
}

impl DequantizeConfig {
    /// Whether no noise is added.
    pub fn is_none(&self) -> bool {
        match self {
            Self::All(all) => !all,
            Self::Columns(columns) => columns.is_empty(),
        }
    }
}

impl TableConfig {
    /// How the file is read.
    pub fn load_options(&self) -> LoadOptions {
        LoadOptions {
            array: self.array.clone(),
            header: self.header,
            delimiter: self.delimiter,
            decimal: self.decimal,
            comment: self.comment.clone(),
            skip_lines: self.skip_lines,
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            labels: match &self.split {
                SplitConfig::Column(name) => Some(name.clone()),
                _ => None,
            },
            keep_non_finite: false,
        }
    }
}

/// The name or number of a column.
fn column<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Column::deserialize(deserializer)? {
        Column::Number(number) => number.to_string(),
        Column::Name(name) => name,
    })
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a column's name or number")]
enum Column {
    Number(u64),
    Name(String),
}

/// Names or numbers of columns; one may stand without a list around it.
fn columns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a column's name or number, or a list of them")]
    enum Columns {
        One(Column),
        Several(Vec<Column>),
    }
    let text = |column| match column {
        Column::Number(number) => number.to_string(),
        Column::Name(name) => name,
    };
    Ok(match Columns::deserialize(deserializer)? {
        Columns::One(column) => vec![text(column)],
        Columns::Several(columns) => columns.into_iter().map(text).collect(),
    })
}

fn found(header: &Header) -> bool {
    *header == Header::Detect
}

// The signature is serde's.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn none_skipped(lines: &u64) -> bool {
    *lines == 0
}

/// A header by its name, of which two are no strings.
mod header {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(untagged, expecting = "true, false or comment")]
    enum Named {
        Whether(bool),
        Name(String),
    }

    pub fn serialize<S: Serializer>(header: &Header, serializer: S) -> Result<S::Ok, S::Error> {
        let named = match header {
            Header::Present => Some(Named::Whether(true)),
            Header::Absent => Some(Named::Whether(false)),
            other => other.name().map(|name| Named::Name(name.to_string())),
        };
        named.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Header, D::Error> {
        match Option::<Named>::deserialize(deserializer)? {
            None => Ok(Header::Detect),
            Some(Named::Whether(true)) => Ok(Header::Present),
            Some(Named::Whether(false)) => Ok(Header::Absent),
            Some(Named::Name(name)) => name.parse().map_err(D::Error::custom),
        }
    }
}

/// Separators and decimal signs by their names.
mod named {
    use super::*;

    pub fn serialize<T: std::fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.as_ref().map(ToString::to_string).serialize(serializer)
    }

    pub fn deserialize<'de, T: FromStr<Err = String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: serde_json::Value) -> Result<TableConfig, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn every_key_has_its_short_form() {
        let config = parse(serde_json::json!({
            "path": "a.csv", "drop": "id", "columns": [0, "b"], "delimiter": ";", "decimal": ",", "header": false,
            "comment": "%", "skip_lines": 2, "split": { "column": "part" }, "dequantize": ["b"], "scale": "robust",
        }))
        .unwrap();
        assert_eq!(
            (&config.drop[..], &config.columns[..]),
            (&["id".to_string()][..], &["0".to_string(), "b".to_string()][..])
        );
        assert_eq!(config.delimiter, Some(Delimiter::Semicolon));
        assert_eq!(config.split, SplitConfig::Column("part".to_string()));
        assert_eq!(config.load_options().labels.as_deref(), Some("part"));
        let stored = serde_json::to_value(&config).unwrap();
        assert_eq!(
            (&stored["delimiter"], &stored["decimal"]),
            (&"semicolon".into(), &"comma".into())
        );
        assert_eq!((&stored["header"], &stored["skip_lines"]), (&false.into(), &2.into()));
        assert_eq!(parse(stored), Ok(config));
        let commented = parse(serde_json::json!({ "path": "a.csv", "header": "comment" })).unwrap();
        assert_eq!(serde_json::to_value(&commented).unwrap()["header"], "comment");
        let numbered = parse(serde_json::json!({ "path": "a.csv", "given": "b", "split": { "column": 2 } })).unwrap();
        assert_eq!(
            (numbered.given, numbered.split),
            (vec!["b".to_string()], SplitConfig::Column("2".to_string()))
        );
        let plain = parse(serde_json::json!({ "path": "a.csv" })).unwrap();
        assert!(plain.dequantize.is_none() && plain.split == SplitConfig::Shuffled);
    }

    #[test]
    fn wrong_values_are_answered_with_what_is_accepted() {
        for (key, value, accepted) in [
            ("delimiter", serde_json::json!("x"), "semicolon (;)"),
            ("decimal", serde_json::json!(";"), "comma (,)"),
            ("header", serde_json::json!("yes"), "comment"),
            ("header", serde_json::json!(3), "comment"),
            ("split", serde_json::json!("random"), "`ordered`"),
            ("scale", serde_json::json!("big"), "`robust`"),
            ("drop", serde_json::json!(1.5), "name or number"),
        ] {
            let mut config = serde_json::json!({ "path": "a.csv" });
            config[key] = value;
            let error = parse(config).unwrap_err();
            assert!(error.contains(accepted), "{key}: {error}");
        }
    }
}

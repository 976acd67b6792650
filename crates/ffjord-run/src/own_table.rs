//! A table of the user's own, from its file to rows that a model is trained on.

use crate::config::{DequantizeConfig, Precision, RunConfig, ScaleConfig, SplitConfig, TableConfig};
use crate::error::{Result, RunError};
use ffjord_data::table::{self, Table};
use ffjord_data::{
    ConstantColumns, DataError, Finding, Lattice, Matrix, RowSplit, SplitRule, Splits, Standardizer, diagnose,
};
use ffjord_train::{Purpose, Streams};
use std::io::ErrorKind;

/// A table that has been read, examined, split and scaled.
#[derive(Debug)]
pub(crate) struct OwnTable {
    /// The parts, standardised.
    pub splits: Splits<f64>,
    /// The map between the table's units and the model's.
    pub standardizer: Standardizer,
    /// The columns' names, or their numbers.
    pub columns: Vec<String>,
    /// Whether the file names its columns.
    pub named: bool,
    /// The array of an archive.
    pub array: Option<String>,
    /// Columns of the file that are none of the table.
    pub left_out: Vec<String>,
    /// The lattices of the columns that noise is added to, in the table's units, `[D]`.
    pub dequantized: Vec<Option<Lattice>>,
    /// Columns in which a density can be unbounded, so that the likelihood is none of a density.
    pub unbounded: Vec<usize>,
    /// What was read, in one line.
    pub reading: String,
    /// What a density of the table will suffer from.
    pub warnings: Vec<String>,
}

/// The rows of the smallest table with all three parts.
const LEAST_ROWS: usize = 11;

/// Columns without a name, or with one that an index has, which hold a different whole number in every row: a part of a
/// longer index, sorted or not, which the numbers alone do not show.
fn indices(table: &Table, columns: &[String], found: &[Finding]) -> Vec<Finding> {
    let is_index = |column: &usize| {
        let name = columns[*column].to_lowercase();
        let called = name.starts_with("unnamed:") || ["id", "index", "row", "key"].contains(&name.as_str());
        if !called || found.contains(&Finding::CountsRows { column: *column }) {
            return false;
        }
        let mut values: Vec<f64> = table.values.iter_rows().map(|row| row[*column]).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.iter().all(|value| value.fract() == 0.0) && values.windows(2).all(|pair| pair[0] < pair[1])
    };
    let found = (0..columns.len()).filter(is_index);
    found.map(|column| Finding::CountsRows { column }).collect()
}

impl OwnTable {
    /// Reads the table of a configuration.
    ///
    /// # Errors
    /// When the file cannot be read or split, or nothing can be trained on it.
    pub(crate) fn load(own: &TableConfig, config: &RunConfig, streams: &Streams) -> Result<Self> {
        let table = table::load(&own.path, &own.load_options()).map_err(|error| match error {
            DataError::Io { source, .. } if source.kind() == ErrorKind::NotFound => RunError::Setting {
                setting: format!("data.path={}", own.path.display()),
                reason: "there is no such file: say where it lies with --set data.path=FILE".to_string(),
            },
            other => other.into(),
        })?;
        let columns = table.column_names();
        // Files that come later are matched by these names.
        if let Some(twice) = (1..columns.len()).find(|&column| columns[..column].contains(&columns[column])) {
            return Err(RunError::AmbiguousColumn {
                name: columns[twice].clone(),
            });
        }
        let split = split(own, &table, streams)?;
        let parts = split.apply(&table.values)?;
        let standardizer = standardizer(own.scale, &parts, table.names.as_deref()).map_err(|error| match error {
            RunError::Data(error @ (DataError::ConstantColumn { .. } | DataError::NoRobustScale { .. })) => {
                RunError::UnfitTable {
                    path: own.path.clone(),
                    findings: error.to_string(),
                }
            }
            other => other,
        })?;
        let scaled = (&standardizer, config.model.precision == Precision::F32);
        let mut findings = diagnose(&table.values, split.train.len(), Some(scaled));
        findings.extend(indices(&table, &columns, &findings));
        let fatal: Vec<String> = findings
            .iter()
            .filter(|finding| finding.is_fatal())
            .map(|finding| finding.describe(&columns))
            .collect();
        if !fatal.is_empty() {
            return Err(RunError::UnfitTable {
                path: own.path.clone(),
                findings: fatal.join("; "),
            });
        }
        let mut warnings = Vec::new();
        let dequantized = dequantized(own, &table, &columns, &findings, &mut warnings)?;
        // What is given may be as coarse as it is, and so may what noise is added to.
        let is_given = |column: &usize| own.given.contains(&columns[*column]);
        let open = |finding: &&Finding| match finding {
            Finding::OnLattice { column, .. } => dequantized[*column].is_none() && !is_given(column),
            Finding::Spike { column, .. } | Finding::FewValues { column, .. } => !is_given(column),
            // What has noise of its own depends on no other column.
            Finding::Copy { column, .. } | Finding::Dependent { column, .. } => dequantized[*column].is_none(),
            _ => true,
        };
        warnings.extend(findings.iter().filter(open).map(|finding| finding.describe(&columns)));
        let mut unbounded: Vec<usize> = findings.iter().filter(open).filter_map(Finding::unbounded).collect();
        unbounded.sort_unstable();
        unbounded.dedup();
        Ok(Self {
            reading: reading(own, &table, &split, streams),
            unbounded,
            splits: Splits {
                train: standardizer.apply(&parts.train)?,
                validation: standardizer.apply(&parts.validation)?,
                test: standardizer.apply(&parts.test)?,
            },
            standardizer,
            named: table.names.is_some(),
            array: table.reading.array,
            left_out: table.reading.left_out,
            columns,
            dequantized,
            warnings,
        })
    }

    /// The steps of the lattices in the model's units, `[D]`; 0 for columns without noise. None where there are none.
    pub(crate) fn steps(&self) -> Option<Vec<f64>> {
        let pairs = self.dequantized.iter().zip(self.standardizer.stds());
        let step = |(lattice, std): (&Option<Lattice>, &f64)| lattice.map_or(0.0, |lattice| lattice.step / std);
        let steps: Vec<f64> = pairs.map(step).collect();
        steps.iter().any(|step| *step > 0.0).then_some(steps)
    }
}

fn split(own: &TableConfig, table: &Table, streams: &Streams) -> Result<RowSplit> {
    let (rule, rows) = (SplitRule::default(), table.values.rows());
    Ok(match (&own.split, &table.labels) {
        (SplitConfig::Column(_), Some(labels)) => RowSplit::labelled(labels)?,
        // Fewer have no tenth of nine tenths.
        _ if rows < LEAST_ROWS => {
            return Err(RunError::UnfitTable {
                path: own.path.clone(),
                findings: format!(
                    "{rows} rows are too few: a tenth of them tests and a tenth of the others validates, which takes \
                     {LEAST_ROWS} rows at least; give more, or say what each is for with \
                     --set 'data.split={{ column = \"NAME\" }}'"
                ),
            });
        }
        (SplitConfig::Ordered, _) => RowSplit::ordered(&rule, rows)?,
        _ => RowSplit::shuffled(&rule, rows, &mut streams.rng(Purpose::Split, 0, 0))?,
    })
}

/// Fitted to the rows that training and validation use, in their order.
fn standardizer(scale: ScaleConfig, parts: &Splits<f64>, names: Option<&[String]>) -> Result<Standardizer> {
    let fitted = [parts.train.as_slice(), parts.validation.as_slice()].concat();
    let rows = parts.train.rows() + parts.validation.rows();
    let fitted = Matrix::new(rows, parts.train.columns(), fitted)?;
    Ok(match scale {
        ScaleConfig::Standard => Standardizer::fit(&fitted, names, ConstantColumns::Reject)?,
        ScaleConfig::Robust => Standardizer::robust(&fitted, names)?,
    })
}

/// The lattices of the columns that noise is to be added to.
fn dequantized(
    own: &TableConfig,
    table: &Table,
    columns: &[String],
    findings: &[Finding],
    warnings: &mut Vec<String>,
) -> Result<Vec<Option<Lattice>>> {
    let mut lattices = vec![None; columns.len()];
    match &own.dequantize {
        DequantizeConfig::All(false) => (),
        DequantizeConfig::All(true) => {
            for finding in findings {
                if let Finding::OnLattice { column, lattice, .. } = finding {
                    // What is given is not modelled, and may be as coarse as it is.
                    let given = own.given.contains(&columns[*column]);
                    lattices[*column] = (!given).then_some(*lattice);
                }
            }
            if lattices.iter().all(Option::is_none) {
                warnings.push("data.dequantize: no column lies on a coarse lattice, so no noise is added; one on a finer lattice can be \
                     named, as in --set 'data.dequantize=[\"price\"]'".to_string());
            }
        }
        DequantizeConfig::Columns(wanted) => {
            for name in wanted {
                let refuse = |reason: String| RunError::Setting {
                    setting: format!("data.dequantize={wanted:?}"),
                    reason,
                };
                let column = columns.iter().position(|column| column == name);
                let column = column.or_else(|| name.parse().ok().filter(|column| *column < columns.len()));
                let column = column
                    .ok_or_else(|| refuse(format!("there is no column `{name}`: there are {}", columns.join(", "))))?;
                if own.given.contains(&columns[column]) {
                    return Err(refuse(format!(
                        "`{name}` is given and not modelled: leave it out of this list"
                    )));
                }
                let values: Vec<f64> = table.values.iter_rows().map(|row| row[column]).collect();
                let lattice = Lattice::of(&values).ok_or_else(|| {
                    refuse(format!(
                        "the values of `{name}` lie on no lattice: leave it out of this list"
                    ))
                })?;
                lattices[column] = Some(lattice);
            }
        }
    }
    // A column of zeros and ones is not to be sampled as two.
    let values = |column: usize| -> Vec<f64> { table.values.iter_rows().map(|row| row[column]).collect() };
    let within = |(column, lattice): (usize, Option<Lattice>)| lattice.map(|lattice| lattice.within(&values(column)));
    Ok(lattices.into_iter().enumerate().map(within).collect())
}

/// What was read, in one line.
fn reading(own: &TableConfig, table: &Table, split: &RowSplit, streams: &Streams) -> String {
    let how = match &own.split {
        SplitConfig::Shuffled => format!("shuffled by seed {}", streams.seed()),
        SplitConfig::Ordered => "in the file's order".to_string(),
        SplitConfig::Column(name) => format!("as column `{name}` says"),
    };
    format!(
        "read {}: {}; {} training, {} validation and {} test rows, {how}",
        own.path.display(),
        table.describe(),
        split.train.len(),
        split.validation.len(),
        split.test.len(),
    )
}

#[cfg(test)]
mod tests {
    use crate::RunData;
    use crate::config::{Preset, resolve};
    use crate::error::{Result, RunError};
    use ffjord_train::{Purpose, Streams};
    use rand::Rng;
    use std::path::Path;

    /// A table of a number without a pattern and a whole number from 0 to 4.
    fn write(path: &Path) -> Result<()> {
        let mut rng = Streams::new(5).rng(Purpose::Data, 0, 0);
        let mut text = "x,stars\n".to_string();
        for _ in 0..300 {
            text += &format!("{:?},{}\n", rng.random::<f64>(), rng.random_range(0..5));
        }
        std::fs::write(path, text).map_err(RunError::io("write", path))
    }

    fn load(path: &Path, settings: &[&str]) -> Result<RunData> {
        let path = format!("data.path={}", path.display());
        let settings = settings.iter().copied().chain([path.as_str()]);
        let settings: Vec<String> = settings.chain(["training.batch=32"]).map(String::from).collect();
        let config = resolve(&Preset::find("table")?, &settings, None)?;
        RunData::load(&config, &Streams::new(config.seed), Path::new("."))
    }

    #[test]
    fn rows_have_all_digits_of_the_models_precision() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", Path::new("a folder")))?;
        let path = place.path().join("rows.csv");
        write(&path)?;
        for (precision, single) in [("f32", true), ("f64", false)] {
            let data = load(&path, &[&format!("model.precision={precision}")])?;
            for rows in [&data.test, &data.validation] {
                let rounded = rows.x.as_slice().iter().all(|value| f64::from(*value as f32) == *value);
                assert_eq!(rounded, single, "{precision}");
            }
            let batch = data
                .source
                .batch(0, &Streams::new(0))?
                .x
                .to_dtype(candle_core::DType::F64)?;
            let values: Vec<f64> = batch.flatten_all()?.to_vec1()?;
            assert_eq!(
                values.iter().all(|value| f64::from(*value as f32) == *value),
                single,
                "{precision}"
            );
        }
        Ok(())
    }

    #[test]
    fn splits_follow_the_seed_the_order_or_a_column() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", Path::new("a folder")))?;
        let path = place.path().join("rows.csv");
        let row = |row: u32| {
            let part = ["train", "test", "validation", "train"][row as usize % 4];
            format!("{row}.5,{},{part}\n", f64::from(row).sin())
        };
        std::fs::write(&path, "t,x,part\n".to_string() + &(0..400).map(row).collect::<String>())
            .map_err(RunError::io("write", &path))?;
        let times = |settings: &[&str]| -> Result<Vec<f64>> {
            let data = load(&path, settings)?;
            let standardizer = data.standardizer.clone().ok_or_else(|| RunError::UnfitTable {
                path: path.clone(),
                findings: String::new(),
            })?;
            let rows = standardizer.invert(&data.test.x)?;
            Ok(rows.iter_rows().map(|row| row[0].floor()).collect())
        };
        let drop = "data.drop=part";
        let ordered = times(&[drop, "data.split=ordered"])?;
        assert!(ordered.iter().all(|time| *time >= 359.0), "{ordered:?}");
        let shuffled = times(&[drop])?;
        assert!(
            shuffled.iter().any(|time| *time < 200.0) && shuffled.len() == 40,
            "{shuffled:?}"
        );
        assert_ne!(shuffled, times(&[drop, "seed=1"])?);
        let labelled = times(&["data.split={ column = \"part\" }"])?;
        assert_eq!(labelled.len(), 100);
        Ok(())
    }

    #[test]
    fn noise_is_fresh_for_every_batch_and_a_function_of_the_iteration() -> Result<()> {
        let place = tempfile::tempdir().map_err(RunError::io("create", Path::new("a folder")))?;
        let path = place.path().join("rows.csv");
        write(&path)?;
        let stars = |data: &RunData, iteration| -> Result<Vec<f64>> {
            let batch = data
                .source
                .batch(iteration, &Streams::new(0))?
                .x
                .to_dtype(candle_core::DType::F64)?;
            let rows: Vec<Vec<f64>> = batch.to_vec2()?;
            Ok(rows.into_iter().map(|row| row[1]).collect())
        };
        let whole = |values: &[f64], data: &RunData| -> bool {
            let scale = data.standardizer.as_ref();
            let (mean, std) = scale.map_or((0.0, 1.0), |scale| (scale.means()[1], scale.stds()[1]));
            let off = |value: &f64| ((value * std + mean) - (value * std + mean).round()).abs();
            values.iter().all(|value| off(value) < 1e-4)
        };
        let (plain, noisy) = (load(&path, &[])?, load(&path, &["data.dequantize=true"])?);
        assert!(whole(&stars(&plain, 3)?, &plain) && !whole(&stars(&noisy, 3)?, &noisy));
        assert_eq!(
            stars(&noisy, 3)?,
            stars(&load(&path, &["data.dequantize=[\"stars\"]"])?, 3)?
        );
        // Other rows, and other noise.
        assert_ne!(stars(&noisy, 3)?, stars(&noisy, 4)?);
        let file = noisy.file.as_ref();
        assert!(file.is_some_and(|file| file.unbounded.is_empty() && file.dequantized[0].is_none()));
        assert_eq!(
            file.and_then(|file| file.dequantized[1]).map(|lattice| lattice.step),
            Some(1.0)
        );
        assert_eq!(plain.file.map(|file| file.unbounded), Some(vec!["stars".to_string()]));
        // What is given is not modelled.
        let given = load(&path, &["data.given=[\"stars\"]"])?.file;
        assert!(given.is_some_and(|file| file.warnings.is_empty() && file.unbounded.is_empty()));
        for (settings, words) in [
            (
                &["data.dequantize=[\"y\"]"][..],
                "there is no column `y`: there are x, stars",
            ),
            (&["data.dequantize=[\"x\"]"], "lie on no lattice"),
            (
                &["data.dequantize=[\"stars\"]", "data.given=[\"stars\"]"],
                "given and not modelled",
            ),
        ] {
            let said = load(&path, settings).map(drop).map_err(|error| error.to_string());
            assert!(said.is_err_and(|said| said.contains(words)), "{words}");
        }
        Ok(())
    }
}

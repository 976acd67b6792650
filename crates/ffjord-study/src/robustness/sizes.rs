//! Tables of many rows, of one column and of many, and batches of one row.

use super::work::{moons, of_table, table, words};
use super::{Check, Settings};
use crate::error::{Result, StudyError};
use crate::program::Place;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// A row of two columns is 20 bytes of text or less, two numbers of 8 bytes, a number of 8 bytes for its density, and parts of
/// these once more while vectors grow.
const BYTES_A_ROW: f64 = 128.0;

/// Evaluates a small and a large table and compares the largest resident memory.
pub(super) fn memory(settings: &Settings) -> Result<Check> {
    let [few, many] = settings.rows;
    let mut check = Check::new(format!(
        "{few} and {many} rows of two columns are evaluated by `eval`; memory may grow by {BYTES_A_ROW} bytes a row, the table \
         itself among them"
    ));
    let place = Place::new(&settings.program)?;
    place.succeed(&moons("run", 4, 2))?;
    let mut peaks = Vec::new();
    for rows in [few, many] {
        write_table(&place.path("rows.csv"), rows)?;
        let ended = place.run(&words(&["eval", "run", "--data", "rows.csv", "--out", "scores.csv"]))?;
        check.count += 1;
        if ended.code != Some(0) {
            check.fault(format!("{rows} rows: {}", ended.described()));
            return Ok(check);
        }
        let scores = place.read("scores.csv")?;
        let lines = scores.iter().filter(|byte| **byte == b'\n').count();
        if lines != rows + 1 {
            check.fault(format!(
                "{rows} rows have {lines} lines of likelihoods, the heading among them"
            ));
        }
        let Some(kib) = ended.peak_kib else {
            return Ok(Check::skipped(
                check.done,
                "the system does not tell how much memory a process takes",
            ));
        };
        check.number(format!("MB at {rows} rows"), kib as f64 * 1024e-6);
        check.number(format!("seconds at {rows} rows"), ended.seconds);
        peaks.push(kib as f64 * 1024.0);
    }
    let growth = (peaks[1] - peaks[0]) / (many - few) as f64;
    check.number("bytes more for each further row", growth);
    if growth > BYTES_A_ROW {
        check.fault(format!("memory grows by {growth:.0} bytes a row"));
    }
    Ok(check)
}

/// Two columns, written as they are made, so that this process does not hold them.
fn write_table(path: &Path, rows: usize) -> Result<()> {
    let write = || {
        let mut file = BufWriter::new(File::create(path)?);
        for row in 0..rows {
            let phase = row as f64 * 0.7;
            writeln!(file, "{:.6},{:.6}", phase.sin(), (phase * 1.3).cos())?;
        }
        file.flush()
    };
    write().map_err(StudyError::io("write", path))
}

/// A table of one column.
pub(super) fn narrow(settings: &Settings) -> Result<Check> {
    of_columns(settings, 1, 200, &[])
}

/// A table of very many columns, with the start that the preset has. Two hidden layers have no trace in closed form, so that
/// evaluation takes it from D tangents a row.
pub(super) fn wide(settings: &Settings) -> Result<Check> {
    of_columns(settings, settings.columns, 120, &["model.hidden=[8, 8]"])
}

/// Trains, evaluates and samples a table of so many columns.
fn of_columns(settings: &Settings, columns: usize, rows: usize, more: &[&str]) -> Result<Check> {
    let mut check = Check::new(format!(
        "a table of {rows} rows and D = {columns} is trained on, evaluated, sampled, checked and reported"
    ));
    let place = Place::new(&settings.program)?;
    place.write("rows.csv", table(rows, columns))?;
    follow(
        &place,
        &mut check,
        &[
            of_table("rows.csv", "run", more),
            words(&["eval", "run", "--data", "rows.csv", "--out", "scores.csv"]),
            words(&["sample", "run", "-n", "7", "--out", "samples.csv"]),
            // The first one solved every row by itself.
            words(&[
                "eval",
                "run",
                "--shared-steps",
                "--data",
                "samples.csv",
                "--out",
                "again.csv",
            ]),
            words(&["check", "run"]),
            words(&["report", "run"]),
            words(&["plot", "run"]),
        ],
    )?;
    likelihoods(&place, "scores.csv", rows, &mut check);
    likelihoods(&place, "again.csv", 7, &mut check);
    Ok(check)
}

/// Trains with one row a batch, and evaluates and samples one row.
pub(super) fn single(settings: &Settings) -> Result<Check> {
    let mut check =
        Check::new("training with one row a batch, evaluation of a file of one row and one row at a time, one sample");
    let place = Place::new(&settings.program)?;
    place.write("rows.csv", table(40, 2))?;
    place.write("row.csv", table(1, 2))?;
    follow(
        &place,
        &mut check,
        &[
            of_table("rows.csv", "run", &["training.batch=1", "training.validation_rows=1"]),
            words(&["eval", "run", "--data", "row.csv", "--out", "score.csv"]),
            words(&[
                "eval",
                "run",
                "--data",
                "rows.csv",
                "--batch",
                "1",
                "--out",
                "scores.csv",
            ]),
            words(&["sample", "run", "-n", "1", "--out", "sample.csv"]),
        ],
    )?;
    likelihoods(&place, "score.csv", 1, &mut check);
    likelihoods(&place, "scores.csv", 40, &mut check);
    Ok(check)
}

/// Runs commands that have to succeed.
fn follow(place: &Place, check: &mut Check, commands: &[Vec<String>]) -> Result<()> {
    let (mut succeeded, mut peak_kib) = (0, None::<u64>);
    for arguments in commands {
        let ended = place.run(arguments)?;
        check.count += 1;
        peak_kib = peak_kib.max(ended.peak_kib);
        match ended.code {
            Some(0) => succeeded += 1,
            _ => check.fault(format!("{}: {}", arguments[0], ended.described())),
        }
    }
    check.counted("commands that succeeded", succeeded);
    if let Some(kib) = peak_kib {
        check.number("MB of the largest command", kib as f64 * 1024e-6);
    }
    Ok(())
}

/// Every row of a file of likelihoods has to be a finite number.
fn likelihoods(place: &Place, file: &str, rows: usize, check: &mut Check) {
    let text = String::from_utf8(place.bytes(file).unwrap_or_default()).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.trim().parse::<f64>().ok());
    let finite = numbers.filter(|number| number.is_finite()).count();
    if finite != rows {
        check.fault(format!("{file} has {finite} finite likelihoods for {rows} rows"));
    }
}

//! The density of a table in a file: read, split, scaled, learnt with early stopping, tested in the file's own units, and
//! sampled into a new file.
//!
//! Without a file of your own it writes one of known density, [`example`]. `cargo xtask experiment table` does this and
//! much more without any code.

use crate::Outcome;
use ffjord::candle::{DType, Device};
use ffjord::data::table::{self, LoadOptions};
use ffjord::data::{ConstantColumns, Matrix, RowSplit, SplitRule, Standardizer, diagnose};
use ffjord::flow::{Chain, Cnf, Density, Flow, Pass, Whitening};
use ffjord::rand::Rng;
use ffjord::train::{
    HeldOut, MaximumLikelihood, Purpose, ShuffledRows, Streams, Trainer, TrainerOptions, Validator, to_tensor,
};
use std::f64::consts::TAU;
use std::path::Path;

/// Learns the table in `file` and writes as many new rows to `samples`; returns the negative log-likelihood of the test
/// rows under the normal distribution that has their mean and covariance, and under the flow, in nats and the file's units.
///
/// # Errors
/// When the file is no table of numbers, no density can be learnt of it, or training fails.
pub fn run(file: &Path, samples: &Path) -> Outcome<(f64, f64)> {
    let table = table::load(file, &LoadOptions::default())?;
    let (streams, rows, columns) = (Streams::new(0), table.values.rows(), table.values.columns());
    let split = RowSplit::shuffled(&SplitRule::default(), rows, &mut streams.rng(Purpose::Split, 0, 0))?;
    let parts = split.apply(&table.values)?;
    let scale = Standardizer::fit(&parts.train, table.names.as_deref(), ConstantColumns::Reject)?;
    for finding in diagnose(&table.values, parts.train.rows(), Some((&scale, true))) {
        println!("beware: {}", finding.describe(&table.column_names()));
    }
    let tensor = |part: &Matrix<f64>| {
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(to_tensor(&scale.apply(part)?, DType::F32, &Device::Cpu)?)
    };

    // Whitening is fitted to the training rows, so that the flow begins at their normal distribution.
    let whitening = Whitening::fit(&tensor(&parts.train)?)?;
    let test = HeldOut::new(tensor(&parts.test)?)?;
    let units: f64 = scale.stds().iter().map(|std| std.ln()).sum();
    let cnf = Cnf::builder(columns).hidden([32, 32]).tolerance(1e-3).build()?;
    let normal = Flow::over_normal(Whitening::fit(&tensor(&parts.train)?)?)?;
    let flow = Flow::over_normal(Chain::new(vec![Box::new(whitening), Box::new(cnf)])?)?;

    let source = ShuffledRows::new(scale.apply(&parts.train)?, 200.min(parts.train.rows()), DType::F32)?;
    let validation = HeldOut::new(tensor(&parts.validation)?)?;
    let options = TrainerOptions::new(400, 5e-3).validate_every(25).patience(4);
    let summary = Trainer::new(&flow, &MaximumLikelihood::default(), &source, options)?
        .streams(streams)
        .validate(&validation)
        .run()?;
    let (normal, learnt) = (test.validate(&normal, &streams)?, test.validate(&flow, &streams)?);
    let (normal, learnt) = (normal.nll + units, learnt.nll + units);
    println!("{summary}; test rows: {learnt:.3} nats, of a normal distribution {normal:.3}");

    let drawn = flow.sample(rows, &mut Pass::sampling(&mut streams.rng(Purpose::Sample, 0, 0)))?;
    let drawn = Matrix::new(rows, columns, drawn.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)?;
    table::save_csv(samples, &scale.invert(&drawn)?, table.names.as_deref())?;
    Ok((normal, learnt))
}

/// The standard deviations of [`example`]'s first column, and of the logarithm of its second given the first.
pub const SPREAD: [f64; 2] = [10.0, 0.7];

/// Writes rows whose density is known: heights, normal with mean 170, and incomes, log-normal with a median that rises by
/// two per cent for every unit of height.
///
/// # Errors
/// When the file cannot be written.
pub fn example(file: &Path, rows: usize) -> Outcome {
    let mut rng = Streams::new(0).rng(Purpose::Data, 0, 0);
    let values = (0..rows).flat_map(|_| {
        // Two independent normal numbers (Box and Muller).
        let (radius, angle) = (
            (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt(),
            TAU * rng.random::<f64>(),
        );
        let off = SPREAD[0] * radius * angle.cos();
        [170.0 + off, (0.02 * off + SPREAD[1] * radius * angle.sin()).exp()]
    });
    let table = Matrix::new(rows, 2, values.collect())?;
    Ok(table::save_csv(
        file,
        &table,
        Some(&["height".to_owned(), "income".to_owned()]),
    )?)
}

//! Whether rows and conditions are in the units that they are said to be in, and columns on the lattices that they were on.

use ffjord_data::{Lattice, Standardizer};
use ffjord_run::{Matrix, Rows, Trained};

/// Columns of standardised rows have roots of mean squares near 1, of rows in other units hardly ever.
const FARTHER: f64 = 4.0;
/// Rows of the same kind as the training data are never so far from them.
const FAR: f64 = 20.0;
/// Values off a lattice by more than this part of its step are none of it.
const OFF: f64 = 0.01;

/// Sentences on rows and conditions that are hardly what they are taken for.
pub(super) fn suspicions(trained: &Trained, rows: &Rows<f64>, standardized: bool) -> Vec<String> {
    let rest = trained.standardizer();
    let of_rows = rest.and_then(|scale| of_units("the rows", scale, &rows.x, standardized));
    let of_given = rows
        .given
        .as_ref()
        .and_then(|given| of_conditions(trained, given, standardized));
    let on_lattices = (!standardized).then(|| off_lattices(trained, &rows.x)).into_iter();
    of_rows
        .into_iter()
        .chain(of_given)
        .chain(on_lattices.flatten())
        .collect()
}

/// A sentence on conditions alone.
pub(super) fn of_conditions(trained: &Trained, given: &Matrix<f64>, standardized: bool) -> Option<String> {
    of_units("the conditions", trained.given_standardizer()?, given, standardized)
}

/// A sentence on rows that are far from the run's data as they are taken, but near if taken the other way.
///
/// A column whose values are the same either way says nothing, and neither do values that no model takes.
fn of_units(what: &str, scale: &Standardizer, rows: &Matrix<f64>, standardized: bool) -> Option<String> {
    let pairs = || scale.means().iter().zip(scale.stds()).enumerate();
    let size = |of: &dyn Fn(f64, f64, f64) -> f64| {
        let root = |(column, (mean, std)): (usize, (&f64, &f64))| {
            let values = rows.iter_rows().map(|row| row[column]);
            let squares: Vec<f64> = values
                .filter(|value| (((value - mean) / std) as f32).is_finite())
                .map(|value| of(value, *mean, *std).powi(2))
                .collect();
            (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
        };
        pairs().map(root).fold(0.0, f64::max)
    };
    let (plain, scaled) = (
        size(&|value, _, _| value),
        size(&|value, mean, std| (value - mean) / std),
    );
    match standardized {
        false if scaled > FARTHER * plain.max(1.0) && plain < FAR => Some(format!(
            "warning: {what} look standardised, but are taken in the units of the training data's file: say --standardized \
             if they are"
        )),
        true if plain > FARTHER * scaled.max(1.0) && scaled < FAR => Some(format!(
            "warning: {what} look as if they were in the units of the training data's file, but are taken as standardised: \
             leave --standardized out if they are not"
        )),
        false if scaled > FAR => Some(format!(
            "warning: {what} are far from the training data in at least one column: are they in the same units?"
        )),
        _ => None,
    }
}

/// A sentence on each column whose training data lie on a lattice that noise was added to, and these values do not.
fn off_lattices(trained: &Trained, rows: &Matrix<f64>) -> Vec<String> {
    let column_of = |(column, lattice): (usize, &Option<Lattice>)| {
        let lattice = lattice.as_ref()?.endless();
        let off = |value: f64| value.is_finite() && (value - lattice.nearest(value)).abs() > OFF * lattice.step;
        let mut values = rows.iter_rows().map(|row| row[column]).filter(|value| off(*value));
        let first = values.next()?;
        let name = trained
            .columns()
            .map_or_else(|| column.to_string(), |names| names[column].clone());
        Some(format!(
            "warning: column `{name}` has values between the points of the lattice of step {} that the training data lie on, \
             such as {first} ({} in all): their scores mean little",
            lattice.step,
            1 + values.count()
        ))
    };
    trained.dequantized().iter().enumerate().filter_map(column_of).collect()
}

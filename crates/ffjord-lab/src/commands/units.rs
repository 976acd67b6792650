//! Whether rows are in the units that they are said to be in.

use ffjord_run::{Matrix, Trained};

/// Columns of standardised rows have roots of mean squares near 1, of rows in other units hardly ever.
const FARTHER: f64 = 4.0;
/// Rows of the same kind as the training data are never so far from them.
const FAR: f64 = 20.0;

/// A sentence on rows that are far from the run's data as they are taken, but near if taken the other way.
///
/// A column whose values are the same either way says nothing.
pub(super) fn suspicion(trained: &Trained, rows: &Matrix<f64>, standardized: bool) -> Option<&'static str> {
    let scale = trained.standardizer()?;
    let pairs = || scale.means().iter().zip(scale.stds()).enumerate();
    let size = |of: &dyn Fn(f64, f64, f64) -> f64| {
        let mut sizes: Vec<f64> = pairs()
            .map(|(column, (mean, std))| {
                let finite = rows
                    .iter_rows()
                    .map(|row| row[column])
                    .filter(|value| value.is_finite());
                let squares: Vec<f64> = finite.map(|value| of(value, *mean, *std).powi(2)).collect();
                (squares.iter().sum::<f64>() / squares.len().max(1) as f64).sqrt()
            })
            .collect();
        sizes.sort_unstable_by(f64::total_cmp);
        sizes.last().copied().unwrap_or(0.0)
    };
    let (plain, scaled) = (
        size(&|value, _, _| value),
        size(&|value, mean, std| (value - mean) / std),
    );
    match standardized {
        false if scaled > FARTHER * plain.max(1.0) && plain < FAR => Some(
            "warning: the rows look standardised, but are taken in the units of the training data's file: say \
             --standardized if they are",
        ),
        true if plain > FARTHER * scaled.max(1.0) && scaled < FAR => Some(
            "warning: the rows look as if they were in the units of the training data's file, but are taken as \
             standardised: leave --standardized out if they are not",
        ),
        false if scaled > FAR => {
            Some("warning: the rows are far from the training data in at least one column: are they in the same units?")
        }
        _ => None,
    }
}

//! Findings about a column by itself.

use super::{Finding, Lattice};
use crate::{Matrix, Standardizer};

/// At most so many rows, evenly spaced, are sorted; ties among them are those of all.
const SORTED: usize = 100_000;
/// A lattice is coarse if a deviation has fewer steps than this, or this part of the rows is a repetition.
const STEPS_A_DEVIATION: f64 = 100.0;
const REPETITIONS: f64 = 0.05;
/// A value is a spike from this part of the rows on.
const SPIKE: f64 = 0.05;
/// A column has few values if this part of the rows, without those of the most frequent value, is a repetition.
const FEW: f64 = 0.5;
/// Digits are lost where fewer than this part of the different values are left.
const LEFT: f64 = 0.75;
/// Deviations outside of these have squares that double precision does not hold well.
const DEVIATIONS: std::ops::Range<f64> = 1e-150..1e150;

pub(super) fn examine(table: &Matrix<f64>, column: usize, scaled: Option<(&Standardizer, bool)>) -> Vec<Finding> {
    let values: Vec<f64> = table.iter_rows().map(|row| row[column]).collect();
    let Some(&first) = values.first() else {
        return Vec::new();
    };
    if values.iter().all(|value| *value == first) {
        return vec![Finding::Constant { column, value: first }];
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt();
    if !mean.is_finite() || !DEVIATIONS.contains(&deviation) {
        let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
        return vec![Finding::OutOfRange { column, largest }];
    }
    if counts_rows(&values) {
        return vec![Finding::CountsRows { column }];
    }
    let step = values.len().div_ceil(SORTED);
    let mut sorted: Vec<f64> = values.iter().step_by(step).copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut findings: Vec<Finding> = repetition(column, &sorted, deviation).into_iter().collect();
    if let Some((scale, single)) = scaled {
        findings.extend(lost_digits(column, &values, &sorted, scale, single));
    }
    findings
}

/// Whether values are an index: whole numbers that go up row by row with few gaps, or all of as many as there are rows in
/// another order; or anything that goes up or down by the same step, as a clock does.
fn counts_rows(values: &[f64]) -> bool {
    if values.len() < 3 {
        return false;
    }
    let step = (values[values.len() - 1] - values[0]) / (values.len() - 1) as f64;
    let largest = values.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let off = |(row, value): (usize, &f64)| (value - (values[0] + row as f64 * step)).abs();
    if values
        .iter()
        .enumerate()
        .all(|place| off(place) <= 1e-6 * step.abs() + 1e-14 * largest)
    {
        return true;
    }
    if values.iter().any(|value| value.fract() != 0.0) {
        return false;
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (count, range) = (values.len() as f64, most - least);
    if values.windows(2).all(|pair| pair[0] < pair[1]) {
        return range < 2.0 * count;
    }
    let mut seen = vec![false; values.len()];
    let new = |value: &f64| !std::mem::replace(&mut seen[(value - least) as usize], true);
    range == count - 1.0 && values.iter().all(new)
}

/// A coarse lattice, few values, or a frequent one.
fn repetition(column: usize, sorted: &[f64], deviation: f64) -> Option<Finding> {
    let count = sorted.len() as f64;
    let mut runs: Vec<(f64, usize)> = Vec::new();
    for &value in sorted {
        match runs.last_mut() {
            Some((last, times)) if *last == value => *times += 1,
            _ => runs.push((value, 1)),
        }
    }
    let distinct: Vec<f64> = runs.iter().map(|(value, _)| *value).collect();
    let repeated = (sorted.len() - distinct.len()) as f64 / count;
    let coarse = |lattice: &Lattice| lattice.step * STEPS_A_DEVIATION > deviation || repeated > REPETITIONS;
    if let Some(lattice) = Lattice::of_sorted(&distinct).filter(coarse) {
        return Some(Finding::OnLattice {
            column,
            lattice,
            distinct: distinct.len(),
        });
    }
    let (value, times) = runs.into_iter().max_by_key(|(_, times)| *times)?;
    let others = (sorted.len() - times) as f64;
    if others - (distinct.len() - 1) as f64 > FEW * others {
        return Some(Finding::FewValues {
            column,
            distinct: distinct.len(),
        });
    }
    let share = times as f64 / count;
    // A zero without its sign, which says nothing here.
    let value = value + 0.0;
    (times > 2 && share > SPIKE).then_some(Finding::Spike { column, value, share })
}

fn lost_digits(column: usize, values: &[f64], sorted: &[f64], scale: &Standardizer, single: bool) -> Option<Finding> {
    let (mean, deviation) = (*scale.means().get(column)?, *scale.stds().get(column)?);
    let different = |values: &mut dyn Iterator<Item = f64>| {
        let mut last = f64::NAN;
        values
            .filter(|value| std::mem::replace(&mut last, *value) != *value)
            .count()
    };
    let distinct = different(&mut sorted.iter().copied());
    let scaled = || sorted.iter().map(|value| (value - mean) / deviation);
    let enough = |left: usize| left as f64 >= LEFT * distinct as f64;
    let double = different(&mut scaled());
    let left = match single {
        true => different(&mut scaled().map(|value| f64::from(value as f32))),
        false => double,
    };
    if enough(left) {
        return None;
    }
    let far = |value: &f64| (value - mean).abs();
    let (row, value) = values
        .iter()
        .enumerate()
        .max_by(|(_, a), (_, b)| far(a).total_cmp(&far(b)))?;
    Some(Finding::LostDigits {
        column,
        distinct,
        left,
        double_helps: single && enough(double),
        row,
        value: *value,
    })
}

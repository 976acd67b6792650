//! What a check says, in words.

use super::Fit;

/// P-values below this are told as evidence.
const SUSPICIOUS: f64 = 0.01;

/// One sentence on each part of a check: the noise, its length, the regions of high density, samples against rows, and the
/// worst rows.
pub fn sentences(fit: &Fit) -> Vec<String> {
    let mut said = vec![format!("{} rows that training did not see", fit.rows)];
    let (lengths, columns): (Vec<_>, Vec<_>) = fit.transforms.iter().partition(|transform| transform.column.is_none());
    if let Some(worst) = columns.iter().max_by(|a, b| a.distance.total_cmp(&b.distance)) {
        // Of so many columns the farthest is far by chance.
        let p_value = (worst.p_value * columns.len() as f64).min(1.0);
        said.push(format!(
            "noise: of {} columns number {} is farthest from normal: shares differ by up to {:.4}, p = {p_value:.3}: {}",
            columns.len(),
            worst.column.unwrap_or_default(),
            worst.distance,
            verdict(p_value)
        ));
    }
    said.extend(lengths.iter().map(|length| {
        format!(
            "its square length is χ² but for {:.4}, p = {:.3}: {}",
            length.distance,
            length.p_value,
            verdict(length.p_value)
        )
    }));
    said.extend(fit.levels.iter().map(|level| {
        format!(
            "the densest region with {:>4.0} % of the model's mass holds {:>6.2} % of the rows (± {:.2} by chance)",
            100.0 * level.expected,
            100.0 * level.observed,
            100.0 * level.standard_error
        )
    }));
    let told = &fit.two_sample;
    said.push(format!(
        "samples against rows, {} each: energy distance {:.5}, p = {:.3}: {}",
        told.compared,
        told.energy,
        told.energy_p_value,
        verdict(told.energy_p_value)
    ));
    said.push(format!(
        "five nearest neighbours tell {:.1} % of them apart, where 50 % is guessing, p = {:.3}: {}",
        100.0 * told.accuracy,
        told.accuracy_p_value,
        verdict(told.accuracy_p_value)
    ));
    let worst = fit.worst.iter().map(|(row, density)| format!("{row} ({density:.2})"));
    said.push(format!(
        "rows of the lowest ln p, in nats as the model sees rows: {}",
        worst.collect::<Vec<_>>().join(", ")
    ));
    said
}

fn verdict(p_value: f64) -> &'static str {
    match p_value < SUSPICIOUS {
        true => "more than chance",
        false => "no more than chance",
    }
}

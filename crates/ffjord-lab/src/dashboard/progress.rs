//! How fast a run goes and when it will be done.

use crate::record::Metrics;

/// Iterations that the speed is a mean over.
const WINDOW: usize = 50;

/// Iterations a second of training over the last ones, if there are two or more.
pub(super) fn speed(metrics: &Metrics) -> Option<f64> {
    let train = &metrics.train;
    let (first, last) = (train.get(train.len().saturating_sub(WINDOW))?, train.last()?);
    let (iterations, seconds) = (
        last.iteration.checked_sub(first.iteration)?,
        last.seconds - first.seconds,
    );
    (iterations > 0 && seconds > 0.0).then(|| iterations as f64 / seconds)
}

/// Seconds of training until `planned` iterations are done.
pub(super) fn left(metrics: &Metrics, planned: u64) -> Option<f64> {
    Some(planned.saturating_sub(metrics.done().0) as f64 / speed(metrics)?)
}

/// Seconds in words.
pub(super) fn duration(seconds: f64) -> String {
    // Casts of floating-point numbers saturate.
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest} s"),
        (0, _) => format!("{minutes} min {rest:02} s"),
        _ => format!("{hours} h {minutes:02} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_iterations_tell_the_speed() -> Result<(), Box<dyn std::error::Error>> {
        let place = tempfile::tempdir()?;
        let path = place.path().join("metrics.jsonl");
        // Slow at first, then four iterations a second.
        let seconds =
            |iteration: u32| f64::from(iteration.min(100)) * 10.0 + f64::from(iteration.saturating_sub(100)) * 0.25;
        let line = |iteration: u32| {
            format!(
                "{{\"kind\":\"train\",\"iteration\":{iteration},\"seconds\":{}}}\n",
                seconds(iteration)
            )
        };
        std::fs::write(&path, (1..=200).map(line).collect::<String>())?;
        let metrics = Metrics::read(&path)?;
        assert_eq!(speed(&metrics), Some(4.0));
        assert_eq!(left(&metrics, 1000), Some(200.0));
        assert_eq!(left(&metrics, 100), Some(0.0));
        assert_eq!(speed(&Metrics::default()), None);
        assert_eq!(
            [59.6, 61.0, 7260.0, f64::NAN].map(duration),
            ["1 min 00 s", "1 min 01 s", "2 h 01 min", "0 s"]
        );
        Ok(())
    }
}

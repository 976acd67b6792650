//! Means with their standard errors.

/// The mean of values, and its standard error where there are two or more.
///
/// ```
/// use ffjord_run::mean_and_standard_error;
/// assert_eq!(mean_and_standard_error(&[1.0, 3.0]), (2.0, Some(1.0)));
/// assert_eq!(mean_and_standard_error(&[4.0]), (4.0, None));
/// ```
pub fn mean_and_standard_error(values: &[f64]) -> (f64, Option<f64>) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let error = (values.len() > 1).then(|| {
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
        (variance / count).sqrt()
    });
    (mean, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_errors_are_those_of_a_mean() {
        assert_eq!(mean_and_standard_error(&[1.0, 3.0]), (2.0, Some(1.0)));
        assert_eq!(mean_and_standard_error(&[4.0]), (4.0, None));
    }
}

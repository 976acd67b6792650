//! Timing whole workloads: training iterations, likelihoods and samples of flows as users run them.

mod ceiling;
mod convolutions;
mod history;
mod measurement;
mod memory;
mod network;
mod report;
mod scaling;
mod selection;
mod stopwatch;
mod subject;
mod workload;

pub use ceiling::Ceiling;
pub use convolutions::{ConvolutionSpeed, convolutions};
pub use history::{add_to_history, read_history};
pub use measurement::{Measurement, Repetitions};
pub use memory::peak_mb;
pub(crate) use memory::{peak_mb_of, reset_peak};
pub use report::{format_seconds, header, row};
pub use scaling::{ThreadScaling, thread_scaling};
pub use selection::select;
pub use subject::{Division, FirstStep, Subject, Training};
pub(crate) use subject::{first_step, timed};
pub use workload::{Method, Workload, all};

/// Programs that ran or waited over the last minute, where the system tells (Linux): beside other programs than this
/// one, seconds and ceiling are not those of the machine.
pub fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg")
        .ok()?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// The median; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[middle],
        _ => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}

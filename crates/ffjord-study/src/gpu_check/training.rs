//! Fifty iterations of training on a card and on the processor, and twice on the card.

use super::Found;
use crate::bench::{Division, Method, Subject, all};
use crate::error::{Result, StudyError};
use candle_core::DType;
use ffjord_cuda::DeviceName;
use serde_json::json;

const ITERATIONS: u64 = 50;

/// Rows that share steps, on the card and on the processor.
const ROWS: usize = 4;

const LEARNING_RATE: f64 = 1e-3;

/// How far weights may lie apart after fifty iterations, relative to the largest of each tensor: Adam divides by the size of
/// gradients, so that rounding counts where these are small.
const BOUND: f64 = 1e-3;

/// The weights of every tensor, by its name.
type Weights = Vec<(String, Vec<f64>)>;

/// Whether a flow that was trained on the card is the one that was trained on the processor.
pub(super) fn compare(device: DeviceName) -> Result<Found> {
    let (card, processor) = (train(device, ITERATIONS)?, train(DeviceName::Cpu, ITERATIONS)?);
    let differences: Vec<(String, f64)> = card
        .iter()
        .zip(&processor)
        .map(|((name, ours), (_, theirs))| (name.clone(), difference(ours, theirs)))
        .collect();
    let worst = differences.iter().map(|(_, d)| *d).fold(0.0, f64::max);
    Ok(Found {
        passed: Some(differences.iter().all(|(_, difference)| *difference <= BOUND)),
        found: json!({ "iterations": ITERATIONS, "largest_difference": worst, "bound": BOUND }),
    })
}

/// Whether the same seed gives the same bits twice.
pub(super) fn repeat(device: DeviceName) -> Result<Found> {
    let same = train(device, ITERATIONS)? == train(device, ITERATIONS)?;
    Ok(Found {
        passed: Some(same),
        found: json!({ "iterations": ITERATIONS }),
    })
}

fn difference(ours: &[f64], theirs: &[f64]) -> f64 {
    let size = theirs.iter().fold(1e-3, |size: f64, weight| size.max(weight.abs()));
    let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs() / size);
    // No number is the largest difference.
    differences.fold(0.0, |worst: f64, d| if d <= worst { worst } else { d })
}

fn train(device: DeviceName, iterations: u64) -> Result<Weights> {
    let workloads = all();
    let workload = workloads.first().ok_or_else(|| StudyError::NoWorkload {
        given: String::new(),
        accepted: String::new(),
    })?;
    let division = Division {
        block_rows: workload.division(device).block_rows.min(ROWS),
        ..workload.division(device)
    };
    let subject = Subject::new(workload, Method::Dopri5, division, device)?;
    subject.learn(iterations, LEARNING_RATE)?;
    weights(&subject)
}

fn weights(subject: &Subject) -> Result<Weights> {
    let weights = subject.weights().into_iter().map(|parameter| {
        let numbers = parameter.var.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        Ok((parameter.name, numbers))
    });
    weights.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fifty take a minute without optimisation.
    const FEW: u64 = 3;

    #[test]
    fn weights_move_by_more_than_is_accepted_and_to_the_same_bits() -> Result<()> {
        let workloads = all();
        let division = workloads[0].division(DeviceName::Cpu);
        let before = weights(&Subject::new(&workloads[0], Method::Dopri5, division, DeviceName::Cpu)?)?;
        let after = train(DeviceName::Cpu, FEW)?;
        let moved = before.iter().zip(&after).map(|((_, a), (_, b))| difference(a, b));
        assert!(moved.fold(0.0, f64::max) > BOUND);
        assert_eq!(train(DeviceName::Cpu, FEW)?, after);
        Ok(())
    }

    #[test]
    fn a_difference_is_relative_and_no_number_is_the_largest() {
        assert_eq!(difference(&[1.0, 2.0], &[1.0, 4.0]), 0.5);
        assert!(difference(&[f64::NAN], &[1.0]).is_nan());
    }
}

//! The model of an iteration's time.

use super::measurement::Measured;
use serde::Serialize;

/// What lies between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Network {
    /// Seconds of a message without content, one way.
    pub latency_seconds: f64,
    /// Bytes a second of a long one.
    pub bytes_per_second: f64,
}

impl Network {
    /// Seconds of a message of so many bytes, one way.
    #[must_use]
    pub fn seconds(&self, bytes: f64) -> f64 {
        self.latency_seconds + bytes / self.bytes_per_second
    }
}

/// A batch and how it is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Rows of the batch.
    pub rows: usize,
    /// Shards that it is cut into.
    pub shards: usize,
}

/// What a model's iteration is made of.
///
/// An iteration of R processes takes
///
/// ```text
/// w · (o + s·a + s·(B/S)·b) + ⌈log₂ R⌉ · (2 (L + G/W) + h·G)
/// ```
///
/// with batch B in S shards, s = ⌈S/R⌉ shards of the process that has most, G bytes of gradients, latency L and bandwidth W:
/// sums pass up the tree of shards and the result down a tree of processes, each as deep as log₂ R. w is what sharing cores
/// costs, 1 where each process has its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Constants {
    /// G: the bytes of all gradients.
    pub gradient_bytes: usize,
    /// o: seconds of what every process does whatever its share: the batch, the optimiser, the average.
    pub step_seconds: f64,
    /// a: seconds of a shard whatever its rows.
    pub shard_seconds: f64,
    /// b: seconds of a row.
    pub row_seconds: f64,
    /// h: seconds a byte and level that the processes themselves take to write, read and add.
    pub seconds_per_byte: f64,
}

impl Constants {
    /// The constants of one process, fitted to runs of one process in least squares of relative errors; none is negative.
    pub(super) fn of_compute(gradient_bytes: usize, runs: &[Measured]) -> Self {
        let alone = runs.iter().filter(|run| run.ranks == 1);
        let rows: Vec<[f64; 4]> = alone
            .map(|run| [1.0, run.share.shards as f64, run.share.rows as f64, run.seconds])
            .collect();
        let [step_seconds, shard_seconds, row_seconds] = non_negative(&rows);
        Self {
            gradient_bytes,
            step_seconds,
            shard_seconds,
            row_seconds,
            seconds_per_byte: 0.0,
        }
    }

    /// Seconds of an iteration; none of them for an exchange without a network.
    #[must_use]
    pub fn iteration(&self, share: Share, ranks: usize, slowdown: f64, network: Option<&Network>) -> f64 {
        let most = share.shards.div_ceil(ranks) as f64;
        let rows = most * share.rows as f64 / share.shards as f64;
        let compute = self.step_seconds + most * self.shard_seconds + rows * self.row_seconds;
        let exchange = network.map_or(0.0, |network| {
            let bytes = self.gradient_bytes as f64;
            depth(ranks) * (2.0 * network.seconds(bytes) + bytes * self.seconds_per_byte)
        });
        slowdown * compute + exchange
    }
}

/// Levels of a tree of so many processes.
fn depth(ranks: usize) -> f64 {
    f64::from(ranks.next_power_of_two().ilog2())
}

/// What a byte costs the processes themselves: the rest of what pairs of processes took, in least squares of relative errors;
/// never negative.
pub(super) fn handling(pairs: &[(Constants, Measured)], network: &Network, sharing: &[f64]) -> f64 {
    let (mut along, mut square) = (0.0, 0.0);
    for (constants, run) in pairs {
        let slowdown = sharing.get(run.ranks - 1).copied().unwrap_or(1.0);
        let known = constants.iteration(run.share, run.ranks, slowdown, Some(network));
        let weight = depth(run.ranks) * constants.gradient_bytes as f64 / run.seconds;
        along += weight * (run.seconds - known) / run.seconds;
        square += weight * weight;
    }
    if square > 0.0 { (along / square).max(0.0) } else { 0.0 }
}

/// The coefficients, none negative, of three columns whose sum is nearest to the fourth, in least squares of relative errors.
pub(super) fn non_negative(rows: &[[f64; 4]]) -> [f64; 3] {
    // Of so few columns all subsets can be tried; the best one without a negative number is the solution.
    let subsets = (1_u8..8).map(|subset| {
        (0..3)
            .filter(|column| (subset >> column) & 1 == 1)
            .collect::<Vec<usize>>()
    });
    let fits = subsets.filter_map(|columns| least_squares(rows, &columns));
    let possible = fits.filter(|fit| fit.iter().all(|value| *value >= 0.0));
    let error = |fit: &[f64; 3]| -> f64 {
        let residual = |row: &[f64; 4]| (0..3).map(|column| fit[column] * row[column]).sum::<f64>() / row[3] - 1.0;
        rows.iter().map(|row| residual(row).powi(2)).sum()
    };
    possible
        .min_by(|one, other| error(one).total_cmp(&error(other)))
        .unwrap_or([0.0; 3])
}

/// Least squares with some of the columns, by elimination; nothing if they depend on each other.
fn least_squares(rows: &[[f64; 4]], columns: &[usize]) -> Option<[f64; 3]> {
    let count = columns.len();
    let mut system = vec![vec![0.0; count + 1]; count];
    for row in rows {
        let entry = |column: usize| row[column] / row[3];
        for (i, &left) in columns.iter().enumerate() {
            for (j, &right) in columns.iter().enumerate() {
                system[i][j] += entry(left) * entry(right);
            }
            system[i][count] += entry(left);
        }
    }
    for step in 0..count {
        let pivot = (step..count).max_by(|&i, &j| system[i][step].abs().total_cmp(&system[j][step].abs()))?;
        system.swap(step, pivot);
        let scale: f64 = system[step][step];
        if scale.abs() < 1e-12 * rows.len() as f64 || !scale.is_finite() {
            return None;
        }
        system[step].iter_mut().for_each(|value| *value /= scale);
        let reduced = system[step].clone();
        let (before, after) = system.split_at_mut(step);
        for row in before.iter_mut().chain(&mut after[1..]) {
            let factor = row[step];
            row.iter_mut()
                .zip(&reduced)
                .for_each(|(value, by)| *value -= factor * by);
        }
    }
    let mut fit = [0.0; 3];
    columns
        .iter()
        .zip(&system)
        .for_each(|(&column, row)| fit[column] = row[count]);
    Some(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: Constants = Constants {
        gradient_bytes: 1_000_000,
        step_seconds: 0.002,
        shard_seconds: 0.0005,
        row_seconds: 1e-5,
        seconds_per_byte: 2e-9,
    };
    const NETWORK: Network = Network {
        latency_seconds: 1e-5,
        bytes_per_second: 1e9,
    };

    fn measured(rows: usize, shards: usize, ranks: usize) -> Measured {
        let share = Share { rows, shards };
        Measured {
            share,
            ranks,
            seconds: MODEL.iteration(share, ranks, 1.0, Some(&NETWORK)),
            compute_seconds: 0.0,
            iterations: 1,
        }
    }

    #[test]
    fn an_iteration_is_the_largest_share_and_two_messages_a_level() {
        let share = Share { rows: 800, shards: 8 };
        let compute = |shards: f64| 0.002 + shards * (0.0005 + 100.0 * 1e-5);
        let level = 2.0 * (1e-5 + 1e-3) + 2e-3;
        for (ranks, shards, levels) in [(1, 8.0, 0.0), (2, 4.0, 1.0), (3, 3.0, 2.0), (8, 1.0, 3.0)] {
            let seconds = MODEL.iteration(share, ranks, 1.0, Some(&NETWORK));
            assert!(
                (seconds - compute(shards) - levels * level).abs() < 1e-12,
                "{ranks}: {seconds}"
            );
        }
        let alone = MODEL.iteration(share, 8, 2.0, None);
        assert!((alone - 2.0 * compute(1.0)).abs() < 1e-12);
    }

    #[test]
    fn constants_are_found_again() {
        let alone = [(800, 8), (800, 2), (800, 32), (200, 8)].map(|(rows, shards)| measured(rows, shards, 1));
        let fitted = Constants::of_compute(MODEL.gradient_bytes, &alone);
        let expected = Constants {
            seconds_per_byte: 0.0,
            ..MODEL
        };
        let close = |one: f64, other: f64| (one - other).abs() < 1e-6 * other;
        assert!(close(fitted.step_seconds, expected.step_seconds), "{fitted:?}");
        assert!(close(fitted.shard_seconds, expected.shard_seconds), "{fitted:?}");
        assert!(close(fitted.row_seconds, expected.row_seconds), "{fitted:?}");
        let handling = handling(&[(fitted, measured(800, 8, 2))], &NETWORK, &[1.0, 1.0]);
        assert!(close(handling, MODEL.seconds_per_byte), "{handling}");
    }

    #[test]
    fn no_constant_is_negative() {
        // More shards that take less time: the best line falls, the best possible one does not.
        let rows = [[1.0, 1.0, 100.0, 1.0], [1.0, 8.0, 100.0, 0.9], [1.0, 8.0, 50.0, 0.5]];
        let fit = non_negative(&rows);
        assert!(fit.iter().all(|value| *value >= 0.0), "{fit:?}");
        assert!(fit[2] > 0.0, "{fit:?}");
    }
}

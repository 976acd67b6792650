//! Runs in one process and in several, and what their iterations took.

use super::Subject;
use super::cost::Share;
use crate::error::{Result, StudyError};
use crate::program::Place;
use serde::Serialize;
use std::net::TcpListener;
use std::path::Path;
use std::time::Instant;

/// Iterations before the first that counts.
const WARM_UP: usize = 2;
/// Steps of a computation that keeps a core busy for some milliseconds.
const SPIN: u32 = 2_000_000;
/// How often it is timed.
const SPINS: usize = 40;

/// What a run took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Its batch.
    pub share: Share,
    /// Processes, of one thread each.
    pub ranks: usize,
    /// Seconds of an iteration: the first quartile over all that count.
    pub seconds: f64,
    /// Seconds until the last of the processes had computed its share, in the same way; of one process, of all.
    pub compute_seconds: f64,
    /// Iterations that count.
    pub iterations: usize,
}

/// Trains in so many processes of one thread each, which meet as those of `launch` do.
pub(super) fn run(place: &Place, subject: &Subject, share: Share, ranks: usize, iterations: usize) -> Result<Measured> {
    place.remove("run")?;
    let mut arguments = subject.arguments("run", share, iterations + WARM_UP);
    if ranks > 1 {
        // The port is free again when the listener is gone, and the first process takes it.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let address = address.map_err(StudyError::io("find a port of", Path::new("127.0.0.1")))?;
        let together = ["--meet", &address.to_string(), "--ranks", &ranks.to_string(), "--rank"];
        arguments.extend(together.map(String::from));
    }
    let lines: Vec<Vec<String>> = (0..ranks)
        .map(|rank| {
            let own = (ranks > 1).then(|| rank.to_string());
            arguments.iter().cloned().chain(own).collect()
        })
        .collect();
    let running = lines
        .iter()
        .map(|line| place.start_with_one_thread(line))
        .collect::<Result<Vec<_>>>()?;
    for (process, line) in running.into_iter().zip(&lines) {
        process.wait()?.require_success(line)?;
    }
    let metrics = ffjord_train::read_metrics(place.path("run/metrics.jsonl"))?;
    let lines = metrics.iter().filter(|line| line["kind"] == "train");
    let (mut clock, mut seconds, mut compute) = (0.0, Vec::new(), Vec::new());
    for line in lines {
        // Those of the whole training so far.
        let now = line["seconds"].as_f64().unwrap_or(clock);
        let each = line["seconds_processes"].as_array().into_iter().flatten();
        let longest = each.filter_map(serde_json::Value::as_f64).fold(f64::NAN, f64::max);
        seconds.push(now - clock);
        compute.push(if longest.is_nan() { now - clock } else { longest });
        clock = now;
    }
    let mut counting = seconds.split_off(WARM_UP.min(seconds.len()));
    let mut computing = compute.split_off(WARM_UP.min(compute.len()));
    Ok(Measured {
        share,
        ranks,
        seconds: first_quartile(&mut counting),
        compute_seconds: first_quartile(&mut computing),
        iterations: counting.len(),
    })
}

/// The first quartile: beside other programs, whose turns come and go, it tells more than the mean or the median. NaN of
/// nothing.
pub(super) fn first_quartile(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 4).copied().unwrap_or(f64::NAN)
}

/// How much longer each of 1, 2, … threads takes for the same computation when they compute at the same time.
pub(super) fn sharing(most: usize) -> Vec<f64> {
    let together = |threads: usize| {
        let mut seconds: Vec<f64> = std::thread::scope(|scope| {
            let started: Vec<_> = (0..threads).map(|_| scope.spawn(spins)).collect();
            started
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .flatten()
                .collect()
        });
        // The mean, because a process gets its core for longer than a spin at a time.
        seconds.drain(..).sum::<f64>() / (threads * SPINS) as f64
    };
    let alone = together(1);
    (1..=most)
        .map(|threads| if threads == 1 { 1.0 } else { together(threads) / alone })
        .collect()
}

fn spins() -> Vec<f64> {
    let spin = |_| {
        let clock = Instant::now();
        let sum = (0..SPIN).fold(1.0_f64, |sum, step| sum * 0.999_999 + f64::from(step));
        std::hint::black_box(sum);
        clock.elapsed().as_secs_f64()
    };
    (0..SPINS).map(spin).collect()
}

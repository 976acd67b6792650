//! The way between two processes on this machine.

use super::cost::{Network, non_negative};
use crate::error::{Result, StudyError};
use ffjord_train::{Communicator, TcpCommunicator, TrainError};
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// Lengths of messages, from one that is all latency to one that is all bandwidth.
const LENGTHS: [usize; 5] = [64, 4_096, 65_536, 1_048_576, 4_194_304];
const LIMIT: Duration = Duration::from_secs(60);

/// Latency and bandwidth of the loopback device: messages of several lengths go to and fro between two ends, as they do
/// between processes.
pub(super) fn loopback(messages: usize) -> Result<Network> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = listener.map_err(StudyError::io("find a port of", Path::new("127.0.0.1")))?;
    let address = address.to_string();
    let join = |rank| TcpCommunicator::join(&address, rank, 2, LIMIT);
    let seconds = std::thread::scope(|scope| {
        let echo = scope.spawn(|| echo(&join(1)?, messages));
        let timed = time(&join(0)?, messages);
        match echo.join() {
            Ok(echoed) => echoed.and(timed),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })?;
    let rows: Vec<[f64; 4]> = LENGTHS
        .iter()
        .zip(seconds)
        .map(|(length, seconds)| [1.0, *length as f64, 0.0, seconds])
        .collect();
    let [latency_seconds, seconds_per_byte, _] = non_negative(&rows);
    Ok(Network {
        latency_seconds,
        bytes_per_second: 1.0 / seconds_per_byte.max(f64::MIN_POSITIVE),
    })
}

/// Sends every message back.
fn echo(to: &TcpCommunicator, messages: usize) -> Result<(), TrainError> {
    for _ in 0..LENGTHS.len() * messages {
        to.send(0, &to.receive(0)?)?;
    }
    Ok(())
}

/// Seconds one way of each length, by its first quartile.
fn time(to: &TcpCommunicator, messages: usize) -> Result<Vec<f64>, TrainError> {
    LENGTHS
        .iter()
        .map(|&length| {
            let message = vec![1; length];
            let mut seconds = Vec::with_capacity(messages);
            for _ in 0..messages {
                let clock = Instant::now();
                to.send(1, &message)?;
                to.receive(1)?;
                seconds.push(0.5 * clock.elapsed().as_secs_f64());
            }
            Ok(super::measurement::first_quartile(&mut seconds))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_some_time_and_longer_ones_more() -> Result<()> {
        let network = loopback(20)?;
        assert!(
            network.bytes_per_second > 1e6 && network.bytes_per_second.is_finite(),
            "{network:?}"
        );
        assert!((0.0..0.1).contains(&network.latency_seconds), "{network:?}");
        Ok(())
    }
}

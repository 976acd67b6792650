//! Work on parts of a set of rows, dealt to processes.

use crate::error::Result;
use ffjord_train::{Communicator, TrainError, agree};

/// What `work` makes of each of so many parts, in their order, on every process; each process does every so many-th of
/// them. A part's numbers must not depend on the process that computes them.
///
/// # Errors
/// The failure of the first process that failed, on all of them.
pub(crate) fn dealt(
    communicator: &dyn Communicator,
    parts: usize,
    mut work: impl FnMut(usize) -> Result<Vec<f64>>,
) -> Result<Vec<Vec<f64>>> {
    let (rank, size) = (communicator.rank(), communicator.size());
    let own: Result<Vec<Vec<f64>>> = (rank..parts).step_by(size).map(&mut work).collect();
    if size == 1 {
        return own;
    }
    let (_, all) = agree(communicator, own, |own| to_bytes(own))?;
    let mut all = all
        .iter()
        .enumerate()
        .map(|(rank, bytes)| Ok(from_bytes(bytes).ok_or(lost(rank))?.into_iter()))
        .collect::<Result<Vec<_>>>()?;
    (0..parts)
        .map(|part| all[part % size].next().ok_or_else(|| lost(part % size).into()))
        .collect()
}

fn lost(rank: usize) -> TrainError {
    TrainError::LostProcess {
        rank,
        reason: "it has evaluated other rows".to_string(),
    }
}

/// Each list with its length before it.
fn to_bytes(lists: &[Vec<f64>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for list in lists {
        bytes.extend((list.len() as u64).to_le_bytes());
        bytes.extend(list.iter().flat_map(|number| number.to_le_bytes()));
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Vec<Vec<f64>>> {
    let (words, []) = bytes.as_chunks::<8>() else {
        return None;
    };
    let mut words = words.iter();
    let mut lists = Vec::new();
    while let Some(length) = words.next() {
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let list: Vec<f64> = words
            .by_ref()
            .take(length)
            .map(|word| f64::from_le_bytes(*word))
            .collect();
        (list.len() == length).then_some(())?;
        lists.push(list);
    }
    Some(lists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RunError;
    use ffjord_train::TcpCommunicator;
    use std::time::Duration;

    /// What every one of three processes, here threads, has of `parts` parts, the fourth of which may fail.
    fn in_three(parts: usize, fails: bool) -> Vec<Result<Vec<Vec<f64>>, String>> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .map_or_else(|error| error.to_string(), |address| address.to_string());
        let process = |rank| {
            let communicator = TcpCommunicator::join(&address, rank, 3, Duration::from_secs(60));
            let work = |part: usize| match part {
                3 if fails => Err(RunError::Setting {
                    setting: "part".to_string(),
                    reason: "no".to_string(),
                }),
                part => Ok(vec![part as f64, f64::NAN][..1 + part % 2].to_vec()),
            };
            let outcome = communicator.map_err(RunError::from);
            outcome
                .and_then(|communicator| dealt(&communicator, parts, work))
                .map_err(|error| error.to_string())
        };
        let process = &process;
        std::thread::scope(|scope| {
            let handles: Vec<_> = (0..3).map(|rank| scope.spawn(move || process(rank))).collect();
            let panicked = |_| Err("panicked".to_string());
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(panicked))
                .collect()
        })
    }

    #[test]
    fn parts_come_back_in_order_and_a_failure_is_known_to_all() {
        for parts in [0, 1, 3, 7] {
            let all = in_three(parts, false);
            let bits = |lists: &Vec<Vec<f64>>| -> Vec<Vec<u64>> {
                let of = |list: &Vec<f64>| list.iter().map(|number| number.to_bits()).collect();
                lists.iter().map(of).collect()
            };
            let expected: Vec<Vec<f64>> = (0..parts)
                .map(|part| vec![part as f64, f64::NAN][..1 + part % 2].to_vec())
                .collect();
            assert!(
                all.iter().all(|own| own.as_ref().map(bits) == Ok(bits(&expected))),
                "{all:?}"
            );
        }
        let failed = in_three(7, true);
        assert!(
            failed
                .iter()
                .all(|own| own.as_ref().is_err_and(|error| error.contains("part"))),
            "{failed:?}"
        );
    }
}

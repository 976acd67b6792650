//! Processes that train one model together: what they say to each other, and how it travels.

mod deal;
mod message;
mod tcp;

pub(crate) use deal::{Deal, Node};
pub(crate) use message::{Reader, Writer};
pub use tcp::TcpCommunicator;

use crate::error::{Result, TrainError};
use std::fmt::Debug;

/// One of the processes that train, evaluate or sample together, and its way to the others.
///
/// Two methods carry bytes from one process to another; the others are made of them, in an order of messages that all
/// processes share, so that sending may wait for the receiver. Every process makes the same calls in the same order.
///
/// ```
/// use ffjord_train::{Alone, Communicator};
///
/// assert_eq!((Alone.rank(), Alone.size()), (0, 1));
/// assert_eq!(Alone.gather(b"mine".to_vec())?, [b"mine"]);
/// # Ok::<(), ffjord_train::TrainError>(())
/// ```
///
/// Two methods carry bytes in one of your own, here between threads:
///
/// ```
/// use ffjord_train::{Communicator, TrainError};
/// use std::sync::{Mutex, mpsc};
///
/// #[derive(Debug)]
/// struct Channel { rank: usize, to: mpsc::Sender<Vec<u8>>, from: Mutex<mpsc::Receiver<Vec<u8>>> }
///
/// impl Channel {
///     fn lost<E: std::fmt::Display>(&self, error: E) -> TrainError {
///         TrainError::LostProcess { rank: 1 - self.rank, reason: error.to_string() }
///     }
/// }
///
/// impl Communicator for Channel {
///     fn rank(&self) -> usize { self.rank }
///     fn size(&self) -> usize { 2 }
///     fn send(&self, _to: usize, message: &[u8]) -> Result<(), TrainError> {
///         self.to.send(message.to_vec()).map_err(|error| self.lost(error))
///     }
///     fn receive(&self, _from: usize) -> Result<Vec<u8>, TrainError> {
///         let from = self.from.lock().map_err(|error| self.lost(error))?;
///         from.recv().map_err(|error| self.lost(error))
///     }
/// }
///
/// let ((a, from_a), (b, from_b)) = (mpsc::channel(), mpsc::channel());
/// let zero = Channel { rank: 0, to: a, from: Mutex::new(from_b) };
/// let one = Channel { rank: 1, to: b, from: Mutex::new(from_a) };
/// let other = std::thread::spawn(move || one.broadcast(Vec::new()));
/// zero.broadcast(b"settings".to_vec())?;
/// assert_eq!(other.join().map_err(|_| "the other thread panicked")??, b"settings");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Communicator: Debug {
    /// The number of this process, from 0; process 0 writes the files and says what happens.
    fn rank(&self) -> usize;

    /// The number of processes, at least 1.
    fn size(&self) -> usize;

    /// Sends a message to another process; it may wait until that process receives it.
    ///
    /// # Errors
    /// [`TrainError::LostProcess`] if the other one is gone, or does not receive within the time limit.
    fn send(&self, to: usize, message: &[u8]) -> Result<()>;

    /// The next message of another process.
    ///
    /// # Errors
    /// [`TrainError::LostProcess`] if the other one is gone, or sends nothing within the time limit.
    fn receive(&self, from: usize) -> Result<Vec<u8>>;

    /// The message of process 0, on every process; what the others give is not looked at. It passes through a binomial
    /// tree, in log₂ of the number of processes rounds.
    ///
    /// # Errors
    /// [`TrainError::LostProcess`].
    fn broadcast(&self, message: Vec<u8>) -> Result<Vec<u8>> {
        let (rank, size) = (self.rank(), self.size());
        let message = match parent(rank) {
            Some(parent) => self.receive(parent)?,
            None => message,
        };
        children(rank, size).try_for_each(|child| self.send(child, &message))?;
        Ok(message)
    }

    /// The messages of all processes in their order, on every process.
    ///
    /// # Errors
    /// [`TrainError::LostProcess`].
    fn gather(&self, message: Vec<u8>) -> Result<Vec<Vec<u8>>> {
        let (rank, size) = (self.rank(), self.size());
        let mut all = vec![(rank, message)];
        let children: Vec<usize> = children(rank, size).collect();
        for child in children.into_iter().rev() {
            all.extend(message::numbered(&self.receive(child)?).ok_or_else(|| not_understood(child))?);
        }
        all.sort_by_key(|(rank, _)| *rank);
        let joined = message::joined(&all);
        if let Some(parent) = parent(rank) {
            self.send(parent, &joined)?;
        }
        let all = message::numbered(&self.broadcast(joined)?).ok_or_else(|| not_understood(0))?;
        Ok(all.into_iter().map(|(_, message)| message).collect())
    }
}

/// A process by itself: the trainer's communicator unless it is given another.
///
/// ```
/// use ffjord_train::{Alone, Communicator};
/// assert_eq!(Alone.broadcast(b"mine".to_vec())?, b"mine");
/// // There is nobody to send to.
/// assert!(Alone.send(1, b"mine").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Communicator for Alone {
    fn rank(&self) -> usize {
        0
    }

    fn size(&self) -> usize {
        1
    }

    fn send(&self, to: usize, _message: &[u8]) -> Result<()> {
        Err(no_such(to))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        Err(no_such(from))
    }
}

fn no_such(rank: usize) -> TrainError {
    TrainError::LostProcess {
        rank,
        reason: "there is none of this number".to_string(),
    }
}

/// Whether something went well on all processes: what it came to here, with what each process has to show for it in
/// their order; or the failure of the first process that failed, on all of them alike.
///
/// ```
/// use ffjord_train::{Alone, TrainError, agree};
/// let (rows, shown) = agree(&Alone, Ok::<usize, TrainError>(100), |rows| rows.to_string().into_bytes())?;
/// assert_eq!((rows, shown), (100, vec![b"100".to_vec()]));
/// let failed = agree(&Alone, Err::<usize, _>(TrainError::EmptyBatch), |_| Vec::new());
/// assert!(matches!(failed, Err(TrainError::EmptyBatch)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// This process's own failure if it is the first, [`TrainError::Agreed`] for that of another, and
/// [`TrainError::LostProcess`].
pub fn agree<T, E: std::fmt::Display + From<TrainError>>(
    communicator: &dyn Communicator,
    outcome: Result<T, E>,
    show: impl FnOnce(&T) -> Vec<u8>,
) -> Result<(T, Vec<Vec<u8>>), E> {
    let mut message = Writer::default();
    match &outcome {
        Ok(value) => message.byte(0).bytes(&show(value)),
        Err(error) => message.byte(1).bytes(error.to_string().as_bytes()),
    };
    let all = communicator.gather(message.finish())?;
    let mut shown = Vec::with_capacity(all.len());
    for (rank, message) in all.iter().enumerate() {
        let mut reader = Reader::new(message);
        match (reader.byte(), reader.bytes()) {
            (Some(0), Some(bytes)) => shown.push(bytes.to_vec()),
            (Some(_), Some(_)) if rank == communicator.rank() => break,
            (Some(_), Some(bytes)) => {
                let cause = format!("process {rank}: {}", String::from_utf8_lossy(bytes));
                return Err(TrainError::Agreed { cause, ends: true }.into());
            }
            _ => return Err(not_understood(rank).into()),
        }
    }
    Ok((outcome?, shown))
}

/// Every process showed something that must be the same on all.
///
/// # Errors
/// [`TrainError::Diverged`] names the first that differs from process 0.
pub(crate) fn require_same(shown: &[Vec<u8>], what: &'static str) -> Result<()> {
    match shown.iter().position(|other| *other != shown[0]) {
        Some(rank) => Err(TrainError::Diverged { rank, what }),
        None => Ok(()),
    }
}

pub(crate) fn not_understood(rank: usize) -> TrainError {
    TrainError::LostProcess {
        rank,
        reason: "its message is not understood: is it the same program?".to_string(),
    }
}

/// The process from which another one hears a broadcast: its own number without the highest bit.
fn parent(rank: usize) -> Option<usize> {
    rank.checked_ilog2().map(|highest| rank - (1 << highest))
}

/// The processes that hear a broadcast from this one, in the order of the rounds.
fn children(rank: usize, size: usize) -> impl Iterator<Item = usize> {
    let first = rank.checked_ilog2().map_or(0, |highest| highest + 1);
    (first..usize::BITS)
        .map(move |bit| rank + (1 << bit))
        .take_while(move |child| *child < size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_hears_a_broadcast_once_after_whoever_tells_it() {
        for size in 1..70 {
            let mut told = vec![false; size];
            told[0] = true;
            // Parents have lower numbers.
            for rank in 0..size {
                assert!(told[rank]);
                for child in children(rank, size) {
                    assert_eq!(parent(child), Some(rank));
                    assert!(!std::mem::replace(&mut told[child], true));
                }
            }
            assert!(told.into_iter().all(|told| told));
        }
    }
}

#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use ctrlc as _;
use ffjord_train::{Communicator, TrainError};
use mpi::environment::Universe;
use mpi::request::scope;
use mpi::topology::{Process, SimpleCommunicator};
use mpi::traits::{Communicator as _, Destination, Equivalence, Source};
use mpi::{Rank, Threading};
use std::fmt;
use std::io::Write;
use std::time::{Duration, Instant};

/// The tag of every message; their order says which is which.
const TAG: i32 = 1;
/// MPI counts bytes in 32 bits: longer messages go in pieces of this length, up to the first that is shorter.
const PIECE: usize = 1 << 30;
/// So many looks without a pause, for answers that are on their way.
const EAGER_LOOKS: u32 = 2000;
/// Between two looks after these. The library's own waiting would keep a core busy as long as another process computes.
const PAUSE: Duration = Duration::from_micros(50);

/// The processes of `MPI_COMM_WORLD`.
///
/// All calls come from the thread that made it (`MPI_THREAD_FUNNELED`).
pub struct MpiCommunicator {
    world: SimpleCommunicator,
    limit: Duration,
    /// Ends MPI when it is dropped, after everything else.
    _universe: Universe,
}

impl fmt::Debug for MpiCommunicator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("MpiCommunicator")
            .field("rank", &self.world.rank())
            .field("size", &self.world.size())
            .field("limit", &self.limit)
            .finish()
    }
}

impl MpiCommunicator {
    /// Starts MPI, once in a process; `limit` is how long a process may stay silent while another waits for it.
    ///
    /// # Errors
    /// [`TrainError::Meeting`] if MPI has been started before.
    pub fn start(limit: Duration) -> Result<Self, TrainError> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled).ok_or_else(|| TrainError::Meeting {
            address: "MPI_COMM_WORLD".to_string(),
            reason: "MPI has been started in this process before".to_string(),
        })?;
        Ok(Self {
            world: universe.world(),
            limit,
            _universe: universe,
        })
    }

    /// Ends all processes at once: after a failure of this one, the others would wait for it.
    pub fn abort(&self) -> ! {
        self.world.abort(1)
    }

    fn process(&self, rank: usize) -> Result<Process<'_>, TrainError> {
        let number = Rank::try_from(rank).ok().filter(|number| *number < self.world.size());
        number
            .map(|number| self.world.process_at_rank(number))
            .ok_or_else(|| TrainError::LostProcess {
                rank,
                reason: "there is none of this number".to_string(),
            })
    }

    fn silent(&self, rank: usize) -> TrainError {
        TrainError::LostProcess {
            rank,
            reason: format!("silent for {:?}", self.limit),
        }
    }
}

impl Communicator for MpiCommunicator {
    fn rank(&self) -> usize {
        usize::try_from(self.world.rank()).unwrap_or(0)
    }

    fn size(&self) -> usize {
        usize::try_from(self.world.size()).unwrap_or(1)
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<(), TrainError> {
        let process = self.process(to)?;
        let empty: &[u8] = &[];
        let last = message.len().is_multiple_of(PIECE).then_some(empty);
        message.chunks(PIECE).chain(last).try_for_each(|piece| {
            scope(|scope| {
                let mut wait = Wait::new(self.limit);
                let mut request = process.immediate_send_with_tag(scope, piece, TAG);
                loop {
                    request = match request.test() {
                        Ok(_) => return Ok(()),
                        Err(request) => request,
                    };
                    if !wait.goes_on() {
                        // A request that is dropped before it is complete ends the program.
                        let _ = writeln!(std::io::stderr(), "error: {}", self.silent(to));
                        self.abort();
                    }
                }
            })
        })
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>, TrainError> {
        let process = self.process(from)?;
        let mut all = Vec::new();
        loop {
            let mut wait = Wait::new(self.limit);
            let (message, status) = loop {
                if let Some(found) = process.immediate_matched_probe_with_tag(TAG) {
                    break found;
                }
                if !wait.goes_on() {
                    return Err(self.silent(from));
                }
            };
            let length = usize::try_from(status.count(u8::equivalent_datatype())).unwrap_or(0);
            let start = all.len();
            all.resize(start + length, 0);
            message.matched_receive_into(&mut all[start..]);
            if length < PIECE {
                return Ok(all);
            }
        }
    }
}

/// Looks again and again, ever less often, until a time limit.
struct Wait {
    deadline: Instant,
    looks: u32,
}

impl Wait {
    fn new(limit: Duration) -> Self {
        Self {
            deadline: Instant::now() + limit,
            looks: 0,
        }
    }

    /// Whether to look again, after a pause.
    fn goes_on(&mut self) -> bool {
        self.looks = self.looks.saturating_add(1);
        if self.looks < EAGER_LOOKS {
            std::thread::yield_now();
        } else {
            std::thread::sleep(PAUSE);
        }
        Instant::now() < self.deadline
    }
}

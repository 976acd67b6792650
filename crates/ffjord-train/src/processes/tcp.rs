//! Processes that speak over TCP: on one machine, or on several without MPI.

use super::message::{Reader, Writer};
use super::{Communicator, not_understood};
use crate::error::{Result, TrainError};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// What a connection of this program begins with; one that begins otherwise is closed.
const GREETING: &[u8] = b"ffjord-processes-1";
/// How long a connection may take to greet: a stranger must not keep the processes from meeting.
const GREETING_LIMIT: Duration = Duration::from_secs(5);
/// Between two looks at who has come.
const PAUSE: Duration = Duration::from_millis(5);
/// The longest greeting and the longest address.
const SHORT: u64 = 256;

/// One of several processes, each connected with each over TCP.
///
/// The connections are neither encrypted nor authenticated: they are for one machine, or for a cluster's own network.
///
/// ```
/// use ffjord_train::{Communicator, TcpCommunicator};
/// use std::time::Duration;
///
/// // Threads stand in for processes; a port is free once the listener that found it is gone.
/// let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
/// let said = std::thread::scope(|scope| {
///     let join = |rank| TcpCommunicator::join(&address, rank, 2, Duration::from_secs(20));
///     let other = scope.spawn(move || join(1)?.gather(b"one".to_vec()));
///     let own = join(0)?.gather(b"zero".to_vec());
///     assert_eq!(own.as_deref().ok(), other.join().ok().and_then(Result::ok).as_deref());
///     own
/// })?;
/// assert_eq!(said, [&b"zero"[..], &b"one"[..]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TcpCommunicator {
    rank: usize,
    /// The connections by the number of the other process; none to itself.
    peers: Vec<Option<TcpStream>>,
    limit: Duration,
}

impl TcpCommunicator {
    /// Meets the other processes at an address `HOST:PORT`, where process 0 waits for them. `limit` is how long the
    /// meeting may take, and later how long a process may stay silent while another waits for it.
    ///
    /// # Errors
    /// [`TrainError::Meeting`] if a number is none of `0..size`, the address cannot be used, or not all come in time.
    pub fn join(address: &str, rank: usize, size: usize, limit: Duration) -> Result<Self> {
        let failed = |reason: String| TrainError::Meeting {
            address: address.to_string(),
            reason,
        };
        if rank >= size {
            return Err(failed(format!(
                "there is no process {rank} of {size}; numbers begin at 0"
            )));
        }
        if limit.is_zero() {
            return Err(failed("a time limit of 0 s lets nobody come".to_string()));
        }
        let mut meeting = Meeting {
            rank,
            size,
            deadline: Instant::now() + limit,
            peers: (0..size).map(|_| None).collect(),
        };
        match rank {
            0 if size == 1 => Ok(()),
            0 => meeting.wait_for_all(address),
            _ => meeting.come(address),
        }
        .map_err(|error| failed(error.to_string()))?;
        for stream in meeting.peers.iter().flatten() {
            stream
                .set_nodelay(true)
                .and_then(|()| stream.set_read_timeout(Some(limit)))
                .and_then(|()| stream.set_write_timeout(Some(limit)))
                .map_err(|error| failed(error.to_string()))?;
        }
        Ok(Self {
            rank,
            peers: meeting.peers,
            limit,
        })
    }

    fn peer(&self, rank: usize) -> Result<&TcpStream> {
        self.peers
            .get(rank)
            .and_then(Option::as_ref)
            .ok_or_else(|| super::no_such(rank))
    }

    fn lost(&self, rank: usize, error: &io::Error) -> TrainError {
        let reason = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("silent for {:?}", self.limit),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "it has ended".to_string()
            }
            _ => error.to_string(),
        };
        TrainError::LostProcess { rank, reason }
    }
}

impl Communicator for TcpCommunicator {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.peers.len()
    }

    fn send(&self, to: usize, message: &[u8]) -> Result<()> {
        let mut stream = self.peer(to)?;
        write_frame(&mut stream, message).map_err(|error| self.lost(to, &error))
    }

    fn receive(&self, from: usize) -> Result<Vec<u8>> {
        let mut stream = self.peer(from)?;
        read_frame(&mut stream, u64::MAX)
            .map_err(|error| self.lost(from, &error))?
            .ok_or_else(|| not_understood(from))
    }
}

fn write_frame(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    stream.write_all(&(message.len() as u64).to_le_bytes())?;
    stream.write_all(message)
}

/// A message; nothing if it claims to be longer than it may be.
fn read_frame(stream: &mut impl Read, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    stream.read_exact(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > longest {
        return Ok(None);
    }
    // Memory is taken as bytes arrive, whatever the length says.
    let mut message = Vec::new();
    stream.take(length).read_to_end(&mut message)?;
    match message.len() as u64 == length {
        true => Ok(Some(message)),
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Processes on their way to each other.
struct Meeting {
    rank: usize,
    size: usize,
    deadline: Instant,
    peers: Vec<Option<TcpStream>>,
}

impl Meeting {
    /// Process 0: everyone comes and is told where the others can be reached.
    fn wait_for_all(&mut self, address: &str) -> io::Result<()> {
        let listener = TcpListener::bind(address)?;
        let mut table = vec![String::new(); self.size];
        for _ in 1..self.size {
            let (rank, reachable) = self.accept(&listener)?;
            table[rank] = reachable;
        }
        let mut message = Writer::default();
        table.iter().for_each(|reachable| {
            message.bytes(reachable.as_bytes());
        });
        let message = message.finish();
        self.peers
            .iter_mut()
            .flatten()
            .try_for_each(|stream| write_frame(stream, &message))
    }

    /// Another process: it goes to process 0 and to those of lower numbers, and waits for those of higher ones.
    fn come(&mut self, address: &str) -> io::Result<()> {
        let mut first = self.connect(address)?;
        let listener = TcpListener::bind((first.local_addr()?.ip(), 0))?;
        self.greet(&mut first, listener.local_addr()?)?;
        first.set_read_timeout(Some(self.left()?))?;
        let longest = self.size as u64 * SHORT;
        let table = read_frame(&mut first, longest)?.ok_or_else(|| io::Error::other("process 0 is another program"))?;
        self.peers[0] = Some(first);
        let mut reader = Reader::new(&table);
        for rank in 0..self.rank {
            let reachable = reader
                .text()
                .ok_or_else(|| io::Error::other("process 0 is another program"))?;
            if rank > 0 {
                let mut stream = self.connect(&reachable)?;
                self.greet(&mut stream, listener.local_addr()?)?;
                self.peers[rank] = Some(stream);
            }
        }
        for _ in self.rank + 1..self.size {
            self.accept(&listener)?;
        }
        Ok(())
    }

    /// The time that is left.
    fn left(&self) -> io::Result<Duration> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::Error::other(self.missing())),
            left => Ok(left),
        }
    }

    fn missing(&self) -> String {
        let missing = self.peers.iter().enumerate();
        let missing = missing.filter(|(rank, peer)| *rank != self.rank && peer.is_none());
        let missing: Vec<String> = missing.map(|(rank, _)| rank.to_string()).collect();
        format!("not there in time: process {}", missing.join(", "))
    }

    /// A connection to an address at which nobody may wait yet.
    fn connect(&self, address: &str) -> io::Result<TcpStream> {
        loop {
            let left = self.left()?;
            let mut places = address.to_socket_addrs()?;
            match places.find_map(|place| TcpStream::connect_timeout(&place, left).ok()) {
                Some(stream) => return Ok(stream),
                None => std::thread::sleep(PAUSE),
            }
        }
    }

    fn greet(&self, stream: &mut TcpStream, reachable: SocketAddr) -> io::Result<()> {
        let mut message = Writer::default();
        message.bytes(GREETING).number(self.rank).number(self.size);
        message.number(usize::from(reachable.port()));
        write_frame(stream, &message.finish())
    }

    /// Waits for one more process, and says which it is and where it can be reached.
    fn accept(&mut self, listener: &TcpListener) -> io::Result<(usize, String)> {
        listener.set_nonblocking(true)?;
        loop {
            let left = self.left()?;
            let (mut stream, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(false)?;
            stream.set_read_timeout(Some(left.min(GREETING_LIMIT)))?;
            let Some((rank, size, port)) = greeting(&mut stream) else {
                continue;
            };
            if size != self.size {
                let own = self.size;
                return Err(io::Error::other(format!(
                    "process {rank} is one of {size}, this one of {own}"
                )));
            }
            if rank <= self.rank || rank >= size || self.peers[rank].is_some() {
                return Err(io::Error::other(format!("there are two processes {rank}")));
            }
            self.peers[rank] = Some(stream);
            return Ok((rank, SocketAddr::new(address.ip(), port).to_string()));
        }
    }
}

/// Number, size and port of a process that greets; nothing of a stranger.
fn greeting(stream: &mut TcpStream) -> Option<(usize, usize, u16)> {
    let message = read_frame(stream, SHORT).ok()??;
    let mut reader = Reader::new(&message);
    (reader.bytes()? == GREETING).then_some(())?;
    Some((reader.number()?, reader.number()?, reader.number()?.try_into().ok()?))
}

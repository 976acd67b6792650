//! TensorFlow's `Event` message in the encoding of protocol buffers, as far as scalars need it
//! (tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto).

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// Fields of `Event`.
const WALL_TIME: u64 = 1;
const STEP: u64 = 2;
const FILE_VERSION: u64 = 3;
const SUMMARY: u64 = 5;
const SESSION_LOG: u64 = 7;
/// Fields of `Summary`, `Summary.Value` and `SessionLog`.
const VALUE: u64 = 1;
const TAG: u64 = 1;
const SIMPLE_VALUE: u64 = 2;
const STATUS: u64 = 1;
const START: u64 = 1;

/// An event but for the time that it is written at.
#[derive(Debug, Default)]
pub(super) struct Event {
    step: u64,
    what: Option<(u64, Vec<u8>)>,
}

impl Event {
    /// What every file begins with.
    pub fn version() -> Self {
        Self {
            step: 0,
            what: Some((FILE_VERSION, b"brain.Event:2".to_vec())),
        }
    }

    /// A program begins to write; what was written of this step and later ones before is void.
    pub fn session_start(step: u64) -> Self {
        let mut log = Vec::new();
        key(&mut log, STATUS, VARINT);
        varint(&mut log, START);
        Self {
            step,
            what: Some((SESSION_LOG, log)),
        }
    }

    /// Scalars of a step, none yet.
    pub fn scalars(step: u64) -> Self {
        Self {
            step,
            what: Some((SUMMARY, Vec::new())),
        }
    }

    /// Adds a scalar.
    pub fn scalar(&mut self, tag: &str, value: f64) {
        let mut message = Vec::new();
        bytes(&mut message, TAG, tag.as_bytes());
        key(&mut message, SIMPLE_VALUE, FIXED_32);
        message.extend_from_slice(&(value as f32).to_le_bytes());
        if let Some((_, summary)) = &mut self.what {
            bytes(summary, VALUE, &message);
        }
    }

    /// The message.
    pub fn encoded(&self, wall_time: f64) -> Vec<u8> {
        let mut message = Vec::new();
        key(&mut message, WALL_TIME, FIXED_64);
        message.extend_from_slice(&wall_time.to_le_bytes());
        key(&mut message, STEP, VARINT);
        varint(&mut message, self.step);
        if let Some((field, contents)) = &self.what {
            bytes(&mut message, *field, contents);
        }
        message
    }
}

/// The step of a message, 0 where it says none; nothing where it is no message.
pub(super) fn step(mut message: &[u8]) -> Option<u64> {
    let mut step = 0;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        let skipped = match key & 7 {
            VARINT => {
                let value = take_varint(&mut message)?;
                if key >> 3 == STEP {
                    step = value;
                }
                0
            }
            FIXED_64 => 8,
            FIXED_32 => 4,
            BYTES => usize::try_from(take_varint(&mut message)?).ok()?,
            _ => return None,
        };
        message = message.get(skipped..)?;
    }
    Some(step)
}

fn key(message: &mut Vec<u8>, field: u64, kind: u64) {
    varint(message, field << 3 | kind);
}

fn bytes(message: &mut Vec<u8>, field: u64, contents: &[u8]) {
    key(message, field, BYTES);
    varint(message, contents.len() as u64);
    message.extend_from_slice(contents);
}

fn varint(message: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        message.push(value as u8 | 0x80);
        value >>= 7;
    }
    message.push(value as u8);
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = message.split_first()?;
        *message = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

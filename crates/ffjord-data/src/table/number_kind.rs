//! The numbers of an array, as numpy names and stores them.

use super::HeaderError;

/// The element type of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    Float { width: usize, big_endian: bool },
    Signed { width: usize, big_endian: bool },
    Unsigned { width: usize, big_endian: bool },
}

impl NumberKind {
    /// Whether numbers are whole and from 0 to 255, as numpy keeps pictures.
    #[cfg(feature = "image")]
    pub(super) fn is_byte(self) -> bool {
        matches!(self, Self::Unsigned { width: 1, .. })
    }

    pub(super) fn parse(given: &str) -> Result<Self, HeaderError> {
        let rest = given.trim_start_matches(['<', '>', '|', '=']);
        let big_endian = given.starts_with('>');
        match (rest.get(..1), rest.get(1..).and_then(|width| width.parse().ok())) {
            // Booleans are bytes.
            (Some("b"), Some(width @ 1)) => Ok(Self::Unsigned { width, big_endian }),
            (Some("f"), Some(width @ (2 | 4 | 8))) => Ok(Self::Float { width, big_endian }),
            (Some("i"), Some(width @ (1 | 2 | 4 | 8))) => Ok(Self::Signed { width, big_endian }),
            (Some("u"), Some(width @ (1 | 2 | 4 | 8))) => Ok(Self::Unsigned { width, big_endian }),
            _ => Err(HeaderError::ElementType {
                given: given.to_owned(),
            }),
        }
    }

    /// Bytes an element takes, at most 8.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Float { width, .. } | Self::Signed { width, .. } | Self::Unsigned { width, .. } => width,
        }
    }

    /// The number in `bytes`, of which there are [`width`](Self::width).
    pub(super) fn decode(self, bytes: &[u8]) -> f64 {
        let bits = |big_endian: bool| {
            let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
            if big_endian {
                bytes.iter().fold(0, join)
            } else {
                bytes.iter().rev().fold(0, join)
            }
        };
        match self {
            Self::Float { width: 2, big_endian } => half(bits(big_endian) as u16),
            Self::Float { width: 4, big_endian } => f64::from(f32::from_bits(bits(big_endian) as u32)),
            Self::Float { big_endian, .. } => f64::from_bits(bits(big_endian)),
            Self::Signed { width, big_endian } => {
                let unused = 64 - 8 * width as u32;
                ((bits(big_endian) << unused) as i64 >> unused) as f64
            }
            Self::Unsigned { big_endian, .. } => bits(big_endian) as f64,
        }
    }
}

/// The number that 16 bits of IEEE 754 stand for; all of them are numbers of double precision.
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => sign * f64::INFINITY,
        31 => f64::NAN,
        _ => sign * (1024.0 + fraction) * 2_f64.powi(exponent - 25),
    }
}

//! The header of a `.npy` file: magic bytes, version, and a Python literal such as
//! `{'descr': '<f8', 'fortran_order': False, 'shape': (3, 4), }`.

use std::io::{self, Read};

use thiserror::Error;

use super::number_kind::NumberKind;
use crate::{Element, Matrix};

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// numpy's own bound on the text of a header.
const MAX_TEXT: usize = 10_000;

/// Why the header of an array is not understood.
///
/// ```
/// use ffjord_data::{DataError, table::{self, HeaderError, LoadOptions, NpyError}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("points.npy");
/// std::fs::write(&path, "1,2\n3,4\n")?;
/// let refused = table::load(&path, &LoadOptions::default()).unwrap_err();
/// assert!(matches!(&refused, DataError::Npy { error: NpyError::Header(HeaderError::Magic), .. }));
/// assert!(refused.to_string().contains("write it with numpy.save or savez"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The first bytes are not numpy's.
    #[error("not a .npy array: it does not start with numpy's magic bytes; write it with numpy.save or savez")]
    Magic,
    /// The file ends within its header.
    #[error("the file ends within the header: it is damaged or incomplete")]
    Truncated,
    /// A version of the format that does not exist yet.
    #[error("version {major}.{minor} of the .npy format is unknown: versions 1.0, 2.0 and 3.0 can be read")]
    Version {
        /// Major version in the file.
        major: u8,
        /// Minor version in the file.
        minor: u8,
    },
    /// The header claims to be longer than numpy would accept.
    #[error("the header claims {length} bytes of text, more than the {MAX_TEXT} accepted: the file is damaged")]
    TooLong {
        /// The length claimed.
        length: usize,
    },
    /// The header's text is not the expected Python literal.
    #[error("the header is malformed at its byte {position}: expected {expected}")]
    Syntax {
        /// Offset in the header's text.
        position: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// The elements are not plain numbers.
    #[error(
        "elements of type {given:?} cannot be read: convert the array to float64 first; \
         accepted are b1, f2, f4, f8, i1 to i8 and u1 to u8 in either byte order"
    )]
    ElementType {
        /// numpy's type string.
        given: String,
    },
    /// The elements are records of several fields.
    #[error(
        "this is a structured array{}: convert it with \
         numpy.lib.recfunctions.structured_to_unstructured(array, dtype=float) and save that",
        fields(names)
    )]
    Structured {
        /// The names of its fields, where they can be read.
        names: Vec<String>,
    },
    /// The operating system or the decompressor refused to read.
    #[error("cannot read the header: {0}")]
    Read(io::Error),
}

fn fields(names: &[String]) -> String {
    match names {
        [] => String::new(),
        names => format!(" with the fields {}", names.join(", ")),
    }
}

/// What a header says, and how long it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: NumberKind,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
    /// Bytes before the first element.
    pub(super) bytes: u64,
}

impl Header {
    pub(super) fn read(reader: &mut impl Read) -> Result<Self, HeaderError> {
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => HeaderError::Magic,
            _ => HeaderError::Read(error),
        })?;
        let [magic @ .., major, minor] = start;
        if &magic != MAGIC {
            return Err(HeaderError::Magic);
        }
        let (length, prefix) = match (major, minor) {
            (1, 0) => (u16::from_le_bytes(read_array(reader)?) as usize, 10),
            (2 | 3, 0) => (u32::from_le_bytes(read_array(reader)?) as usize, 12),
            _ => return Err(HeaderError::Version { major, minor }),
        };
        if length > MAX_TEXT {
            return Err(HeaderError::TooLong { length });
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(ended)?;
        let mut literal = Literal {
            text: &text,
            position: 0,
        };
        let header = literal.header()?;
        Ok(Self {
            bytes: (prefix + length) as u64,
            ..header
        })
    }

    /// The header of a matrix in its own precision.
    pub(super) fn of_matrix<T: Element>(matrix: &Matrix<T>) -> Self {
        let kind = NumberKind::Float {
            width: size_of::<T>(),
            big_endian: false,
        };
        let shape = vec![matrix.rows() as u64, matrix.columns() as u64];
        Self {
            kind,
            fortran_order: false,
            shape,
            bytes: 0,
        }
    }

    /// Version 1.0, padded so that the elements start at a multiple of 64 bytes as the format asks.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let shape: String = self.shape.iter().map(|size| format!("{size}, ")).collect();
        let width = self.kind.width();
        let mut text = format!("{{'descr': '<f{width}', 'fortran_order': False, 'shape': ({shape}), }}");
        let unpadded = 10 + text.len() + 1;
        text.push_str(&" ".repeat(unpadded.next_multiple_of(64) - unpadded));
        text.push('\n');
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((text.len() as u16).to_le_bytes());
        bytes.extend(text.into_bytes());
        bytes
    }
}

fn read_array<const N: usize>(reader: &mut impl Read) -> Result<[u8; N], HeaderError> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(ended)?;
    Ok(bytes)
}

fn ended(error: io::Error) -> HeaderError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => HeaderError::Truncated,
        _ => HeaderError::Read(error),
    }
}

/// A cursor over the header's text. Nothing nests, so nothing recurses.
struct Literal<'a> {
    text: &'a [u8],
    position: usize,
}

impl<'a> Literal<'a> {
    fn header(&mut self) -> Result<Header, HeaderError> {
        let (mut kind, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{', "'{'")?;
        while !self.accept(b'}') {
            let key = self.string()?;
            self.expect(b':', "':'")?;
            match key {
                b"descr" if self.accept(b'[') => return Err(self.structured()),
                b"descr" => kind = Some(NumberKind::parse(&String::from_utf8_lossy(self.string()?))?),
                b"fortran_order" => fortran_order = Some(self.boolean()?),
                b"shape" => shape = Some(self.tuple()?),
                _ => return Err(self.syntax("one of the keys descr, fortran_order and shape")),
            }
            if !self.accept(b',') {
                self.expect(b'}', "',' or '}'")?;
                break;
            }
        }
        match (kind, fortran_order, shape) {
            (Some(kind), Some(fortran_order), Some(shape)) => Ok(Header {
                kind,
                fortran_order,
                shape,
                bytes: 0,
            }),
            _ => Err(self.syntax("all of the keys descr, fortran_order and shape")),
        }
    }

    /// The names of a structured array's fields: the first string of every parenthesis that is not within another one.
    fn structured(&mut self) -> HeaderError {
        let mut names = Vec::new();
        while self.accept(b'(') {
            let Ok(name) = self.string() else { break };
            names.push(String::from_utf8_lossy(name).into_owned());
            // Types and shapes of the fields, which may nest.
            let mut depth = 1_usize;
            for byte in self.rest() {
                depth = match byte {
                    b'(' | b'[' => depth + 1,
                    b')' | b']' => depth - 1,
                    _ => depth,
                };
                self.position += 1;
                if depth == 0 {
                    break;
                }
            }
            self.accept(b',');
        }
        HeaderError::Structured { names }
    }

    fn string(&mut self) -> Result<&'a [u8], HeaderError> {
        let quote = if self.accept(b'"') {
            b'"'
        } else {
            self.expect(b'\'', "a quoted string").map(|()| b'\'')?
        };
        let rest = self.rest();
        let length = rest
            .iter()
            .position(|byte| *byte == quote)
            .ok_or_else(|| self.syntax("a closing quote"))?;
        self.position += length + 1;
        Ok(&rest[..length])
    }

    fn boolean(&mut self) -> Result<bool, HeaderError> {
        self.skip_space();
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest().starts_with(word.as_bytes()) {
                self.position += word.len();
                return Ok(value);
            }
        }
        Err(self.syntax("True or False"))
    }

    fn tuple(&mut self) -> Result<Vec<u64>, HeaderError> {
        self.expect(b'(', "'('")?;
        let mut sizes = Vec::new();
        while !self.accept(b')') {
            sizes.push(self.integer()?);
            if !self.accept(b',') {
                self.expect(b')', "',' or ')'")?;
                break;
            }
        }
        Ok(sizes)
    }

    fn integer(&mut self) -> Result<u64, HeaderError> {
        const EXPECTED: &str = "a dimension from 0 to 18446744073709551615";
        self.skip_space();
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let text = std::str::from_utf8(&self.rest()[..digits]).map_err(|_| self.syntax(EXPECTED))?;
        let value = text.parse().map_err(|_| self.syntax(EXPECTED))?;
        self.position += digits;
        Ok(value)
    }

    fn expect(&mut self, byte: u8, expected: &'static str) -> Result<(), HeaderError> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.syntax(expected))
        }
    }

    fn accept(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.rest().first() == Some(&byte);
        self.position += usize::from(found);
        found
    }

    fn skip_space(&mut self) {
        self.position += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    }

    fn rest(&self) -> &'a [u8] {
        &self.text[self.position..]
    }

    fn syntax(&self, expected: &'static str) -> HeaderError {
        HeaderError::Syntax {
            position: self.position,
            expected,
        }
    }
}

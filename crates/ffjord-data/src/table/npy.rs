//! numpy's `.npy` format, versions 1 to 3.
//!
//! See numpy's `numpy.lib.format`. The available crate multiplies a header's shape unchecked and parses its text by
//! recursion, so that a hostile file ends the program; the format is small enough to read here.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use ffjord_files::write_atomic_with;
use thiserror::Error;

use super::{
    npy_header::{Header, HeaderError},
    npz::ArrayInfo,
};
use crate::{DataError, Element, Matrix};

/// Why an array cannot be read.
///
/// ```
/// use ffjord_data::{DataError, Matrix, table::{self, LoadOptions, NpyError}};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("points.npy");
/// table::save_npy(&path, &Matrix::from_rows(&[[0.5, 1.0], [1.5, f64::NAN]]))?;
/// let refused = table::load(&path, &LoadOptions::default()).unwrap_err();
/// assert!(matches!(&refused, DataError::Npy { error: NpyError::NotFinite { row: 1, column: 1, .. }, .. }));
/// // A file that lost its last byte.
/// let bytes = std::fs::read(&path)?;
/// std::fs::write(&path, &bytes[..bytes.len() - 1])?;
/// let cut = table::load(&path, &LoadOptions::default()).unwrap_err().to_string();
/// assert!(cut.contains("takes 32 bytes, but 31 are there"), "{cut}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyError {
    /// The first bytes are not those of the format, or its version or header is not understood.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The array has no or more than two dimensions.
    #[error(
        "the array has shape {shape:?}: give one or two dimensions, [rows] or [rows, columns], for example with \
         numpy.reshape(array, (len(array), -1))"
    )]
    Dimensions {
        /// The shape in the header.
        shape: Vec<u64>,
    },
    /// The array has no values.
    #[error("the array of shape {shape:?} is empty: a table needs at least one row and one column")]
    Empty {
        /// The shape in the header.
        shape: Vec<u64>,
    },
    /// There are fewer or more bytes than the header announces.
    #[error(
        "an array of shape {shape:?} takes {expected} bytes, but {present} are there: \
         the file is damaged or incomplete, fetch or write it again"
    )]
    Length {
        /// The shape in the header.
        shape: Vec<u64>,
        /// The bytes the shape and type need.
        expected: u128,
        /// The bytes in the file after its header.
        present: u64,
    },
    /// A value is infinite or not a number.
    #[error("the value in row {row}, column {column} (from 0) is {value}: all values must be finite")]
    NotFinite {
        /// Its row, from 0.
        row: usize,
        /// Its column, from 0.
        column: usize,
        /// The value.
        value: f64,
    },
    /// The archive is damaged or of an unsupported kind.
    #[error("the archive cannot be read: {0}; write it with numpy.savez or savez_compressed")]
    Archive(#[from] zip::result::ZipError),
    /// The archive has no array, or none of that name.
    #[error("the archive has no array{}: it has {}", name.as_ref().map(|name| format!(" {name:?}")).unwrap_or_default(),
        listed(present))]
    NoArray {
        /// The name asked for.
        name: Option<String>,
        /// The arrays there are.
        present: Vec<ArrayInfo>,
    },
    /// The archive has several arrays, and none was asked for.
    #[error(
        "the archive holds several arrays ({}): say which with --set data.array=NAME, in `eval` and `sample` with \
         --array NAME",
        listed(present)
    )]
    SeveralArrays {
        /// The arrays there are.
        present: Vec<ArrayInfo>,
    },
    /// The operating system or the decompressor refused to read.
    #[error("cannot read: {0}")]
    Read(#[from] std::io::Error),
}

fn listed(arrays: &[ArrayInfo]) -> String {
    if arrays.is_empty() {
        return "none".to_owned();
    }
    arrays.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads a `.npy` file, in single or double precision whatever its own is.
pub(crate) fn load<T: Element>(path: &Path) -> Result<Matrix<T>, DataError> {
    load_with(path, false)
}

/// As [`load`], with or without values that are not finite.
pub(super) fn load_with<T: Element>(path: &Path, keep_non_finite: bool) -> Result<Matrix<T>, DataError> {
    let (file, length) = open(path)?;
    read(BufReader::new(file), length, keep_non_finite).map_err(|error| DataError::Npy {
        path: path.to_owned(),
        error,
    })
}

/// The shape, whether elements are bytes, and the numbers of an array of any number of axes, in C's order.
#[cfg(feature = "image")]
pub(crate) fn load_flat(path: &Path) -> Result<(Vec<usize>, bool, Vec<f64>), DataError> {
    let (file, length) = open(path)?;
    let read = |mut reader: BufReader<File>| -> Result<_, NpyError> {
        let header = Header::read(&mut reader)?;
        let counts = header.shape.iter().map(|count| usize::try_from(*count).ok());
        let shape: Option<Vec<usize>> = counts.collect();
        let (Some(shape), false) = (shape, header.fortran_order) else {
            return Err(NpyError::Dimensions { shape: header.shape });
        };
        let bytes = shape.iter().fold(header.kind.width() as u128, |bytes, count| {
            bytes.saturating_mul(*count as u128)
        });
        let present = length.saturating_sub(header.bytes);
        if bytes != u128::from(present) || bytes == 0 {
            return Err(NpyError::Length {
                shape: header.shape,
                expected: bytes,
                present,
            });
        }
        let values = read_values(&mut reader, &header, present as usize / header.kind.width())?;
        Ok((shape, header.kind.is_byte(), values))
    };
    read(BufReader::new(file)).map_err(|error| DataError::Npy {
        path: path.to_owned(),
        error,
    })
}

/// Calls `visit` with every row of a `.npy` file in order; of an array in C's order one row is in memory at a time.
pub(crate) fn for_each_row(
    path: &Path,
    visit: &mut dyn FnMut(&[f64]) -> Result<(), DataError>,
) -> Result<(), DataError> {
    let wrap = |error| DataError::Npy {
        path: path.to_owned(),
        error,
    };
    let (file, length) = open(path)?;
    let mut reader = BufReader::new(file);
    let header = Header::read(&mut reader).map_err(|error| wrap(error.into()))?;
    let (rows, columns) = believed_shape(&header, length).map_err(wrap)?;
    if header.fortran_order {
        return load(path)?.iter_rows().try_for_each(visit);
    }
    for row in 0..rows {
        let values: Vec<f64> = read_values(&mut reader, &header, columns).map_err(wrap)?;
        if values.len() < columns {
            return Err(wrap(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()));
        }
        check_finite(&values, columns, row).map_err(wrap)?;
        visit(&values)?;
    }
    Ok(())
}

/// The number of columns of a `.npy` file.
pub(crate) fn columns(path: &Path) -> Result<usize, DataError> {
    let (file, length) = open(path)?;
    let header = Header::read(&mut BufReader::new(file)).map_err(NpyError::from);
    let shape = header.and_then(|header| believed_shape(&header, length));
    shape.map(|(_, columns)| columns).map_err(|error| DataError::Npy {
        path: path.to_owned(),
        error,
    })
}

fn open(path: &Path) -> Result<(File, u64), DataError> {
    let failed = |source| DataError::Io {
        action: "open",
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    Ok((file, length))
}

/// Rows and columns, if the `length` bytes of the file are those that they need.
fn believed_shape(header: &Header, length: u64) -> Result<(usize, usize), NpyError> {
    let shape = || header.shape.clone();
    let (rows, columns) = match header.shape[..] {
        [rows] => (rows, 1),
        [rows, columns] => (rows, columns),
        _ => return Err(NpyError::Dimensions { shape: shape() }),
    };
    if rows == 0 || columns == 0 {
        return Err(NpyError::Empty { shape: shape() });
    }
    let expected = (u128::from(rows) * u128::from(columns)).saturating_mul(header.kind.width() as u128);
    let present = length.saturating_sub(header.bytes);
    if expected != u128::from(present) {
        return Err(NpyError::Length {
            shape: shape(),
            expected,
            present,
        });
    }
    // `present` bytes are in a file, so the counts fit.
    Ok((rows as usize, columns as usize))
}

/// Reads an array from a stream that is said to hold `length` bytes; no more than those are believed in.
pub(super) fn read<T: Element>(
    mut reader: impl Read,
    length: u64,
    keep_non_finite: bool,
) -> Result<Matrix<T>, NpyError> {
    let header = Header::read(&mut reader)?;
    let (rows, columns) = believed_shape(&header, length)?;
    let width = header.kind.width();
    let values: Vec<T> = read_values(&mut reader, &header, rows * columns)?;
    // An archive's checksum is compared when its end is reached, so the end must be reached.
    let surplus = reader.read(&mut [0])?;
    if values.len() != rows * columns || surplus > 0 {
        return Err(NpyError::Length {
            shape: header.shape,
            expected: (rows * columns * width) as u128,
            present: (values.len() * width + surplus) as u64,
        });
    }
    let values = if header.fortran_order {
        transpose(&values, rows, columns)
    } else {
        values
    };
    if !keep_non_finite {
        check_finite(&values, columns, 0)?;
    }
    Ok(Matrix::from_parts(columns, values))
}

/// Checks values in row-major order, the first of which stands in row `first_row`.
fn check_finite<T: Element>(values: &[T], columns: usize, first_row: usize) -> Result<(), NpyError> {
    match values.iter().position(|value| !value.to_f64().is_finite()) {
        Some(index) => Err(NpyError::NotFinite {
            row: first_row + index / columns,
            column: index % columns,
            value: values[index].to_f64(),
        }),
        None => Ok(()),
    }
}

/// Up to `count` values; fewer if the stream ends before. Memory grows with what was really read, because a compressed
/// stream can end earlier than its archive claims.
fn read_values<T: Element>(reader: &mut impl Read, header: &Header, count: usize) -> Result<Vec<T>, NpyError> {
    const CHUNK: usize = 8192;
    let width = header.kind.width();
    let mut values = Vec::new();
    let mut bytes = Vec::with_capacity(CHUNK.min(count) * width);
    while values.len() < count {
        bytes.clear();
        let wanted = CHUNK.min(count - values.len()) * width;
        reader.by_ref().take(wanted as u64).read_to_end(&mut bytes)?;
        values.extend(
            bytes
                .chunks_exact(width)
                .map(|bytes| T::from_f64(header.kind.decode(bytes))),
        );
        if bytes.len() < wanted {
            break;
        }
    }
    Ok(values)
}

/// From column-major to row-major order.
fn transpose<T: Element>(values: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..rows)
        .flat_map(|row| (0..columns).map(move |column| values[column * rows + row]))
        .collect()
}

/// Writes a matrix as a little-endian `.npy` file of its own precision, atomically.
///
/// # Errors
/// [`DataError::File`] if it cannot be written; an existing file is then unchanged.
///
/// ```
/// use ffjord_data::{Matrix, table};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("points.npy");
/// let points = Matrix::from_rows(&[[0.5, 1.0], [1.5, 2.0]]);
/// table::save_npy(&path, &points)?;
/// assert_eq!(table::load(&path, &Default::default())?.values, points);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn save_npy<T: Element>(path: impl AsRef<Path>, matrix: &Matrix<T>) -> Result<(), DataError> {
    let written = write_atomic_with(path, |file| {
        file.write_all(&Header::of_matrix(matrix).to_bytes())?;
        for value in matrix.as_slice() {
            match size_of::<T>() {
                // From single to double and back is exact.
                4 => file.write_all(&(value.to_f64() as f32).to_le_bytes())?,
                _ => file.write_all(&value.to_f64().to_le_bytes())?,
            }
        }
        Ok(())
    });
    Ok(written?)
}

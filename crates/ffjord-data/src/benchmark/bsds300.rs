//! BSDS300: patches of 8 × 8 pixels of natural images, the mean removed and the last pixel dropped.
//!
//! The published file is HDF5 with the arrays `train`, `validation` and `test`, which are used as they are.

use std::path::Path;

use hdf5_pure::{DType, File};

use super::{BenchmarkError, rows::as_published};
use crate::{DataError, Matrix, Prepared, Splits};

const DIMENSION: usize = 63;
/// Rows read at a time.
const WINDOW: u64 = 4096;
/// More rows than an array of the original has; bounds the memory that a hostile file can make us take.
const MAX_ROWS: u64 = 1 << 21;

/// Reads the three arrays, in single precision.
pub(super) fn prepare(path: &Path) -> Result<Prepared, DataError> {
    let file = File::open_streaming(path).map_err(|error| failed(path, error))?;
    as_published(Splits {
        train: array(&file, path, "train")?,
        validation: array(&file, path, "validation")?,
        test: array(&file, path, "test")?,
    })
}

fn array(file: &File, path: &Path, array: &'static str) -> Result<Matrix<f32>, DataError> {
    let dataset = file.dataset(array).map_err(|error| failed(path, error))?;
    let shape = dataset.shape().map_err(|error| failed(path, error))?;
    let kind = dataset.dtype().map_err(|error| failed(path, error))?;
    let (&[rows, columns], DType::F32 | DType::F64) = (&shape[..], &kind) else {
        return Err(unexpected(path, array, &kind, shape));
    };
    if columns != DIMENSION as u64 || rows == 0 {
        return Err(unexpected(path, array, &kind, shape));
    }
    if rows > MAX_ROWS {
        return Err(BenchmarkError::TooManyRows {
            name: "bsds300",
            path: path.to_owned(),
            limit: MAX_ROWS,
        }
        .into());
    }
    let mut values = Vec::new();
    for start in (0..rows).step_by(WINDOW as usize) {
        let count = WINDOW.min(rows - start);
        let window = dataset
            .read_f32_rows(start, count)
            .map_err(|error| failed(path, error))?;
        if window.len() as u64 != count * columns {
            return Err(unexpected(path, array, &kind, shape));
        }
        if let Some(index) = window.iter().position(|value| !value.is_finite()) {
            return Err(BenchmarkError::NotFinite {
                path: path.to_owned(),
                array,
                row: start + (index / DIMENSION) as u64,
                column: index % DIMENSION,
            }
            .into());
        }
        values.extend(window);
    }
    Ok(Matrix::from_parts(DIMENSION, values))
}

fn failed(path: &Path, error: hdf5_pure::Error) -> DataError {
    BenchmarkError::Hdf5 {
        path: path.to_owned(),
        error,
    }
    .into()
}

fn unexpected(path: &Path, array: &'static str, kind: &DType, shape: Vec<u64>) -> DataError {
    BenchmarkError::Array {
        path: path.to_owned(),
        array,
        kind: kind.to_string(),
        shape,
        columns: DIMENSION,
    }
    .into()
}

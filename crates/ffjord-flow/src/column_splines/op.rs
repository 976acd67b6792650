//! All columns' splines as one custom operation of candle.

use super::jet::{INPUTS, Jet};
use crate::marginals::share_reaching;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// Numbers of a piece: left, width, bottom, height and both slopes.
const NUMBERS: usize = INPUTS - 1;
/// Rows that one thread takes; gradients of the pieces are summed within them first, so that threads change no bit.
const ROWS: usize = 128;

/// From rows `[B, D]` and pieces `[D, 6, K]` to `[B, D + 1]`: the rows' images, and in the last column the
/// log-determinant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splines {
    pub(super) inverse: bool,
}

/// A point of a spline: its piece, z and ln dz/dx there, with their derivatives, and the share of the piece's width.
struct Point {
    piece: usize,
    z: Jet,
    log_slope: Jet,
    x: f64,
}

/// The pieces of every column.
struct Pieces {
    numbers: Vec<f64>,
    count: usize,
}

impl Pieces {
    fn columns(&self) -> usize {
        self.numbers.len() / (NUMBERS * self.count)
    }

    /// The values of one number of all pieces of a column.
    fn of(&self, column: usize, number: usize) -> &[f64] {
        let first = (column * NUMBERS + number) * self.count;
        &self.numbers[first..first + self.count]
    }

    /// Where a column's spline is at `value`, an x, or a z if `inverse`; none outside of its pieces.
    fn at(&self, column: usize, value: f64, inverse: bool) -> Option<Point> {
        let starts = self.of(column, if inverse { 2 } else { 0 });
        // Both axes go from −T to T, and −T is the first start to the last bit.
        if value.is_nan() || value.abs() > -starts[0] {
            return None;
        }
        let piece = starts.partition_point(|start| *start <= value).max(1) - 1;
        let [left, width, bottom, height, slope_left, slope_right] =
            std::array::from_fn(|number| self.of(column, number)[piece]);
        let x = match inverse {
            false => value,
            true => left + width * share_reaching((width, height), (slope_left, slope_right), value - bottom),
        };
        let (z, log_slope) = image(x, [left, width, bottom, height, slope_left, slope_right]);
        Some(Point { piece, z, log_slope, x })
    }
}

/// z and ln dz/dx at x (Durkan et al. 2019, eq. 4 and 5).
fn image(x: f64, piece: [f64; NUMBERS]) -> (Jet, Jet) {
    let [left, width, bottom, height, d_left, d_right] =
        std::array::from_fn(|number| Jet::input(piece[number], number + 1));
    let share = (Jet::input(x, 0) - left) / width;
    let (rest, mean) = (share.rest(), height / width);
    let both = share * rest;
    let denominator = mean + (d_left + d_right - mean.scale(2.0)) * both;
    let rise = (mean * share * share + d_left * both) / denominator;
    let numerator = d_right * share * share + (mean * both).scale(2.0) + d_left * rest * rest;
    let log_slope = mean.ln().scale(2.0) + numerator.ln() - denominator.ln().scale(2.0);
    (bottom + height * rise, log_slope)
}

/// The numbers of a tensor in row-major order.
fn numbers(storage: &CpuStorage, layout: &Layout, name: &'static str) -> Result<Vec<f64>> {
    match storage.to_dtype(layout, DType::F64)? {
        CpuStorage::F64(values) => Ok(values),
        other => Err(Error::UnsupportedDTypeForOp(other.dtype(), name).bt()),
    }
}

impl Splines {
    /// The images of rows with D columns each, and their log-determinants.
    fn images(self, rows: &[f64], pieces: &Pieces) -> Vec<f64> {
        let columns = pieces.columns();
        let mut images = vec![0.0; rows.len() / columns * (columns + 1)];
        let chunks = rows.par_chunks(ROWS * columns);
        let chunks = chunks.zip(images.par_chunks_mut(ROWS * (columns + 1)));
        chunks.for_each(|(rows, images)| {
            for (row, images) in rows.chunks_exact(columns).zip(images.chunks_exact_mut(columns + 1)) {
                for (column, value) in row.iter().enumerate() {
                    let point = pieces.at(column, *value, self.inverse);
                    let (image, log_slope) = match (point, self.inverse) {
                        (None, _) => (*value, 0.0),
                        (Some(point), false) => (point.z.value, point.log_slope.value),
                        (Some(point), true) => (point.x, -point.log_slope.value),
                    };
                    images[column] = image;
                    images[columns] += log_slope;
                }
            }
        });
        images
    }

    /// The gradient of rows and of the pieces that a chunk of rows has.
    fn gradients(self, rows: &[f64], cotangents: &[f64], pieces: &Pieces) -> (Vec<f64>, Vec<f64>) {
        let columns = pieces.columns();
        let (mut of_rows, mut of_pieces) = (vec![0.0; rows.len()], vec![0.0; pieces.numbers.len()]);
        let rows = rows.chunks_exact(columns).zip(cotangents.chunks_exact(columns + 1));
        for ((row, cotangent), of_row) in rows.zip(of_rows.chunks_exact_mut(columns)) {
            let of_log_det = cotangent[columns];
            for (column, value) in row.iter().enumerate() {
                let Some(Point {
                    piece, z, log_slope, ..
                }) = pieces.at(column, *value, self.inverse)
                else {
                    of_row[column] = cotangent[column];
                    continue;
                };
                // On the way back z is given and x is what moves: `dx = (dz − z_θ dθ) / z_x`.
                let (of_z, of_log_slope) = match self.inverse {
                    false => (cotangent[column], of_log_det),
                    true => (
                        -(cotangent[column] - of_log_det * log_slope.by[0]) / z.by[0],
                        -of_log_det,
                    ),
                };
                of_row[column] = match self.inverse {
                    false => of_z * z.by[0] + of_log_slope * log_slope.by[0],
                    true => -of_z,
                };
                for number in 0..NUMBERS {
                    let at = (column * NUMBERS + number) * pieces.count + piece;
                    of_pieces[at] += of_z * z.by[number + 1] + of_log_slope * log_slope.by[number + 1];
                }
            }
        }
        (of_rows, of_pieces)
    }
}

impl CustomOp2 for Splines {
    fn name(&self) -> &'static str {
        "splines of columns"
    }

    fn cpu_fwd(
        &self,
        rows: &CpuStorage,
        rows_layout: &Layout,
        pieces: &CpuStorage,
        pieces_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (count, columns) = rows_layout.shape().dims2()?;
        let pieces = Pieces {
            numbers: numbers(pieces, pieces_layout, self.name())?,
            count: pieces_layout.shape().dims()[2],
        };
        let images = self.images(&numbers(rows, rows_layout, self.name())?, &pieces);
        let shape = Shape::from((count, columns + 1));
        let images = CpuStorage::F64(images).to_dtype(&Layout::contiguous(&shape), rows.dtype())?;
        Ok((images, shape))
    }

    fn bwd(
        &self,
        rows: &Tensor,
        pieces: &Tensor,
        _images: &Tensor,
        cotangent: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let of = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let (values, cotangents) = (of(rows)?, of(cotangent)?);
        let table = Pieces {
            numbers: of(pieces)?,
            count: pieces.dim(2)?,
        };
        let columns = table.columns();
        let chunks = values.par_chunks(ROWS * columns);
        let chunks = chunks.zip(cotangents.par_chunks(ROWS * (columns + 1)));
        let chunks: Vec<_> = chunks
            .map(|(rows, cotangents)| self.gradients(rows, cotangents, &table))
            .collect();
        let (mut of_rows, mut of_pieces) = (Vec::with_capacity(values.len()), vec![0.0; table.numbers.len()]);
        for (rows, pieces) in chunks {
            of_rows.extend(rows);
            of_pieces.iter_mut().zip(pieces).for_each(|(sum, part)| *sum += part);
        }
        let like = |values, tensor: &Tensor| {
            Tensor::from_vec(values, tensor.shape(), tensor.device())?.to_dtype(tensor.dtype())
        };
        Ok((Some(like(of_rows, rows)?), Some(like(of_pieces, pieces)?)))
    }
}

//! Maps of the channels of images, which rows of numbers have as columns.

use crate::error::{FlowError, Result};
use candle_core::Tensor;

/// The columns of rows `[D]`, or the channels of images `[C, H, W]`.
pub(crate) fn count(row_shape: &[usize]) -> Result<usize> {
    match row_shape.first() {
        Some(&channels) if !row_shape.contains(&0) => Ok(channels),
        _ => Err(FlowError::invalid(
            "row shape",
            format!("{row_shape:?}"),
            "one or more positive sizes",
        )),
    }
}

/// A vector `[C]` as it stands beside the channels of rows with so many axes.
pub(crate) fn beside(vector: &Tensor, rank: usize) -> Result<Tensor> {
    let mut shape = vec![vector.elem_count()];
    shape.resize(rank, 1);
    Ok(vector.reshape(shape)?)
}

/// A log-determinant of one pixel as that of all.
pub(crate) fn over_pixels(log_det: &Tensor, row_shape: &[usize]) -> Result<Tensor> {
    match row_shape[1..].iter().product::<usize>() {
        1 => Ok(log_det.clone()),
        pixels => Ok((log_det * pixels as f64)?),
    }
}

/// Rows `[B, D]` as they are; images `[B, C, …]` as one row a pixel, `[B …, C]`.
pub(crate) fn last(input: &Tensor) -> Result<Tensor> {
    if input.rank() == 2 {
        return Ok(input.clone());
    }
    let (rows, channels) = (input.dim(0)?, input.dim(1)?);
    let pixels = input.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
    let count = pixels.dim(1)?;
    Ok(pixels.reshape((rows * count, channels))?)
}

/// The images of shape `dims` whose [`last`] is `rows`.
pub(crate) fn first(rows: &Tensor, dims: &[usize]) -> Result<Tensor> {
    if dims.len() == 2 {
        return Ok(rows.clone());
    }
    let pixels: usize = dims[2..].iter().product();
    let rows = rows.reshape((dims[0], pixels, dims[1]))?;
    Ok(rows.transpose(1, 2)?.contiguous()?.reshape(dims)?)
}

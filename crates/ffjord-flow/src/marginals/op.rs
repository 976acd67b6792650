//! All columns' maps as one custom operation of candle.

use super::curve::{Curve, Point};
use candle_core::backend::BackendStorage;
use candle_core::cpu_backend::unary_map;
use candle_core::{CpuStorage, CustomOp1, DType, Error, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

/// Rows that one thread takes: enough to be worth a task.
const ROWS: usize = 256;

/// From rows `[B, D]` to `[B, D + 1]`: their images, and in the last column the log-determinant.
#[derive(Debug, Clone)]
pub(super) struct Maps {
    curves: Arc<Vec<Curve>>,
    inverse: bool,
}

impl Maps {
    pub(super) fn new(curves: Vec<Curve>, inverse: bool) -> Self {
        Self {
            curves: Arc::new(curves),
            inverse,
        }
    }

    fn point(&self, curve: &Curve, value: f64) -> Point {
        if self.inverse {
            curve.preimage(value)
        } else {
            curve.at(value)
        }
    }

    /// The images of rows, in a number type whose largest number is `largest`.
    fn map<T: WithDType>(&self, values: &[T], layout: &Layout, largest: f64) -> Vec<T> {
        let values: Cow<'_, [T]> = match layout.contiguous_offsets() {
            Some((start, end)) => Cow::Borrowed(&values[start..end]),
            None => Cow::Owned(unary_map(values, layout, |value| value)),
        };
        let columns = self.curves.len();
        let mut images = vec![T::from_f64(0.0); values.len() / columns * (columns + 1)];
        let rows = values.par_chunks(ROWS * columns);
        let chunks = rows.zip(images.par_chunks_mut(ROWS * (columns + 1)));
        chunks.for_each(|(rows, images)| {
            for (row, images) in rows.chunks_exact(columns).zip(images.chunks_exact_mut(columns + 1)) {
                let mut log_det = 0.0;
                for ((value, image), curve) in row.iter().zip(images.iter_mut()).zip(self.curves.iter()) {
                    let value = value.to_f64();
                    let point = self.point(curve, value);
                    // A steep tail would leave the range of the number type long before x does.
                    let finite = point.value.clamp(-largest, largest);
                    *image = T::from_f64(if value.is_infinite() { point.value } else { finite });
                    log_det += point.log_slope;
                }
                images[columns] = T::from_f64(if self.inverse { -log_det } else { log_det });
            }
        });
        images
    }
}

impl CustomOp1 for Maps {
    fn name(&self) -> &'static str {
        "marginal maps"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let shape = (layout.shape().dims2()?.0, self.curves.len() + 1).into();
        let images = match storage {
            CpuStorage::F32(values) => CpuStorage::F32(self.map(values, layout, f64::from(f32::MAX))),
            CpuStorage::F64(values) => CpuStorage::F64(self.map(values, layout, f64::MAX)),
            _ => return Err(Error::UnsupportedDTypeForOp(storage.dtype(), self.name()).bt()),
        };
        Ok((images, shape))
    }

    /// With the slope m' and b = m''/m' at x, a cotangent `(v, l)` of image and log-determinant comes to `v m' + l b`;
    /// on the way back, to `(v − l b) / m'`.
    fn bwd(&self, input: &Tensor, _result: &Tensor, cotangent: &Tensor) -> Result<Option<Tensor>> {
        let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let (values, cotangents) = (numbers(input)?, numbers(cotangent)?);
        let columns = self.curves.len();
        let mut gradient = vec![0.0; values.len()];
        let rows = values.chunks_exact(columns).zip(cotangents.chunks_exact(columns + 1));
        for ((row, cotangent), gradient) in rows.zip(gradient.chunks_exact_mut(columns)) {
            let of_log_det = cotangent[columns];
            for (column, curve) in self.curves.iter().enumerate() {
                let point = self.point(curve, row[column]);
                let slope = point.log_slope.exp();
                gradient[column] = if self.inverse {
                    (cotangent[column] - of_log_det * point.bend) / slope
                } else {
                    cotangent[column] * slope + of_log_det * point.bend
                };
            }
        }
        let gradient = Tensor::from_vec(gradient, input.shape(), input.device())?;
        Ok(Some(gradient.to_dtype(input.dtype())?))
    }
}

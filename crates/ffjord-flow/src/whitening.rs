//! An affine map that makes columns uncorrelated.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::covariance::Correlation;
use crate::error::{FlowError, Result};
use crate::finite::non_finite_rows;
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::Parameter;

/// `z = C^(−½) S⁻¹ (x − μ)` with the means μ, standard deviations S and correlations C of the rows that it was fitted to:
/// the columns of z have mean 0, variance 1 and no correlations, and are as close to those of x as such columns can be
/// (ZCA-cor; Kessy, Lewin and Strimmer 2018, *Optimal whitening and decorrelation*).
///
/// Correlations are shrunk towards 0, `(1 − ρ) C + ρ I`, as far as it helps the likelihood of each fifth of the rows under
/// a Gaussian that the others give, and always by ρ = 1e-7, so that columns which depend on each other have an inverse
/// too. Before a flow over a standard normal, the density begins as that of a Gaussian with this covariance. A fit
/// decomposes six D × D matrices: D³ is what it costs, some seconds at a thousand columns.
///
/// The map is no parameter: it stays as it is fitted, and is saved as buffers. Before a fit it is the identity.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_flow::{Bijection, Pass, Whitening};
/// use rand::SeedableRng;
///
/// let rows = Tensor::new(&[[1f32, 2.0], [2.0, 4.5], [3.0, 5.5], [4.0, 8.0]], &Device::Cpu)?;
/// let whitening = Whitening::fit(&rows)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let white = whitening.forward(&rows, &mut Pass::evaluation(&mut rng))?;
/// let back = whitening.inverse(&white.value, &mut Pass::evaluation(&mut rng))?;
/// assert!((back.value - rows)?.abs()?.sum_all()?.to_scalar::<f32>()? < 1e-4);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct Whitening {
    row_shape: [usize; 1],
    mean: Parameter,
    /// `[D, D]`, what `x − μ` is multiplied with from the right, and its inverse.
    matrix: Parameter,
    inverse: Parameter,
    log_det: Parameter,
}

impl Whitening {
    /// The identity on rows of `dimension` columns; names `mean` `[D]`, `matrix` and `inverse` `[D, D]`, `log_det` `[1]`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without columns.
    pub fn new(dimension: usize, dtype: DType, device: &Device) -> Result<Self> {
        if dimension == 0 {
            return Err(FlowError::InvalidSetting {
                setting: "columns of a whitening",
                given: dimension.to_string(),
                accepted: "at least 1",
            });
        }
        let square = |name| -> Result<Parameter> {
            let parameter = Parameter::constant(name, (dimension, dimension), 0.0, dtype, device)?;
            parameter.var.set(&Tensor::eye(dimension, dtype, device)?)?;
            Ok(parameter)
        };
        Ok(Self {
            row_shape: [dimension],
            mean: Parameter::constant("mean", dimension, 0.0, dtype, device)?,
            matrix: square("matrix")?,
            inverse: square("inverse")?,
            log_det: Parameter::constant("log_det", 1, 0.0, dtype, device)?,
        })
    }

    /// The map fitted to `rows` `[N, D]`, in their number type and on their device.
    ///
    /// # Errors
    /// As [`Whitening::refit`].
    pub fn fit(rows: &Tensor) -> Result<Self> {
        let map = Self::new(rows.dims2()?.1, rows.dtype(), rows.device())?;
        map.refit(rows)?;
        Ok(map)
    }

    /// Fits the map to `rows` `[N, D]` in place of what it was fitted to; the same rows give the same bits.
    ///
    /// # Errors
    /// [`FlowError::InputShape`] without rows or with other columns, [`FlowError::NonFiniteInput`] for rows that are no
    /// numbers, [`FlowError::Correlations`] for numbers whose squares overflow.
    pub fn refit(&self, rows: &Tensor) -> Result<()> {
        check_rows("training rows", rows, &self.row_shape)?;
        let bad = non_finite_rows(rows)?;
        if !bad.is_empty() {
            return Err(FlowError::NonFiniteInput { rows: bad });
        }
        if rows.dim(0)? == 0 {
            return Err(FlowError::InputShape {
                what: "training rows",
                given: rows.shape().clone(),
                expected: "at least one row".to_string(),
            });
        }
        let d = self.row_shape[0];
        let Correlation {
            means,
            deviations,
            eigenvalues: values,
            eigenvectors: vectors,
        } = Correlation::shrunk(&rows.detach().to_device(&Device::Cpu)?.contiguous()?)?;
        let vectors = Tensor::from_vec(vectors, (d, d), &Device::Cpu)?;
        // `Σₖ λₖᵖ vₖ vₖᵀ`.
        let power = |exponent: f64| -> Result<Tensor> {
            let powers: Vec<f64> = values.iter().map(|value| value.powf(exponent)).collect();
            let powers = Tensor::from_vec(powers, (d, 1), &Device::Cpu)?;
            Ok(vectors.t()?.matmul(&vectors.broadcast_mul(&powers)?)?)
        };
        let scales = Tensor::from_slice(&deviations, d, &Device::Cpu)?;
        let log_det: f64 = values
            .iter()
            .zip(&deviations)
            .map(|(value, deviation)| -0.5 * value.ln() - deviation.ln())
            .sum();
        set(&self.mean, &Tensor::from_vec(means, d, &Device::Cpu)?)?;
        set(&self.matrix, &power(-0.5)?.broadcast_div(&scales.unsqueeze(1)?)?)?;
        set(&self.inverse, &power(0.5)?.broadcast_mul(&scales)?)?;
        set(&self.log_det, &Tensor::from_vec(vec![log_det], 1, &Device::Cpu)?)
    }

    /// The log-determinant of each of so many rows.
    fn log_dets(&self, rows: usize) -> Result<Tensor> {
        Ok(self.log_det.var.as_detached_tensor().broadcast_as(rows)?.contiguous()?)
    }
}

fn set(parameter: &Parameter, values: &Tensor) -> Result<()> {
    let values = values
        .to_dtype(parameter.var.dtype())?
        .to_device(parameter.var.device())?;
    Ok(parameter.var.set(&values)?)
}

impl Bijection for Whitening {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", x, &self.row_shape)?;
        let centred = x.broadcast_sub(&self.mean.var.as_detached_tensor())?;
        let value = centred.matmul(&self.matrix.var.as_detached_tensor())?;
        Ok(Transformed::new(value, self.log_dets(x.dim(0)?)?))
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        check_rows("batch", z, &self.row_shape)?;
        let value = z
            .matmul(&self.inverse.var.as_detached_tensor())?
            .broadcast_add(&self.mean.var.as_detached_tensor())?;
        Ok(Transformed::new(value, self.log_dets(z.dim(0)?)?.neg()?))
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn buffers(&self) -> Vec<Parameter> {
        [&self.mean, &self.matrix, &self.inverse, &self.log_det]
            .map(Clone::clone)
            .to_vec()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

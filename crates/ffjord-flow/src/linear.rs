//! An invertible linear map of the columns, or of the channels of every pixel.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::Result;
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
use ffjord_nn::Parameter;

/// `z = L U x` with a unit lower triangle L and an upper triangle U whose diagonal is `exp(s)` (Glow, Kingma and Dhariwal
/// 2018, eq. 10 and 11): the log-determinant is `Σ s`. For images `[B, C, H, W]` it is the invertible 1 × 1 convolution, the
/// same map of the channels for every pixel, with the log-determinant `H W Σ s`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, LuLinear, Pass};
/// use rand::SeedableRng;
///
/// let convolution = LuLinear::new(&[2, 4, 4], DType::F64, &Device::Cpu)?;
/// convolution.parameters()[2].var.set(&Tensor::new(&[0.5, -0.25], &Device::Cpu)?)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::ones((1, 2, 4, 4), DType::F64, &Device::Cpu)?;
/// let image = convolution.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(image.log_det()?.to_vec1::<f64>()?, [16.0 * 0.25]);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
///
/// The permutation that stands beside it in Glow is a [`Permutation`](crate::Permutation) of its own.
#[derive(Debug)]
pub struct LuLinear {
    row_shape: Vec<usize>,
    lower: Parameter,
    upper: Parameter,
    log_diagonal: Parameter,
    /// `[D, D]`, ones below the diagonal, and ones on it.
    below: Tensor,
    identity: Tensor,
}

impl LuLinear {
    /// The identity at first, for rows of this shape; names `lower`, `upper` (`[D, D]` or `[C, C]`, of which the triangles
    /// count) and `log_diagonal` `[D]` or `[C]`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`](crate::FlowError::InvalidSetting) for a row without elements.
    pub fn new(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let dimension = channels::count(row_shape)?;
        let square = (dimension, dimension);
        let below: Vec<f32> = (0..dimension * dimension)
            .map(|i| f32::from(u8::from(i % dimension < i / dimension)))
            .collect();
        Ok(Self {
            row_shape: row_shape.to_vec(),
            lower: Parameter::constant("lower", square, 0.0, dtype, device)?,
            upper: Parameter::constant("upper", square, 0.0, dtype, device)?,
            log_diagonal: Parameter::constant("log_diagonal", dimension, 0.0, dtype, device)?,
            below: Tensor::from_vec(below, square, device)?.to_dtype(dtype)?,
            identity: Tensor::eye(dimension, dtype, device)?,
        })
    }

    /// L and U as they are now.
    fn factors(&self) -> Result<(Tensor, Tensor)> {
        let lower = ((self.lower.var.as_tensor() * &self.below)? + &self.identity)?;
        let diagonal = self.identity.broadcast_mul(&self.log_diagonal.var.exp()?)?;
        let upper = ((self.upper.var.as_tensor() * self.below.t()?)? + diagonal)?;
        Ok((lower, upper))
    }

    /// Applies a matrix to every row; `sign` is that of the log-determinant.
    fn apply(&self, input: &Tensor, matrix: &Tensor, sign: f64) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        let total = (self.log_diagonal.var.sum_all()? * sign)?;
        let total = channels::over_pixels(&total, &self.row_shape)?;
        let image = channels::last(input)?.matmul(&matrix.t()?)?;
        Ok(Transformed::new(
            channels::first(&image, input.dims())?,
            total.reshape(1)?.broadcast_as(input.dim(0)?)?.contiguous()?,
        ))
    }
}

impl Bijection for LuLinear {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        let (lower, upper) = self.factors()?;
        self.apply(x, &lower.matmul(&upper)?, 1.0)
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        let (lower, upper) = self.factors()?;
        let rows = |matrix: &Tensor| matrix.detach().to_dtype(DType::F64)?.to_vec2::<f64>();
        let inverse = invert(&rows(&lower)?, &rows(&upper)?);
        let shape = self.identity.shape();
        let inverse = Tensor::from_vec(inverse, shape, &Device::Cpu)?
            .to_dtype(z.dtype())?
            .to_device(z.device())?;
        // A step of Newton's, X (2 I − W X), leaves an inverse X of W as it is and has its derivative, −X dW X.
        let product = lower.matmul(&upper)?.matmul(&inverse)?;
        let inverse = inverse.matmul(&((&self.identity * 2.0)? - product)?)?;
        self.apply(z, &inverse, -1.0)
    }

    fn parameters(&self) -> Vec<Parameter> {
        [&self.lower, &self.upper, &self.log_diagonal]
            .map(Clone::clone)
            .to_vec()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }
}

/// `(L U)⁻¹`, row-major, by substitution for every unit vector.
fn invert(lower: &[Vec<f64>], upper: &[Vec<f64>]) -> Vec<f64> {
    let d = lower.len();
    let mut inverse = vec![0.0; d * d];
    for column in 0..d {
        let mut x = vec![0.0; d];
        for i in 0..d {
            let known: f64 = (0..i).map(|j| lower[i][j] * x[j]).sum();
            x[i] = f64::from(u8::from(i == column)) - known;
        }
        for i in (0..d).rev() {
            let known: f64 = (i + 1..d).map(|j| upper[i][j] * x[j]).sum();
            x[i] = (x[i] - known) / upper[i][i];
        }
        x.iter()
            .enumerate()
            .for_each(|(i, value)| inverse[i * d + column] = *value);
    }
    inverse
}

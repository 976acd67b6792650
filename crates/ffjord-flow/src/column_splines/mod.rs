//! A map of every column that is learned.

mod jet;
mod op;

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use crate::transform::{ColumnTransform, RationalQuadraticSpline};
use candle_core::{DType, Device, Tensor};
use ffjord_nn::Parameter;
use op::Splines;

/// `z_d = g(x_d; θ_d)` with an increasing rational-quadratic spline g of every column by itself, whose parameters are
/// learned (Durkan et al. 2019); the log-determinant is `Σ ln g'(x_d; θ_d)`.
///
/// The identity at first, and always outside the spline's bound. Behind [`MarginalMaps`](crate::MarginalMaps), which are
/// fitted before a flow is trained and stay as they are, it lets the maps of the columns follow the flow.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, ColumnSplines, Pass, RationalQuadraticSpline};
/// use rand::SeedableRng;
///
/// let splines = ColumnSplines::new(2, RationalQuadraticSpline::new(16, 5.0)?, DType::F64, &Device::Cpu)?;
/// assert_eq!(splines.parameters()[0].var.dims(), [2, 3 * 16 - 1]);
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[0.3, -1.2]], &Device::Cpu)?;
/// let z = splines.forward(&x, &mut Pass::evaluation(&mut rng))?.value;
/// assert!((z - x)?.abs()?.sum_all()?.to_scalar::<f64>()? < 1e-12);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct ColumnSplines {
    row_shape: [usize; 1],
    spline: RationalQuadraticSpline,
    /// `[D, 3 K − 1]`.
    columns: Parameter,
    fixed: bool,
}

impl ColumnSplines {
    /// The identity on rows of `dimension` columns; the name `columns` `[D, 3 K − 1]` for splines of K pieces.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] without columns.
    pub fn new(dimension: usize, spline: RationalQuadraticSpline, dtype: DType, device: &Device) -> Result<Self> {
        if dimension == 0 {
            return Err(FlowError::invalid("columns of splines", dimension, "at least 1"));
        }
        let shape = (dimension, spline.parameter_count());
        Ok(Self {
            row_shape: [dimension],
            spline,
            columns: Parameter::constant("columns", shape, 0.0, dtype, device)?,
            fixed: false,
        })
    }

    /// The same splines as a map that training leaves as it is: their numbers are a buffer, under the same name.
    #[must_use]
    pub fn fixed(mut self) -> Self {
        self.fixed = true;
        self
    }

    fn apply(&self, input: &Tensor, inverse: bool) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        let pieces = self.spline.table(&self.columns.var)?.to_device(&Device::Cpu)?;
        let images = input
            .to_device(&Device::Cpu)?
            .apply_op2(&pieces, Splines { inverse })?
            .to_device(input.device())?;
        Transformed::of_columns(&images, input.shape())
    }
}

impl Bijection for ColumnSplines {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(x, false)
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(z, true)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let learned = (!self.fixed).then(|| self.columns.clone());
        learned.into_iter().collect()
    }

    fn buffers(&self) -> Vec<Parameter> {
        self.fixed.then(|| self.columns.clone()).into_iter().collect()
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn is_fixed(&self) -> bool {
        self.fixed
    }
}

//! A monotone map of every column, fitted to its distribution.

mod curve;
mod fit;
mod levels;
mod op;

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::error::{FlowError, Result};
use crate::finite::non_finite_rows;
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
pub(crate) use curve::share_reaching;
use curve::{Curve, Kind};
use ffjord_nn::Parameter;
use op::Maps;
use rayon::prelude::*;

/// `z_d = m_d(x_d)` with an increasing map m_d for every column, fitted to rows so that each column by itself becomes
/// standard normal; the log-determinant is `Σ ln m_d'(x_d)`.
///
/// Of each column several maps are tried, and those rows decide that a candidate has not seen. One kind is a
/// rational-quadratic spline (Durkan et al. 2019) from quantiles to those of the normal distribution. The other is
/// `Φ⁻¹ ∘ F` with a distribution function F that is linear between knots where the density jumps: exact for lattices that
/// uniform noise has been added to. Both have at most `knots` knots, fewer where rows are few or more would not help, and
/// are linear beyond the outermost ones, so that every number has a finite image and outliers stay where they are in
/// proportion.
///
/// Of numbers with whole levels that noise was added to, the distribution of the levels is all that there is to know:
/// [`of_levels`](Self::of_levels) makes maps for them, for rows of any shape.
///
/// The maps are no parameters: they stay as they are fitted, and are saved as buffers. Before a fit they are the identity.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Chain, Cnf, Density, Flow, MarginalMaps, Pass, Whitening};
/// use rand::SeedableRng;
///
/// // Exponentially distributed numbers, and the same plus a little: a flow that begins as a Gaussian copula.
/// let uniform = (0..1000).map(|row| (f64::from(row) * 0.618).fract() + 1e-4);
/// let rows: Vec<f64> = uniform.flat_map(|u| [-u.ln(), -u.ln() + 0.1 * (40.0 * u).sin()]).collect();
/// let rows = Tensor::from_vec(rows, (1000, 2), &Device::Cpu)?.to_dtype(DType::F32)?;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let maps = MarginalMaps::fit(&rows, 64)?;
/// let normal = maps.forward(&rows, &mut Pass::evaluation(&mut rng))?.value;
/// let whitening = Whitening::fit(&normal)?;
/// let flow = Cnf::builder(2).hidden([16, 16]).build()?;
/// let flow = Flow::over_normal(Chain::new(vec![Box::new(maps), Box::new(whitening), Box::new(flow)])?)?;
/// let log_prob = flow.log_prob(&rows, &mut Pass::evaluation(&mut rng))?;
/// assert!(log_prob.mean_all()?.to_scalar::<f32>()? > -1.5);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug)]
pub struct MarginalMaps {
    /// Of D numbers together.
    row_shape: Vec<usize>,
    /// `[D]`: 0 for a spline, 1 for steps.
    kinds: Parameter,
    /// `[D, K]` each; a column with fewer knots repeats its last.
    knots: Parameter,
    images: Parameter,
    slopes: Parameter,
}

impl MarginalMaps {
    /// The identity on rows of `dimension` columns, with room for `knots` knots a column; names `kinds` `[D]`, `knots`,
    /// `images` and `slopes` `[D, K]`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] unless there are columns and 2 to 65,536 knots.
    pub fn new(dimension: usize, knots: usize, dtype: DType, device: &Device) -> Result<Self> {
        let invalid = |setting, given: usize, accepted| Err(FlowError::invalid(setting, given, accepted));
        if dimension == 0 {
            return invalid("columns of marginal maps", dimension, "at least 1");
        }
        if !(2..=65_536).contains(&knots) {
            return invalid("knots of marginal maps", knots, "a whole number from 2 to 65,536");
        }
        let constant = |name, value| Parameter::constant(name, (dimension, knots), value, dtype, device);
        Ok(Self {
            row_shape: vec![dimension],
            kinds: Parameter::constant("kinds", dimension, 0.0, dtype, device)?,
            knots: constant("knots", 0.0)?,
            images: constant("images", 0.0)?,
            slopes: constant("slopes", 1.0)?,
        })
    }

    /// Maps with at most `knots` knots a column, fitted to `rows` `[N, D]`, in their number type and on their device.
    ///
    /// # Errors
    /// As [`MarginalMaps::new`] and [`MarginalMaps::refit`].
    pub fn fit(rows: &Tensor, knots: usize) -> Result<Self> {
        let maps = Self::new(rows.dims2()?.1, knots, rows.dtype(), rows.device())?;
        maps.refit(rows)?;
        Ok(maps)
    }

    /// Fits the maps to `rows` `[N, …]` in place of what they were fitted to; the same rows give the same bits.
    ///
    /// # Errors
    /// [`FlowError::InputShape`] without rows or with other columns, [`FlowError::NonFiniteInput`] for rows that are no
    /// numbers.
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
        let resolution = match self.knots.var.dtype() {
            DType::F64 => f64::EPSILON,
            _ => f64::from(f32::EPSILON),
        };
        let room = self.knots.var.dim(1)?;
        let columns = rows.detach().flatten_from(1)?.t()?.to_device(&Device::Cpu)?;
        let fitted = (0..columns.dim(0)?).into_par_iter().map(|column| {
            let values: Vec<f64> = columns.get(column)?.to_dtype(DType::F64)?.to_vec1()?;
            fit::fit(&values, room, resolution)
        });
        // The first column's error, whichever thread is the first.
        let fitted: Vec<Result<Curve>> = fitted.collect();
        let fitted = fitted.into_iter().collect::<Result<Vec<_>>>()?;
        self.set(&fitted)
    }

    /// Makes the maps the identity again, as before a fit.
    ///
    /// # Errors
    /// When a device fails.
    pub fn reset(&self) -> Result<()> {
        let identity = Curve::affine(0.0, 1.0)?;
        self.set(&vec![identity; self.row_shape.iter().product()])
    }

    fn set(&self, curves: &[Curve]) -> Result<()> {
        let room = self.knots.var.dim(1)?;
        let kinds: Vec<f64> = curves
            .iter()
            .map(|curve| f64::from(u8::from(curve.kind() == Kind::Steps)))
            .collect();
        self.assign(&self.kinds, kinds)?;
        for (parameter, of) in [
            (&self.knots, Curve::knots as fn(&Curve) -> &[f64]),
            (&self.images, Curve::images),
            (&self.slopes, Curve::slopes),
        ] {
            let padded = |curve| {
                let values: &[f64] = of(curve);
                let last = values[values.len() - 1];
                values.iter().copied().chain(std::iter::repeat(last)).take(room)
            };
            self.assign(parameter, curves.iter().flat_map(padded).collect())?;
        }
        Ok(())
    }

    fn assign(&self, parameter: &Parameter, values: Vec<f64>) -> Result<()> {
        let tensor = Tensor::from_vec(values, parameter.var.shape(), &Device::Cpu)?;
        let tensor = tensor
            .to_dtype(parameter.var.dtype())?
            .to_device(parameter.var.device())?;
        Ok(parameter.var.set(&tensor)?)
    }

    /// The maps as they are stored; what a file put there need not be increasing.
    fn curves(&self) -> Result<Vec<Curve>> {
        let table = |parameter: &Parameter| parameter.var.to_dtype(DType::F64)?.to_vec2::<f64>();
        let kinds: Vec<f64> = self.kinds.var.to_dtype(DType::F64)?.to_vec1()?;
        let tables = [&self.knots, &self.images, &self.slopes].map(table);
        let [knots, images, slopes] = tables;
        let columns = knots?.into_iter().zip(images?).zip(slopes?).zip(kinds);
        let curve = |(((knots, images), slopes), kind)| {
            let kind = if kind == 0.0 { Kind::Spline } else { Kind::Steps };
            Curve::new(kind, knots, images, slopes)
        };
        columns.map(curve).collect()
    }

    fn apply(&self, input: &Tensor, inverse: bool) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        let maps = Maps::new(self.curves()?, inverse);
        let image = input
            .flatten_from(1)?
            .to_device(&Device::Cpu)?
            .apply_op1(maps)?
            .to_device(input.device())?;
        Transformed::of_columns(&image, input.shape())
    }
}

impl Bijection for MarginalMaps {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(x, false)
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.apply(z, true)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn buffers(&self) -> Vec<Parameter> {
        [&self.kinds, &self.knots, &self.images, &self.slopes]
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

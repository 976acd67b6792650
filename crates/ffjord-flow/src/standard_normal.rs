//! The standard normal distribution.

use crate::bijection::check_rows;
use crate::density::Density;
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor};
use rand_distr::Distribution;

/// `N(0, I)` on rows of a fixed shape.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Density, Pass, StandardNormal};
/// use rand::SeedableRng;
///
/// let base = StandardNormal::new(&[2], DType::F64, &Device::Cpu)?;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let origin = Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?;
/// let log_prob = base.log_prob(&origin, &mut Pass::evaluation(&mut rng))?.to_vec1::<f64>()?;
/// assert!((log_prob[0] + (2.0 * std::f64::consts::PI).ln()).abs() < 1e-14);
/// # Ok::<(), ffjord_flow::FlowError>(())
/// ```
#[derive(Debug, Clone)]
pub struct StandardNormal {
    row_shape: Vec<usize>,
    dtype: DType,
    device: Device,
}

impl StandardNormal {
    /// The distribution on rows of shape `row_shape`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements or a type that is not F32 or F64.
    pub fn new(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        if row_shape.is_empty() || row_shape.contains(&0) {
            return Err(FlowError::invalid(
                "row shape",
                format!("{row_shape:?}"),
                "one or more positive sizes",
            ));
        }
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(FlowError::invalid("type", format!("{dtype:?}"), "F32 or F64"));
        }
        Ok(Self {
            row_shape: row_shape.to_vec(),
            dtype,
            device: device.clone(),
        })
    }
}

impl Density for StandardNormal {
    /// `−½ ‖z‖² − ½ D ln 2π`.
    fn log_prob(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Tensor> {
        check_rows("batch", z, &self.row_shape)?;
        let dimension: usize = self.row_shape.iter().product();
        let constant = -0.5 * dimension as f64 * (2.0 * std::f64::consts::PI).ln();
        Ok(((z.flatten_from(1)?.sqr()?.sum(1)? * -0.5)? + constant)?)
    }

    fn sample(&self, rows: usize, pass: &mut Pass<'_>) -> Result<Tensor> {
        let count = rows * self.row_shape.iter().product::<usize>();
        let rng = pass.rng();
        let values: Vec<f64> = (0..count).map(|_| rand_distr::StandardNormal.sample(rng)).collect();
        let mut shape = vec![rows];
        shape.extend_from_slice(&self.row_shape);
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(self.dtype)?
            .to_device(&self.device)?)
    }

    fn row_shape(&self) -> &[usize] {
        &self.row_shape
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

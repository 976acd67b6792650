//! The order of columns or channels.

use crate::bijection::{Bijection, Transformed, check_rows};
use crate::channels;
use crate::error::{FlowError, Result};
use crate::pass::Pass;
use candle_core::{DType, Device, Tensor, Var};
use ffjord_nn::Parameter;
use rand::{Rng, RngCore};

/// `z_d = x_{π(d)}` with a fixed order π of the columns, or of an image's channels, which is saved as the buffer `order`,
/// `[D]` or `[C]`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_flow::{Bijection, Pass, Permutation};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let x = Tensor::new(&[[1.0, 2.0, 3.0]], &Device::Cpu)?;
/// let reversed = Permutation::reversed(&[3], DType::F64, &Device::Cpu)?;
/// assert_eq!(reversed.forward(&x, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?, [[3.0, 2.0, 1.0]]);
/// let random = Permutation::random(&[3], &mut rng, DType::F64, &Device::Cpu)?;
/// let z = random.forward(&x, &mut Pass::evaluation(&mut rng))?;
/// assert_eq!(z.log_det()?.to_vec1::<f64>()?, [0.0]);
/// assert_eq!(random.inverse(&z.value, &mut Pass::evaluation(&mut rng))?.value.to_vec2::<f64>()?, [[1.0, 2.0, 3.0]]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Permutation {
    row_shape: Vec<usize>,
    order: Var,
}

impl Permutation {
    /// The columns or channels of rows of this shape from the last to the first.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements.
    pub fn reversed(row_shape: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let order = (0..channels::count(row_shape)?).rev();
        Self::new(row_shape, order.collect(), dtype, device)
    }

    /// An order drawn from `rng`.
    ///
    /// # Errors
    /// [`FlowError::InvalidSetting`] for a row without elements.
    pub fn random(row_shape: &[usize], rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let count = channels::count(row_shape)?;
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, rng.random_range(0..=last));
        }
        Self::new(row_shape, order, dtype, device)
    }

    fn new(row_shape: &[usize], order: Vec<usize>, dtype: DType, device: &Device) -> Result<Self> {
        let order: Vec<f64> = order.into_iter().map(|column| column as f64).collect();
        let order = Tensor::new(order, device)?.to_dtype(dtype)?;
        Ok(Self {
            row_shape: row_shape.to_vec(),
            order: Var::from_tensor(&order)?,
        })
    }

    /// The order as it is stored, and its inverse; what a file put there need not be one.
    fn orders(&self) -> Result<(Vec<u32>, Vec<u32>)> {
        let stored: Vec<f64> = self.order.to_dtype(DType::F64)?.to_vec1()?;
        let count = stored.len();
        let mut inverse = vec![None; count];
        for (place, &column) in stored.iter().enumerate() {
            // A cast saturates, so that nothing but the column's own number comes back from it.
            match inverse.get_mut(column as usize) {
                Some(slot @ None) if column == (column as usize) as f64 => *slot = Some(place as u32),
                _ => {
                    return Err(FlowError::invalid(
                        "order of a permutation",
                        format!("{stored:?}"),
                        "every column from 0 on exactly once",
                    ));
                }
            }
        }
        let order = stored.iter().map(|&column| column as u32).collect();
        Ok((order, inverse.into_iter().flatten().collect()))
    }

    fn select(&self, input: &Tensor, order: Vec<u32>) -> Result<Transformed> {
        check_rows("batch", input, &self.row_shape)?;
        Ok(Transformed::new(
            input.index_select(&Tensor::new(order, input.device())?, 1)?,
            Tensor::zeros(input.dim(0)?, input.dtype(), input.device())?,
        ))
    }
}

impl Bijection for Permutation {
    fn forward(&self, x: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.select(x, self.orders()?.0)
    }

    fn inverse(&self, z: &Tensor, _pass: &mut Pass<'_>) -> Result<Transformed> {
        self.select(z, self.orders()?.1)
    }

    fn parameters(&self) -> Vec<Parameter> {
        Vec::new()
    }

    fn buffers(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: "order".to_string(),
            var: self.order.clone(),
        }]
    }

    fn is_fixed(&self) -> bool {
        true
    }

    fn input_shape(&self) -> &[usize] {
        &self.row_shape
    }
}

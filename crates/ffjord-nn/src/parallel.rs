//! Convolutional networks at several scales, side by side.

use crate::conv_net::{ConvNet, ConvNetConfig};
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::parameter::Parameter;
use candle_core::{DType, Device, Tensor};
use rand::RngCore;

/// The sum of convolutional networks, the k-th of which (from 0) sees the image squeezed k times more.
///
/// The original's parallel multiscale field has four of them. Parameters are named as there: `models.<k>.layers.…`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{ConvNetConfig, Parallel, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Parallel::new(&ConvNetConfig::new(1, (8, 8)).hidden([3]), 3, &mut rng, DType::F32, &Device::Cpu)?;
/// let z = Tensor::zeros((2, 1, 8, 8), DType::F32, &Device::Cpu)?;
/// assert_eq!(field.value(0.5, &z, None)?.dims(), &[2, 1, 8, 8]);
/// assert_eq!(field.parameters()[4].name, "models.1.layers.0._layer.weight");
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct Parallel {
    networks: Vec<ConvNet>,
    parameters: Vec<Parameter>,
}

impl Parallel {
    /// Networks of this architecture at so many scales.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] without a scale, or when height and width are no multiples of 2 for each squeeze;
    /// otherwise as [`ConvNet::new`].
    pub fn new(
        config: &ConvNetConfig,
        scales: usize,
        rng: &mut dyn RngCore,
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        if scales == 0 {
            return Err(NnError::InvalidArchitecture {
                reason: "a parallel network needs at least one scale".to_string(),
            });
        }
        let network = |scale| {
            let config = config.clone().num_squeeze(config.num_squeeze + scale);
            ConvNet::new(&config, &mut *rng, dtype, device)
        };
        let networks = (0..scales).map(network).collect::<Result<Vec<_>>>()?;
        let named = networks.iter().enumerate().flat_map(|(scale, network)| {
            let prefix = format!("models.{scale}");
            let parameters = network.parameters().iter();
            parameters.map(move |parameter| parameter.under(&prefix))
        });
        Ok(Self {
            parameters: named.collect(),
            networks,
        })
    }

    /// The sum of what `each` makes of a network.
    fn sum<S>(
        &self,
        mut each: impl FnMut(&ConvNet) -> Result<S>,
        add: impl Fn(S, S) -> Result<S>,
    ) -> Result<Option<S>> {
        let mut total = None;
        for network in &self.networks {
            let next = each(network)?;
            total = Some(match total {
                None => next,
                Some(total) => add(total, next)?,
            });
        }
        Ok(total)
    }
}

/// There is a network, as the constructor saw to.
fn no_networks() -> NnError {
    NnError::InvalidArchitecture {
        reason: "a parallel network has no scale".to_string(),
    }
}

impl VectorField for Parallel {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        self.networks[0].dtype()
    }

    fn device(&self) -> &Device {
        self.networks[0].device()
    }

    fn state_shape(&self) -> &[usize] {
        self.networks[0].state_shape()
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        self.sum(|network| network.dual(t, z, given), |a, b| a.add(&b))?
            .ok_or_else(no_networks)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        let each = |network: &ConvNet| network.total_derivative(t, z, direction, given);
        self.sum(each, |a, b| Ok((a + b)?))?.ok_or_else(no_networks)
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        let kernels: Option<Vec<_>> = self.networks.iter().map(VectorField::kernel).collect::<Result<_>>()?;
        kernels.map_or(Ok(None), FieldKernel::sum)
    }
}

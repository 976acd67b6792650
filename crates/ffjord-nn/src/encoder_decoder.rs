//! Networks cut in two at a hidden state.

use crate::bottleneck::Bottleneck;
use crate::conv_net::{self, ConvNet, ConvNetConfig};
use crate::dual::Dual;
use crate::error::{NnError, Result};
use crate::field::VectorField;
use crate::kernel::FieldKernel;
use crate::mlp::{self, Mlp, MlpConfig};
use crate::parameter::Parameter;
use crate::stack::Stack;
use candle_core::{DType, Device, Tensor};
use rand::RngCore;

/// A network of dense layers or convolutions cut in two, `f = g∘h`: of n hidden layers the first ⌊n/2⌋ + 1 are the
/// encoder h, each with its nonlinearity, and the rest is the decoder g (FFJORD, section 4.2). What stands between them
/// is the bottleneck, whatever its width: the trace of `(∂h/∂z)(∂g/∂h)` there is that of the Jacobian.
///
/// As a field it is the network itself, and runs on its kernel, which there is for the products at the bottleneck too.
/// Parameters are named as in the original implementation:
/// `encoder_layers.<l>.…`, then `decoder_layers.<l>.…`.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{EncoderDecoder, MlpConfig, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let config = MlpConfig::new(6).hidden([8, 2, 8]);
/// let field = EncoderDecoder::dense(&config, &mut rng, DType::F64, &Device::Cpu)?;
/// assert_eq!(field.bottleneck_shape(), Some(&[2][..]));
/// let (t, z) = (Tensor::new(&[0.5], &Device::Cpu)?, Tensor::ones((1, 6), DType::F64, &Device::Cpu)?);
/// let units = Tensor::eye(2, DType::F64, &Device::Cpu)?.reshape((2, 1, 2))?;
/// let (_, products) = field.through_bottleneck(&t, &z, None, &units)?;
/// let trace = (products * units)?.sum_all()?.to_scalar::<f64>()?;
/// assert!(trace.is_finite());
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
#[derive(Debug)]
pub struct EncoderDecoder {
    network: Network,
    bottleneck: Bottleneck,
    parameters: Vec<Parameter>,
}

#[derive(Debug)]
enum Network {
    Dense(Mlp),
    Convolutional(ConvNet),
}

impl Network {
    fn field(&self) -> &dyn VectorField {
        match self {
            Self::Dense(network) => network,
            Self::Convolutional(network) => network,
        }
    }

    fn stack(&self) -> &Stack {
        match self {
            Self::Dense(network) => network.stack(),
            Self::Convolutional(network) => network.stack(),
        }
    }
}

impl EncoderDecoder {
    /// A network of dense layers, cut in two.
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] without hidden layers, and as [`Mlp::new`].
    pub fn dense(config: &MlpConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let network = Mlp::new(config, rng, dtype, device)?;
        Self::cut(Network::Dense(network), &mlp::hidden_shapes(config))
    }

    /// A network of convolutions, cut in two.
    ///
    /// ```
    /// use candle_core::{DType, Device};
    /// use ffjord_nn::{ConvNetConfig, EncoderDecoder, Stride, VectorField};
    /// use rand::SeedableRng;
    ///
    /// let strides = [Stride::Halve, Stride::Halve, Stride::Double, Stride::Double];
    /// let config = ConvNetConfig::new(1, (8, 8)).hidden([4, 3, 4]).strides(strides);
    /// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
    /// let field = EncoderDecoder::convolutional(&config, &mut rng, DType::F32, &Device::Cpu)?;
    /// assert_eq!(field.bottleneck_shape(), Some(&[3, 2, 2][..]));            // 12 numbers in place of 64
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`NnError::InvalidArchitecture`] without hidden layers, and as [`ConvNet::new`].
    pub fn convolutional(config: &ConvNetConfig, rng: &mut dyn RngCore, dtype: DType, device: &Device) -> Result<Self> {
        let network = ConvNet::new(config, rng, dtype, device)?;
        Self::cut(Network::Convolutional(network), &conv_net::hidden_shapes(config)?)
    }

    fn cut(network: Network, hidden: &[Vec<usize>]) -> Result<Self> {
        // The hidden state behind the encoder's last layer.
        let last = hidden.len() / 2;
        let Some(shape) = hidden.get(last) else {
            return Err(NnError::InvalidArchitecture {
                reason: "an encoder and a decoder need a hidden layer between them: give one or more".to_string(),
            });
        };
        let parameters = network.field().parameters().iter();
        Ok(Self {
            bottleneck: Bottleneck::behind(last, shape),
            parameters: parameters.map(|parameter| renamed(parameter, last + 1)).collect(),
            network,
        })
    }
}

/// A parameter under its name in the encoder, which has so many layers, or in the decoder.
fn renamed(parameter: &Parameter, encoder: usize) -> Parameter {
    let place = parameter.name.strip_prefix("layers.").and_then(|rest| {
        let (layer, name) = rest.split_once('.')?;
        Some((layer.parse::<usize>().ok()?, name))
    });
    let name = match place {
        Some((layer, name)) if layer < encoder => format!("encoder_layers.{layer}.{name}"),
        Some((layer, name)) => format!("decoder_layers.{}.{name}", layer - encoder),
        None => parameter.name.clone(),
    };
    Parameter {
        name,
        var: parameter.var.clone(),
    }
}

impl VectorField for EncoderDecoder {
    fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    fn dtype(&self) -> DType {
        self.network.field().dtype()
    }

    fn device(&self) -> &Device {
        self.network.field().device()
    }

    fn state_shape(&self) -> &[usize] {
        self.network.field().state_shape()
    }

    fn given_len(&self) -> usize {
        self.network.field().given_len()
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual> {
        self.network.field().dual(t, z, given)
    }

    fn total_derivative(&self, t: &Tensor, z: &Tensor, direction: &Tensor, given: Option<&Tensor>) -> Result<Tensor> {
        self.network.field().total_derivative(t, z, direction, given)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        Some(self.bottleneck.shape())
    }

    fn through_bottleneck(
        &self,
        t: &Tensor,
        z: &Tensor,
        given: Option<&Tensor>,
        probes: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        self.network.stack().through(&self.bottleneck, t, z, given, probes)
    }

    fn kernel(&self) -> Result<Option<FieldKernel>> {
        self.network.field().kernel()
    }

    fn bottleneck_kernel(&self) -> Result<Option<FieldKernel>> {
        let layers = self.bottleneck.steps() / 2;
        match &self.network {
            Network::Dense(network) => network.kernel_cut_behind(layers),
            Network::Convolutional(network) => network.kernel_cut_behind(layers),
        }
    }
}

//! Fields that are constant at the start.

use crate::error::Result;
use crate::parameter::Parameter;

/// What makes the weights of a layer, whatever its type.
const WEIGHTS: [&str; 7] = [
    "_layer.weight",
    "_layer0.weight",
    "_layer1.weight",
    "_hypernet.weight",
    "_hypernet.bias",
    "_hypernet.2.weight",
    "_hypernet.2.bias",
];

/// What is added to a layer's output, whatever its type.
const BIASES: [&str; 5] = [
    "_layer.bias",
    "_layer0.bias",
    "_layer1.bias",
    "_hyper_bias.weight",
    "_hyper_bias.bias",
];

/// Sets the weights and biases of every network's last layer to zero, so that a field is zero at the start of training and
/// its flow changes nothing.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{LayerKind, Mlp, MlpConfig, VectorField, zero_field};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// for layer in LayerKind::ALL {
///     let field = Mlp::new(&MlpConfig::new(2).layer(layer), &mut rng, DType::F64, &Device::Cpu)?;
///     zero_field(field.parameters())?;
///     assert_eq!(field.value(0.5, &z, None)?.to_vec2::<f64>()?, [[0.0; 2]; 2], "{layer}");
/// }
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// # Errors
/// When a weight cannot be set.
pub fn zero_field(parameters: &[Parameter]) -> Result<()> {
    zero_last(parameters, &[&WEIGHTS[..], &BIASES[..]].concat())
}

/// Sets the weights of every network's last layer to zero, but not its bias: a field then does not depend on its state at
/// the start of training, so that the flow moves all rows alike and keeps volumes (Finlay et al. 2020, whose code does so).
///
/// Networks whose weights another network makes of time (`hyper`) get zeros for weights and bias at every time.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, VectorField, zero_last_layer};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2), &mut rng, DType::F64, &Device::Cpu)?;
/// zero_last_layer(field.parameters())?;
/// let z = Tensor::new(&[[0.3, -1.2], [0.5, 0.7]], &Device::Cpu)?;
/// let f = field.value(0.5, &z, None)?.to_vec2::<f64>()?;
/// assert_eq!(f[0], f[1]);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// # Errors
/// When a weight cannot be set.
pub fn zero_last_layer(parameters: &[Parameter]) -> Result<()> {
    zero_last(parameters, &WEIGHTS)
}

fn zero_last(parameters: &[Parameter], names: &[&str]) -> Result<()> {
    for parameter in parameters {
        let Some((network, layer, name)) = place(&parameter.name) else {
            continue;
        };
        let later = |other: &Parameter| {
            place(&other.name).is_some_and(|(of, number, _)| of == network && number > layer)
                || network.ends_with("encoder_layers")
        };
        if names.contains(&name) && !parameters.iter().any(later) {
            parameter.var.set(&parameter.var.zeros_like()?)?;
        }
    }
    Ok(())
}

/// The network, the layer's number in it and the rest of a name such as `models.2.layers.0._layer.weight`.
fn place(name: &str) -> Option<(&str, usize, &str)> {
    let end = name.rfind("layers.")? + "layers".len();
    let (number, rest) = name[end + 1..].split_once('.')?;
    Some((&name[..end], number.parse().ok()?, rest))
}

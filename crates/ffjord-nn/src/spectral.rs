//! Spectral normalisation of weights.

use crate::error::{NnError, Result};
use crate::parameter::Parameter;
use candle_core::{DType, Tensor};

/// Products with the weight and its transpose after which the power iteration ends at the latest.
const ITERATIONS: usize = 200;
/// The relative change between two iterations at which it ends.
const PRECISION: f64 = 1e-6;

/// The largest singular value of a weight taken as a matrix: its first axis against all others.
///
/// By power iteration in double precision from a fixed vector, so that the same weights give the same bits; a lower
/// bound that is close unless the two largest singular values are.
///
/// ```
/// use candle_core::{Device, Tensor};
///
/// let weight = Tensor::new(&[[3.0, 0.0, 0.0], [0.0, -5.0, 0.0]], &Device::Cpu)?;
/// assert!((ffjord_nn::spectral_norm(&weight)? - 5.0).abs() < 1e-4);
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// # Errors
/// When the tensor has no axis or cannot be read.
pub fn spectral_norm(weight: &Tensor) -> Result<f64> {
    let matrix = weight.detach().to_dtype(DType::F64)?;
    let rows = matrix.dim(0)?;
    let matrix = matrix.reshape((rows, matrix.elem_count() / rows.max(1)))?;
    let columns = matrix.dim(1)?;
    // No two entries alike, so that it is at right angles to hardly any singular vector.
    let start: Vec<f64> = (0..columns).map(|i| 1.0 + 0.5 * (1.0 + i as f64).sin()).collect();
    let mut vector = Tensor::from_vec(start, (columns, 1), matrix.device())?;
    let transposed = matrix.t()?.contiguous()?;
    let mut norm = 0.0f64;
    for _ in 0..ITERATIONS {
        let length = length(&vector)?;
        if length == 0.0 || !length.is_finite() {
            return Ok(length);
        }
        let image = matrix.matmul(&(vector / length)?)?;
        let next = self::length(&image)?;
        let settled = (next - norm).abs() <= PRECISION * next;
        norm = next;
        if settled {
            break;
        }
        vector = transposed.matmul(&image)?;
    }
    Ok(norm)
}

fn length(vector: &Tensor) -> Result<f64> {
    Ok(vector.sqr()?.sum_all()?.to_scalar::<f64>()?.sqrt())
}

/// Scales every layer's weight down to a spectral norm of at most `bound`; weights below it, biases and the vectors of
/// gates and time stay as they are.
///
/// Meant to follow every step of an optimiser: the projection of Gouk, Frank, Pfahringer and Cree (2021), where the
/// original implementation divides by the norm inside the network. With gates, which are at most 1, and nonlinearities
/// of slope at most 1, `bound` to the power of the number of layers bounds ‖J‖₂. The weights of `hyper` layers are made
/// by another network, whose own weights are bounded instead.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, VectorField, bound_spectral_norms, spectral_norm};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).hidden([4]), &mut rng, DType::F64, &Device::Cpu)?;
/// let weight = &field.parameters()[0].var;
/// weight.set(&Tensor::new(&[[3.0, 0.0], [0.0, 5.0], [0.0, 0.0], [0.0, 0.0]], &Device::Cpu)?)?;
/// bound_spectral_norms(field.parameters(), 2.0)?;
/// assert!((spectral_norm(weight)? - 2.0).abs() < 1e-4);
/// assert!((weight.to_vec2::<f64>()?[0][0] - 3.0 * 2.0 / 5.0).abs() < 1e-4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`NnError::InvalidArchitecture`] unless the bound is positive and finite; when a weight cannot be read.
pub fn bound_spectral_norms(parameters: &[Parameter], bound: f64) -> Result<()> {
    if !(bound.is_finite() && bound > 0.0) {
        return Err(NnError::InvalidArchitecture {
            reason: format!("a spectral norm of at most {bound} cannot be had: the bound must be positive and finite"),
        });
    }
    for parameter in parameters.iter().filter(|parameter| is_layer_weight(parameter)) {
        let norm = spectral_norm(&parameter.var)?;
        if norm > bound {
            parameter
                .var
                .set(&(parameter.var.as_detached_tensor() * (bound / norm))?)?;
        }
    }
    Ok(())
}

/// Whether a parameter is the weight of a layer, which all layer types name alike, and no vector of a gate or of time.
fn is_layer_weight(parameter: &Parameter) -> bool {
    let in_layer = ["_layer.", "_layer0.", "_layer1.", "_hypernet."]
        .iter()
        .any(|part| parameter.name.contains(part));
    in_layer && parameter.name.ends_with("weight") && parameter.var.rank() >= 2
}

//! What can go wrong in a variational autoencoder.

use candle_core::Shape;

/// Errors of this crate.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::ops::Function;
/// use ffjord_vae::{DenseEncoder, VaeError};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let refused = DenseEncoder::new(&[4], &[16], 0, Function::Tanh, &mut rng, DType::F32, &Device::Cpu).unwrap_err();
/// assert!(matches!(&refused, VaeError::InvalidSetting { given, .. } if given == "0"));
/// assert!(refused.to_string().contains("is 0: accepted is"), "{refused}");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaeError {
    /// A tensor operation failed (device, memory, shape).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A posterior's flow could not be built or solved.
    #[error(transparent)]
    Flow(#[from] ffjord_flow::FlowError),
    /// A network could not be built or loaded.
    #[error(transparent)]
    Network(#[from] ffjord_nn::NnError),
    /// An input does not have the shape that the model works on.
    #[error("the {what} has shape {given:?}, but {expected} is needed")]
    InputShape {
        /// Which input.
        what: &'static str,
        /// Its shape.
        given: Shape,
        /// The accepted shape in words.
        expected: String,
    },
    /// A setting is outside its range.
    #[error("{setting} is {given}: accepted is {accepted}")]
    InvalidSetting {
        /// Which setting.
        setting: &'static str,
        /// Its value.
        given: String,
        /// The accepted values in words.
        accepted: &'static str,
    },
    /// The parts of a model do not fit together.
    #[error("the parts do not fit together: {reason}")]
    Parts {
        /// What does not fit, and what would.
        reason: String,
    },
}

/// A result with this crate's error.
pub type Result<T, E = VaeError> = std::result::Result<T, E>;

impl From<VaeError> for ffjord_train::TrainError {
    fn from(error: VaeError) -> Self {
        match error {
            VaeError::Tensor(error) => Self::Tensor(error),
            VaeError::Flow(error) => Self::Flow(error),
            VaeError::Network(error) => Self::Network(error),
            other => Self::own("the variational autoencoder failed", other),
        }
    }
}

/// Fails unless `tensor` is a batch of rows of this shape.
pub(crate) fn check_rows(what: &'static str, tensor: &candle_core::Tensor, row: &[usize]) -> Result<usize> {
    match tensor.dims() {
        [rows, shape @ ..] if shape == row => Ok(*rows),
        _ => Err(VaeError::InputShape {
            what,
            given: tensor.shape().clone(),
            expected: format!("a batch axis followed by {row:?}"),
        }),
    }
}

/// Fails unless a number is at least 1.
pub(crate) fn check_positive(setting: &'static str, given: usize) -> Result<()> {
    match given {
        0 => Err(VaeError::InvalidSetting {
            setting,
            given: "0".to_string(),
            accepted: "a whole number from 1",
        }),
        _ => Ok(()),
    }
}

//! What can go wrong when a network is built, loaded or evaluated.

use candle_core::{DType, Shape};

/// Errors of this crate.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Mlp, MlpConfig, NnError, VectorField};
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let field = Mlp::new(&MlpConfig::new(2).given(3), &mut rng, DType::F64, &Device::Cpu)?;
/// let nothing = field.value(0.0, &Tensor::zeros((1, 2), DType::F64, &Device::Cpu)?, None);
/// assert!(matches!(nothing, Err(NnError::NothingGiven { width: 3 })));
/// let wrong = field.value(0.0, &Tensor::zeros((1, 5), DType::F64, &Device::Cpu)?, None).unwrap_err().to_string();
/// assert!(wrong.contains("has shape [1, 5]"), "{wrong}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NnError {
    /// A tensor operation failed (device, memory, shape).
    #[error("tensor operation failed: {0}")]
    Tensor(#[from] candle_core::Error),
    /// A fused kernel refused its arguments, or a name of a layer type, a nonlinearity or a stride is not known.
    #[error(transparent)]
    Kernel(#[from] ffjord_kernels::KernelError),
    /// A network was described in a way that cannot be built.
    #[error("cannot build the network: {reason}")]
    InvalidArchitecture {
        /// What does not fit, and what would.
        reason: String,
    },
    /// A network does not have what is asked of it.
    #[error("the network lacks {what}: {remedy}")]
    Unsupported {
        /// What it is asked for.
        what: &'static str,
        /// What would give it to it.
        remedy: &'static str,
    },
    /// An input tensor does not have the shape that the network works on.
    #[error("the {what} has shape {given:?}, but {expected} is needed")]
    InputShape {
        /// Which input.
        what: &'static str,
        /// Its shape.
        given: Shape,
        /// The accepted shape in words.
        expected: String,
    },
    /// An input tensor is of another floating-point type than the weights.
    #[error("the {what} is of type {given:?} but the weights are {expected:?}: convert one of them with `to_dtype`")]
    InputType {
        /// Which input.
        what: &'static str,
        /// Its type.
        given: DType,
        /// The weights' type.
        expected: DType,
    },
    /// A field whose rows must be given something was used without it.
    #[error("every row must be given {width} numbers beside its state (a condition), but nothing was given")]
    NothingGiven {
        /// How many numbers.
        width: usize,
    },
    /// A field's products are not those of its Jacobian.
    #[error("the field's tangents are wrong: {fault}")]
    WrongTangents {
        /// What was found, and what to look for.
        fault: String,
    },
    /// A field of your own failed for a reason of its own.
    #[error("the vector field failed: {0}")]
    Field(Box<dyn std::error::Error + Send + Sync>),
    /// Stored tensors do not fit the parameters they are to be loaded into.
    #[error("stored tensors do not fit the model: {}", mismatch(.missing, .unexpected, .misshapen))]
    ParameterMismatch {
        /// Parameters that no stored tensor has the name of.
        missing: Vec<String>,
        /// Stored names that no parameter has.
        unexpected: Vec<String>,
        /// Parameters whose stored tensor has another shape, with both shapes in words.
        misshapen: Vec<String>,
    },
}

/// A result with this crate's error.
pub type Result<T, E = NnError> = std::result::Result<T, E>;

fn mismatch(missing: &[String], unexpected: &[String], misshapen: &[String]) -> String {
    [
        ("missing", missing),
        ("unexpected", unexpected),
        ("of another shape", misshapen),
    ]
    .iter()
    .filter(|(_, names)| !names.is_empty())
    .map(|(what, names)| format!("{what}: {}", names.join(", ")))
    .collect::<Vec<_>>()
    .join("; ")
}

/// The error of a network that lost the tangents on the way.
pub(crate) fn dropped_tangents() -> NnError {
    NnError::InvalidArchitecture {
        reason: "the network dropped the tangents: it must apply every operation to the whole dual".to_string(),
    }
}

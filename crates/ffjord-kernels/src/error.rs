//! What can be wrong with the arguments of a kernel.

use crate::convolution::ImageShape;
use std::fmt::Display;
use thiserror::Error;

/// Why a kernel refused its arguments.
///
/// ```
/// use ffjord_kernels::mlp::MlpArchitecture;
/// use ffjord_kernels::{ActivationKind, KernelError, LayerKind};
/// let refused = MlpArchitecture::new(&[2, 0, 2], LayerKind::Concat, ActivationKind::Tanh).unwrap_err();
/// assert_eq!(refused, KernelError::Dimensions(vec![2, 0, 2]));
/// assert!(refused.to_string().contains("[2, 0, 2] do not describe a network"));
/// let refused = "gelu".parse::<ActivationKind>().unwrap_err().to_string();
/// assert!(refused.contains("`gelu`") && refused.contains("softplus"), "{refused}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// A network needs an input and an output dimension, all of them positive.
    #[error("dimensions {0:?} do not describe a network: give at least an input and an output dimension, all positive")]
    Dimensions(Vec<usize>),
    /// A vector field has as many outputs as its state has numbers, which are inputs.
    #[error(
        "a network with {inputs} inputs and {outputs} outputs is no vector field: \
         give a state of {outputs} numbers, and whatever its rows are given beside it, as inputs"
    )]
    Outputs {
        /// Input dimension.
        inputs: usize,
        /// Output dimension.
        outputs: usize,
    },
    /// One stride for every convolution.
    #[error("{given} strides were given for {layers} convolutions: give one for each, one more than hidden layers")]
    Strides {
        /// How many were given.
        given: usize,
        /// How many convolutions there are.
        layers: usize,
    },
    /// A name in a configuration or file is not known.
    #[error("unknown {kind} `{given}`: accepted are {accepted}")]
    UnknownName {
        /// What was being named, for example `layer type`.
        kind: &'static str,
        /// The name that was given.
        given: String,
        /// The names that are accepted, separated by commas.
        accepted: String,
    },
    /// An odd or empty size is to be halved.
    #[error("a stride of 2 needs an even image size, but the layer's input has {0} pixels a side")]
    OddSize(usize),
    /// An image is empty, or has an odd size that is to be halved.
    #[error(
        "convolution {layer} cannot take images of {height}×{width}: sizes must be positive, and even to be halved"
    )]
    ImageSize {
        /// Which convolution.
        layer: usize,
        /// Height of its input.
        height: usize,
        /// Width of its input.
        width: usize,
    },
    /// A convolution of images has a size of 0, or a kernel larger than the padded image.
    #[error(
        "{0:?} is no convolution: sizes and stride must be positive, and the kernel no larger than the padded image"
    )]
    ImageShape(ImageShape),
    /// Channels that cannot be put into so many groups.
    #[error(
        "{channels} channels cannot be put into {groups} groups for a normalisation: give images with pixels, and a number \
         of groups that divides that of channels"
    )]
    Groups {
        /// The channels of an image.
        channels: usize,
        /// The groups that were asked for.
        groups: usize,
    },
    /// A class that there is none of.
    #[error("class {given} was chosen of {classes}: they are counted from 0")]
    Class {
        /// The class that was chosen.
        given: usize,
        /// How many there are.
        classes: usize,
    },
    /// The strides do not lead back to the size of the state.
    #[error("the strides lead from images of {from:?} to {to:?}: a vector field must end at the size it began with")]
    ImageReturn {
        /// Height and width of the state.
        from: (usize, usize),
        /// Height and width behind the last convolution.
        to: (usize, usize),
    },
    /// Channels that cannot be those of a squeezed image.
    #[error(
        "{channels} channels are not those of images squeezed {squeezes} times: give a multiple of 4 for each squeeze"
    )]
    Squeezes {
        /// How many squeezes.
        squeezes: usize,
        /// The channels of the first layer.
        channels: usize,
    },
    /// One type for every layer.
    #[error("{given} layer types were given for {layers} layers: give one for each layer")]
    Kinds {
        /// How many were given.
        given: usize,
        /// How many layers there are.
        layers: usize,
    },
    /// No hidden state lies behind so many layers, or rows have parts of the layers for themselves.
    #[error(
        "a network of {layers} layers, whose rows have {own} numbers of their own, cannot be cut behind {given} layers: \
         give at least 1 and fewer than all, and a network whose rows have no numbers of their own"
    )]
    Cut {
        /// Layers before the cut.
        given: usize,
        /// How many layers there are.
        layers: usize,
        /// The numbers that every row has for itself in all layers.
        own: usize,
    },
    /// A slice has the wrong length.
    #[error("{what} has {given} numbers where {expected} are needed")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        given: usize,
        /// The length it must have.
        expected: usize,
    },
    /// A slice is no whole number of rows.
    #[error("{what} has {given} numbers, which is no multiple of {of}: give whole rows")]
    NotWhole {
        /// Which argument.
        what: &'static str,
        /// Its length.
        given: usize,
        /// What it must be a multiple of.
        of: usize,
    },
    /// More rows than the buffers were made for.
    #[error(
        "{rows} rows with {tangents} tangents do not fit into buffers for {max_rows} stacked rows: \
         make the workspace and the tape for at least rows × (1 + tangents) = {} rows", rows * (1 + tangents)
    )]
    Capacity {
        /// Rows of the call.
        rows: usize,
        /// Tangents of the call.
        tangents: usize,
        /// Stacked rows the buffers hold.
        max_rows: usize,
    },
    /// A workspace, tape or gradient of another network.
    #[error("the {0} was made for a network of another shape: make it with this kernel")]
    Foreign(&'static str),
    /// The trace of this kernel has no closed form.
    #[error("this kernel has no trace in closed form: use unit tangents")]
    NoExactTrace,
    /// A tape nothing has been recorded on.
    #[error("the tape is empty: record a forward pass on it before the reverse pass")]
    EmptyTape,
}

/// Parses `given` against the names of all values of an enumeration.
pub(crate) fn parse_name<T: Copy + Display>(kind: &'static str, given: &str, all: &[T]) -> Result<T, KernelError> {
    all.iter()
        .copied()
        .find(|value| value.to_string() == given)
        .ok_or_else(|| KernelError::UnknownName {
            kind,
            given: given.to_string(),
            accepted: all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        })
}

pub(crate) fn check_length(what: &'static str, given: usize, expected: usize) -> Result<(), KernelError> {
    if given == expected {
        Ok(())
    } else {
        Err(KernelError::Length { what, given, expected })
    }
}

pub(crate) fn whole_rows(what: &'static str, given: usize, of: usize) -> Result<usize, KernelError> {
    if given.is_multiple_of(of) {
        Ok(given / of)
    } else {
        Err(KernelError::NotWhole { what, given, of })
    }
}

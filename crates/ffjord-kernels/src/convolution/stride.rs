//! How a convolution changes the size of an image.

use crate::KernelError;

/// How a convolution changes the size of an image; height and width change alike.
///
/// In configuration files these are the numbers 1, 2 and −2 of the original implementation. Matches on it are meant to
/// name every stride.
///
/// ```
/// use ffjord_kernels::Stride;
/// assert_eq!(Stride::try_from(2)?.output_size(8)?, 4);
/// assert!(Stride::Halve.output_size(7).is_err());
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stride {
    /// 1: a 3×3 kernel with padding 1 keeps the size.
    Keep,
    /// 2: a 4×4 kernel with stride 2 and padding 1 halves the size.
    Halve,
    /// −2: the transposed 4×4 convolution with stride 2 and padding 1 doubles the size.
    Double,
}

impl TryFrom<i64> for Stride {
    type Error = KernelError;

    fn try_from(number: i64) -> Result<Self, KernelError> {
        match number {
            1 => Ok(Self::Keep),
            2 => Ok(Self::Halve),
            -2 => Ok(Self::Double),
            _ => Err(KernelError::UnknownName {
                kind: "stride",
                given: number.to_string(),
                accepted: "1 (3×3), 2 (4×4, halves), -2 (4×4 transposed, doubles)".to_string(),
            }),
        }
    }
}

impl Stride {
    /// The image size behind the convolution.
    ///
    /// # Errors
    /// [`KernelError::OddSize`] when an odd or empty size is to be halved.
    pub fn output_size(self, size: usize) -> Result<usize, KernelError> {
        match self {
            Self::Keep => Ok(size),
            Self::Double => Ok(2 * size),
            Self::Halve if size > 0 && size.is_multiple_of(2) => Ok(size / 2),
            Self::Halve => Err(KernelError::OddSize(size)),
        }
    }

    /// The kernel's height and width.
    #[must_use]
    pub fn kernel_size(self) -> usize {
        match self {
            Self::Keep => 3,
            Self::Halve | Self::Double => 4,
        }
    }
}

//! Devices by their names in configurations and on the command line.

use crate::backend::CudaBackend;
use crate::error::CudaError;
use crate::gpu::Gpu;
use ffjord_flow::{Backend, CpuBackend};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Where solves are carried out: `cpu`, `cuda` (the first card) or `cuda:N`.
///
/// ```
/// use ffjord_cuda::DeviceName;
/// assert_eq!("cuda".parse::<DeviceName>()?, DeviceName::Cuda(0));
/// assert_eq!(DeviceName::Cuda(1).to_string(), "cuda:1");
/// assert!("gpu".parse::<DeviceName>().is_err());
/// # Ok::<(), ffjord_cuda::CudaError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceName {
    /// The processor.
    #[default]
    Cpu,
    /// The card of this number.
    Cuda(usize),
}

impl DeviceName {
    /// The backend of this device; kernels compiled for a card are kept in the user's folder for caches.
    ///
    /// # Errors
    /// [`CudaError::Unavailable`] where the card, its driver or NVRTC is not there.
    ///
    /// ```
    /// use ffjord_cuda::DeviceName;
    /// use ffjord_flow::Cnf;
    ///
    /// let cnf = Cnf::builder(2).build()?.with_backend(DeviceName::Cpu.backend()?);
    /// # let _ = cnf;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backend(self) -> Result<Arc<dyn Backend>, CudaError> {
        Ok(match self {
            Self::Cpu => Arc::new(CpuBackend::default()),
            Self::Cuda(ordinal) => Arc::new(CudaBackend::new(Arc::new(Self::card(ordinal)?))),
        })
    }

    fn card(ordinal: usize) -> Result<Gpu, CudaError> {
        let card = Gpu::new(ordinal)?;
        Ok(match dirs::cache_dir() {
            Some(folder) => card.with_cache(folder.join("ffjord").join("kernels")),
            None => card,
        })
    }

    /// Whether it is the processor.
    #[must_use]
    pub fn is_cpu(&self) -> bool {
        *self == Self::Cpu
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(ordinal) => write!(formatter, "cuda:{ordinal}"),
        }
    }
}

impl FromStr for DeviceName {
    type Err = CudaError;

    fn from_str(given: &str) -> Result<Self, CudaError> {
        let ordinal = match given {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => given.strip_prefix("cuda:").and_then(|ordinal| ordinal.parse().ok()),
        };
        ordinal.map(Self::Cuda).ok_or_else(|| CudaError::UnknownDevice {
            given: given.to_string(),
        })
    }
}

impl TryFrom<String> for DeviceName {
    type Error = CudaError;

    fn try_from(given: String) -> Result<Self, CudaError> {
        given.parse()
    }
}

impl From<DeviceName> for String {
    fn from(device: DeviceName) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_is_not_there_is_refused_with_what_is_missing() {
        let message = match DeviceName::Cuda(999).backend() {
            Ok(_) => panic!("there are not so many cards"),
            Err(error) => error.to_string(),
        };
        assert!(message.contains("doctor"), "{message}");
    }
}

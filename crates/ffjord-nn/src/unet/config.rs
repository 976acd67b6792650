//! The architecture of a U-Net.

use crate::error::{NnError, Result};
use serde::{Deserialize, Serialize};

/// The architecture of a [`UNet`](crate::UNet).
///
/// ```
/// use ffjord_nn::UNetConfig;
///
/// let config: UNetConfig = serde_json::from_str(r#"{"channels": 1, "size": [28, 28], "widths": [32, 64, 128]}"#)?;
/// assert_eq!(config, UNetConfig::new(1, (28, 28)));
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// Two resolutions of 8 and 16 channels:
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{UNet, UNetConfig, VectorField};
/// use rand::SeedableRng;
///
/// let config = UNetConfig::new(1, (4, 4)).widths([8, 16]).blocks(1).groups(4).attention(true);
/// let field = UNet::new(&config, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0), DType::F32, &Device::Cpu)?;
/// let z = Tensor::zeros((2, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(field.value(0.5, &z, None)?.dims(), &[2, 1, 4, 4]);
/// // Groups must divide every width.
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// assert!(UNet::new(&config.groups(3), &mut rng, DType::F32, &Device::Cpu).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UNetConfig {
    /// The state's channels C.
    pub channels: usize,
    /// The state's height and width, multiples of 2 for every width but the first.
    pub size: (usize, usize),
    /// The channels at each resolution, the state's own first; each is half as high and wide as the one before.
    pub widths: Vec<usize>,
    /// Residual blocks at each resolution on the way down; on the way up there is one. 2 unless set.
    #[serde(default = "two")]
    pub blocks: usize,
    /// The groups of channels that are normalised together, which divide every width. 8 unless set.
    #[serde(default = "eight")]
    pub groups: usize,
    /// Whether the pixels of the lowest resolution see each other.
    #[serde(default)]
    pub attention: bool,
}

fn two() -> usize {
    2
}

fn eight() -> usize {
    8
}

impl UNetConfig {
    /// 32, 64 and 128 channels on states of these channels and this height and width, without attention.
    #[must_use]
    pub fn new(channels: usize, size: (usize, usize)) -> Self {
        Self {
            channels,
            size,
            widths: vec![32, 64, 128],
            blocks: two(),
            groups: eight(),
            attention: false,
        }
    }

    /// The same with these channels, one number a resolution.
    #[must_use]
    pub fn widths(mut self, widths: impl Into<Vec<usize>>) -> Self {
        self.widths = widths.into();
        self
    }

    /// The same with so many blocks a resolution.
    #[must_use]
    pub fn blocks(mut self, blocks: usize) -> Self {
        self.blocks = blocks;
        self
    }

    /// The same with so many groups in every normalisation.
    #[must_use]
    pub fn groups(mut self, groups: usize) -> Self {
        self.groups = groups;
        self
    }

    /// The same with self-attention at the lowest resolution, or without.
    #[must_use]
    pub fn attention(mut self, attention: bool) -> Self {
        self.attention = attention;
        self
    }

    /// The numbers that time becomes.
    pub(super) fn embedding(&self) -> usize {
        4 * self.widths.first().copied().unwrap_or(1)
    }

    pub(super) fn check(&self) -> Result<()> {
        let invalid = |reason: String| Err(NnError::InvalidArchitecture { reason });
        let (height, width) = self.size;
        let positive = [self.channels, height, width, self.blocks, self.groups];
        if positive.contains(&0) || self.widths.is_empty() || self.widths.contains(&0) {
            return invalid(format!(
                "a U-Net of {} channels of {height}×{width} with widths {:?}, {} blocks and {} groups: every number must be at \
                 least 1, and there must be a width",
                self.channels, self.widths, self.blocks, self.groups
            ));
        }
        if let Some(odd) = self.widths.iter().find(|width| !width.is_multiple_of(self.groups)) {
            return invalid(format!(
                "{odd} channels cannot be normalised in {} groups: give widths that are multiples of it, or another number \
                 of groups",
                self.groups
            ));
        }
        let halvings = self.widths.len() - 1;
        let cell = u32::try_from(halvings)
            .ok()
            .and_then(|halvings| 2usize.checked_pow(halvings));
        match cell {
            Some(cell) if height.is_multiple_of(cell) && width.is_multiple_of(cell) => Ok(()),
            _ => invalid(format!(
                "images of {height}×{width} cannot be halved {halvings} times: give fewer widths, or sides that are multiples \
                 of a power of 2 for each"
            )),
        }
    }
}

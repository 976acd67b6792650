//! Reference files: tensors with a description of the case.

use super::vae::VaeCase;
use crate::error::{Result, StudyError};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a reference file is about.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Case {
    /// A fully connected vector field at one time.
    Mlp {
        /// Layer type.
        layer: String,
        /// Nonlinearity.
        activation: String,
        /// Dimension of the state.
        dim: usize,
        /// Hidden widths.
        hidden: Vec<usize>,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// A convolutional vector field at one time.
    Conv {
        /// Layer type.
        layer: String,
        /// Nonlinearity.
        activation: String,
        /// Channels of the state.
        channels: usize,
        /// Height and width of the state.
        size: usize,
        /// Hidden channels.
        hidden: Vec<usize>,
        /// Strides, one a layer.
        strides: Vec<i64>,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// A chain of continuous flows.
    Flow {
        /// Layer type.
        layer: String,
        /// Nonlinearity.
        activation: String,
        /// Dimension of the state.
        dim: usize,
        /// Hidden widths.
        hidden: Vec<usize>,
        /// Number of flows.
        blocks: usize,
        /// End time of each.
        #[serde(rename = "T")]
        end_time: f64,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// A variational autoencoder.
    Vae(Box<VaeCase>),
}

/// A reference file.
#[derive(Debug)]
pub struct ReferenceFile {
    path: PathBuf,
    /// What it is about.
    pub case: Case,
    tensors: BTreeMap<String, Tensor>,
}

impl ReferenceFile {
    /// Reads a safetensors file whose metadata key `case` holds a JSON object.
    ///
    /// # Errors
    /// When the file is damaged or describes no case.
    pub fn open(path: &Path) -> Result<Self> {
        let fail = |reason: String| StudyError::Reference {
            path: path.to_path_buf(),
            reason,
        };
        let bytes = std::fs::read(path).map_err(StudyError::io("read", path))?;
        let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes)
            .map_err(|error| fail(format!("this is no safetensors file: {error}")))?;
        let case = metadata
            .metadata()
            .as_ref()
            .and_then(|metadata| metadata.get("case"))
            .ok_or_else(|| fail("its metadata have no key `case`".to_string()))?;
        let case = serde_json::from_str(case).map_err(|error| fail(format!("its case is not understood: {error}")))?;
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu)?
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(DType::F64)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            path: path.to_path_buf(),
            case,
            tensors,
        })
    }

    /// A tensor by name.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        let missing = || self.refuse(format!("it has no tensor `{name}`"));
        self.tensors.get(name).ok_or_else(missing)
    }

    /// What is wrong with this file, as an error.
    pub(super) fn refuse(&self, reason: impl Into<String>) -> StudyError {
        StudyError::Reference {
            path: self.path.clone(),
            reason: reason.into(),
        }
    }

    /// All tensors whose names begin with `prefix`, without it, in a number type.
    ///
    /// # Errors
    /// When a tensor cannot be converted.
    pub fn under_as(&self, prefix: &str, dtype: DType) -> Result<BTreeMap<String, Tensor>> {
        let tensors = self.under(prefix).into_iter();
        tensors
            .map(|(name, tensor)| Ok((name, tensor.to_dtype(dtype)?)))
            .collect()
    }

    /// All tensors whose names begin with `prefix`, without it.
    fn under(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone())))
            // One learned β is shared by all layers; copies under later names say nothing new.
            .filter(|(name, _)| !name.contains("activation_fns.") || name.contains("activation_fns.0."))
            .collect()
    }
}

//! Reference files: tensors with a description of the case.

use super::vae::VaeCase;
use crate::error::{Result, StudyError};
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a reference file is about.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
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
        /// Hidden channels.
        hidden: Vec<usize>,
        /// Strides, one a layer.
        strides: Vec<i64>,
        /// How often the state is squeezed before the first layer.
        #[serde(default)]
        num_squeeze: usize,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// An encoder and a decoder at one time, with the trace at the bottleneck.
    Autoencoder {
        /// Whether its layers are convolutions.
        conv: bool,
        /// Layer type.
        layer: String,
        /// Nonlinearity.
        activation: String,
        /// Widths or channels of the hidden layers.
        hidden: Vec<usize>,
        /// Strides of convolutions, one a layer.
        #[serde(default)]
        strides: Option<Vec<i64>>,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// Convolutional networks at several scales side by side, at one time.
    Parallel {
        /// Layer type.
        layer: String,
        /// Nonlinearity.
        activation: String,
        /// Hidden channels.
        hidden: Vec<usize>,
        /// The number of scales.
        scales: usize,
        /// Whether the state is subtracted.
        #[serde(default)]
        residual: bool,
    },
    /// Pixels that become channels.
    Squeeze {
        /// The side of a cell.
        factor: usize,
        /// How many squeezes, one after the other.
        #[serde(default = "once")]
        times: usize,
    },
    /// The logit.
    Logit {
        /// Its margin.
        alpha: f64,
    },
    /// The shift that stands for a logit without a margin.
    Zeromean,
    /// Moving batch normalisation.
    Batchnorm {
        /// The part of a batch in the statistics of training; none of it for 0.
        bn_lag: f64,
        /// Whether it is a training pass.
        training: bool,
    },
    /// A flow of images at several scales.
    Multiscale(ImageCase),
    /// A flow of images at one scale.
    ImageFlow(ImageCase),
    /// A flow of images at one scale, whose field has several.
    ParallelFlow(ImageCase),
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

fn once() -> usize {
    1
}

fn convolutions() -> bool {
    true
}

/// A flow of images.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ImageCase {
    /// The number of flows; at several scales, that before and after each squeeze.
    pub blocks: usize,
    /// Hidden channels or widths.
    pub hidden: Vec<usize>,
    /// Strides, one a layer; all 1 if absent.
    #[serde(default)]
    pub strides: Option<Vec<i64>>,
    /// Layer type.
    pub layer: String,
    /// Nonlinearity.
    pub activation: String,
    /// Whether networks are convolutions; without them images are rows of numbers.
    #[serde(default = "convolutions")]
    pub conv: bool,
    /// The margin of the logit; 0 or less stands for a shift in its place.
    pub alpha: f64,
    /// Whether networks are cut in two, with the trace at the bottleneck.
    #[serde(default)]
    pub autoencode: bool,
    /// Whether batch normalisation comes last.
    #[serde(default)]
    pub batch_norm: bool,
    /// Whether the state is subtracted.
    #[serde(default)]
    pub residual: bool,
    /// The number of scales.
    #[serde(default)]
    pub scales: Option<usize>,
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

    /// Whether there is a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
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
    pub(super) fn under(&self, prefix: &str) -> BTreeMap<String, Tensor> {
        self.tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?.to_string(), tensor.clone())))
            // One learned β is shared by all layers; copies under later names say nothing new.
            .filter(|(name, _)| !name.contains("activation_fns.") || name.contains("activation_fns.0."))
            .collect()
    }

    /// The shape of a row of a batch.
    ///
    /// # Errors
    /// When there is no such batch.
    pub(super) fn row_shape(&self, batch: &str) -> Result<Vec<usize>> {
        let dims = self.get(batch)?.dims();
        Ok(dims.get(1..).unwrap_or_default().to_vec())
    }
}

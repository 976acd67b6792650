//! Comparison with reference vectors of the original implementation.

mod case;
mod checkpoint;
mod flow;
mod image_flow;
mod network;
mod path;
mod transform;
mod vae;
mod vector_field;

pub use case::{Case, ImageCase, ReferenceFile};
pub use path::{Path, Subject};

use crate::error::{Result, StudyError};
use candle_core::{DType, Tensor};
use checkpoint::{compare_checkpoint, is_checkpoint};
use flow::compare_flow;
use image_flow::compare_image_flow;
use std::path::PathBuf;
use transform::compare_transform;
use vae::compare_vae;
use vector_field::compare_field;

/// The files to compare with of a folder, in the order of their names: `.safetensors` files, and `.pth` checkpoints with an
/// `.npz` file of densities beside them.
///
/// # Errors
/// When the folder cannot be read or holds no such file.
pub fn reference_files(directory: &std::path::Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory).map_err(StudyError::io("read", directory))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "safetensors") || is_checkpoint(path))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(StudyError::Reference {
            path: directory.to_path_buf(),
            reason: "this folder has no .safetensors file to compare with".to_string(),
        });
    }
    Ok(files)
}

/// Every quantity of a reference file beside ours. Transforms and checkpoints are compared in double precision whatever the
/// subject: no kernel is part of the former, and the latter are loaded so.
///
/// # Errors
/// When the file cannot be read, its case cannot be built, or a solve fails.
pub fn compare(path: &std::path::Path, subject: Subject) -> Result<Vec<Comparison>> {
    if is_checkpoint(path) {
        return compare_checkpoint(path);
    }
    let file = ReferenceFile::open(path)?;
    match &file.case {
        Case::Mlp { .. } | Case::Conv { .. } | Case::Autoencoder { .. } | Case::Parallel { .. } => {
            compare_field(&file, subject)
        }
        Case::Flow { .. } => compare_flow(&file, subject),
        Case::Squeeze { .. } | Case::Logit { .. } | Case::Zeromean | Case::Batchnorm { .. } => compare_transform(&file),
        Case::Multiscale(_) | Case::ImageFlow(_) | Case::ParallelFlow(_) => compare_image_flow(&file, subject),
        Case::Vae(case) => compare_vae(&file, case),
    }
}

/// What a file is compared along a path in: maps of images, variational autoencoders and checkpoints in double precision
/// alone.
///
/// # Errors
/// When the file cannot be read.
pub fn subjects(file: &std::path::Path, path: Path) -> Result<Vec<Subject>> {
    let double_alone = is_checkpoint(file)
        || matches!(
            ReferenceFile::open(file)?.case,
            Case::Squeeze { .. } | Case::Logit { .. } | Case::Zeromean | Case::Batchnorm { .. } | Case::Vae(_)
        );
    let all = Subject::all(path).into_iter();
    Ok(all
        .filter(|subject| !double_alone || subject.dtype == DType::F64)
        .collect())
}

/// One compared quantity.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Its name.
    pub quantity: String,
    /// The largest difference relative to the largest reference value.
    pub error: f64,
    /// The largest error that is accepted.
    pub limit: f64,
}

impl Comparison {
    /// Compares `ours` with `reference`, which must have as many elements.
    ///
    /// # Errors
    /// When the tensors cannot be read.
    pub fn new(quantity: impl Into<String>, ours: &Tensor, reference: &Tensor, limit: f64) -> Result<Self> {
        let values = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
        let (ours, reference) = (values(ours)?, values(reference)?);
        let largest = |values: &mut dyn Iterator<Item = f64>| values.map(f64::abs).fold(0.0, nan_max);
        let scale = largest(&mut reference.iter().copied());
        let difference = if ours.len() == reference.len() {
            largest(&mut ours.iter().zip(&reference).map(|(a, b)| a - b))
        } else {
            f64::INFINITY
        };
        let error = if scale > 0.0 { difference / scale } else { difference };
        Ok(Self {
            quantity: quantity.into(),
            error,
            limit,
        })
    }

    /// Whether the error is within the limit; a NaN never is.
    pub fn passes(&self) -> bool {
        self.error < self.limit
    }
}

/// The larger of two numbers, or NaN if one is.
fn nan_max(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn errors_are_relative_and_nan_never_passes() -> Result<()> {
        let tensor = |values: &[f64]| Tensor::new(values, &Device::Cpu);
        let comparison = Comparison::new("f", &tensor(&[1.0, 2.0])?, &tensor(&[1.0, 4.0])?, 0.6)?;
        assert_eq!(comparison.error, 0.5);
        assert!(comparison.passes());
        assert!(!Comparison::new("f", &tensor(&[f64::NAN, 2.0])?, &tensor(&[1.0, 4.0])?, 0.6)?.passes());
        assert!(!Comparison::new("f", &tensor(&[1.0])?, &tensor(&[1.0, 4.0])?, 0.6)?.passes());
        Ok(())
    }
}

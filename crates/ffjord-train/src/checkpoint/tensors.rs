//! Named tensors as safetensors.

use crate::error::{Result, TrainError};
use candle_core::safetensors::Load;
use candle_core::{DType, Device, Tensor, WithDType};
use safetensors::tensor::TensorView;
use safetensors::{SafeTensorError, SafeTensors};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// Writes named tensors to a safetensors file, with `metadata` in its header.
///
/// Tensors of type f32, f64, u32 and i64 are stored, from any device.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use ffjord_train::{load_tensors, save_tensors};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("weights.safetensors");
/// save_tensors(&path, &[("bias".to_string(), Tensor::new(&[1f32, 2.0], &Device::Cpu)?)], None)?;
/// assert_eq!(load_tensors(&path)?["bias"].to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`TrainError::StoredType`] for other types, [`TrainError::DuplicateName`] for names that occur twice,
/// [`TrainError::Write`] if the file cannot be written.
pub fn save_tensors(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    Ok(ffjord_files::write_atomic(path, to_bytes(path, tensors, metadata)?)?)
}

/// Reads all tensors of a safetensors file onto the CPU.
///
/// ```
/// use ffjord_train::{TrainError, load_tensors};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("weights.safetensors");
/// assert!(matches!(load_tensors(&path), Err(TrainError::File { action: "read", .. })));
/// std::fs::write(&path, "cut off")?;
/// let damaged = load_tensors(&path).unwrap_err().to_string();
/// assert!(damaged.contains("is not a whole safetensors file"), "{damaged}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`TrainError::File`] if the file cannot be read, [`TrainError::TensorFile`] if it is cut off, damaged or of another
/// format.
pub fn load_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>> {
    let bytes = std::fs::read(path).map_err(TrainError::file("read", path))?;
    from_bytes(path, &bytes)
}

/// The contents of a safetensors file; `path` is for messages.
pub(super) fn to_bytes(
    path: &Path,
    tensors: &[(String, Tensor)],
    metadata: Option<HashMap<String, String>>,
) -> Result<Vec<u8>> {
    let mut values = BTreeMap::new();
    for (name, tensor) in tensors {
        if values
            .insert(name.as_str(), (tensor, value_bytes(name, tensor)?))
            .is_some()
        {
            return Err(TrainError::DuplicateName { name: name.clone() });
        }
    }
    let views: std::result::Result<Vec<_>, SafeTensorError> = values
        .iter()
        .map(|(name, (tensor, bytes))| {
            Ok((
                *name,
                TensorView::new(tensor.dtype().into(), tensor.dims().to_vec(), bytes)?,
            ))
        })
        .collect();
    views
        .and_then(|views| safetensors::serialize(views, metadata))
        .map_err(damaged(path))
}

/// The tensors of a safetensors file with these contents; `path` is for messages.
pub(super) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, Tensor>> {
    let file = SafeTensors::deserialize(bytes).map_err(damaged(path))?;
    file.iter()
        .map(|(name, view)| Ok((name.to_string(), view.load(&Device::Cpu)?)))
        .collect()
}

fn damaged(path: &Path) -> impl FnOnce(SafeTensorError) -> TrainError {
    move |source| TrainError::TensorFile {
        path: path.to_path_buf(),
        source,
    }
}

/// The values in row-major order, little-endian, as the format has them.
fn value_bytes(name: &str, tensor: &Tensor) -> Result<Vec<u8>> {
    fn bytes<T: WithDType, const N: usize>(tensor: &Tensor, to_bytes: fn(T) -> [u8; N]) -> Result<Vec<u8>> {
        let values: Vec<T> = tensor.flatten_all()?.to_vec1()?;
        Ok(values.into_iter().flat_map(to_bytes).collect())
    }
    match tensor.dtype() {
        DType::F32 => bytes(tensor, f32::to_le_bytes),
        DType::F64 => bytes(tensor, f64::to_le_bytes),
        DType::U32 => bytes(tensor, u32::to_le_bytes),
        DType::I64 => bytes(tensor, i64::to_le_bytes),
        other => Err(TrainError::StoredType {
            name: name.to_string(),
            given: other.as_str(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu<A: candle_core::NdArray>(array: A) -> Tensor {
        Tensor::new(array, &Device::Cpu).unwrap()
    }

    #[test]
    fn all_stored_types_come_back_bit_by_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let matrix = Tensor::arange(0f32, 6.0, &Device::Cpu)
            .unwrap()
            .reshape((2, 3))
            .unwrap();
        let tensors = [
            ("transposed".to_string(), matrix.t().unwrap()),
            (
                "f64".to_string(),
                cpu(&[0.1f64, -0.0, f64::MIN_POSITIVE / 2.0, f64::INFINITY]),
            ),
            ("count".to_string(), cpu(i64::MAX)),
            ("u32".to_string(), cpu(&[[u32::MAX]])),
            (
                "none".to_string(),
                Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap(),
            ),
        ];
        let metadata = HashMap::from([("format".to_string(), "test".to_string())]);
        save_tensors(&path, &tensors, Some(metadata)).unwrap();
        let loaded = load_tensors(&path).unwrap();
        assert_eq!(loaded.len(), 5);
        assert_eq!(
            loaded["transposed"].to_vec2::<f32>().unwrap(),
            [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
        );
        let bits = |tensor: &Tensor| {
            tensor
                .to_vec1::<f64>()
                .unwrap()
                .into_iter()
                .map(f64::to_bits)
                .collect::<Vec<_>>()
        };
        assert_eq!(bits(&loaded["f64"]), bits(&tensors[1].1));
        assert_eq!(loaded["count"].to_scalar::<i64>().unwrap(), i64::MAX);
        assert_eq!(loaded["u32"].to_vec2::<u32>().unwrap(), [[u32::MAX]]);
        assert_eq!(loaded["none"].dims(), [0, 3]);
        // The same tensors always give the same file.
        let reversed: Vec<_> = tensors.iter().rev().cloned().collect();
        assert_eq!(
            to_bytes(&path, &tensors, None).unwrap(),
            to_bytes(&path, &reversed, None).unwrap()
        );
    }

    #[test]
    fn what_cannot_be_stored_is_refused_before_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let twice = [("a".to_string(), cpu(1f32)), ("a".to_string(), cpu(2f32))];
        assert!(matches!(
            save_tensors(&path, &twice, None),
            Err(TrainError::DuplicateName { .. })
        ));
        let byte = [("mask".to_string(), cpu(&[1u8]))];
        assert!(matches!(
            save_tensors(&path, &byte, None),
            Err(TrainError::StoredType { .. })
        ));
        assert!(!path.exists());
    }

    #[test]
    fn every_truncation_and_hostile_headers_are_refused() {
        let path = Path::new("t.safetensors");
        let tensors = [
            ("weight".to_string(), cpu(&[1f32, 2.0])),
            ("b".to_string(), cpu(&[3f64])),
        ];
        let bytes = to_bytes(path, &tensors, None).unwrap();
        for length in 0..bytes.len() {
            let result = from_bytes(path, &bytes[..length]);
            assert!(
                matches!(result, Err(TrainError::TensorFile { .. })),
                "{length} bytes were accepted"
            );
        }
        for header in [
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4000]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"Q9","shape":[1],"data_offsets":[0,4]}}"#,
            "not json",
        ] {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend_from_slice(header.as_bytes());
            bytes.extend_from_slice(&[0; 4]);
            assert!(
                matches!(from_bytes(path, &bytes), Err(TrainError::TensorFile { .. })),
                "{header}"
            );
        }
        let mut huge = u64::MAX.to_le_bytes().to_vec();
        huge.extend_from_slice(b"{}");
        assert!(matches!(from_bytes(path, &huge), Err(TrainError::TensorFile { .. })));
    }
}

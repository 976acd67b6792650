//! Tensors as a checkpoint's pickle describes them: a storage, and which of its numbers.

use ffjord_data::pickle::{Id, Node, Pickle};
use half::{bf16, f16};

/// A tensor as a pickle describes it.
pub(super) struct View {
    pub(super) key: String,
    pub(super) kind: Kind,
    /// Elements of the whole storage.
    pub(super) storage: u64,
    offset: u64,
    pub(super) size: Vec<u64>,
    stride: Vec<u64>,
}

/// `('storage', class, key, location, elements, …)`.
pub(super) fn storage(pickle: &Pickle, id: Id) -> Result<(String, Kind, u64), String> {
    let none = || "its storage is described in an unknown way".to_owned();
    let parts = pickle.elements(pickle.node(id)).ok_or_else(none)?;
    match parts[..] {
        [
            Node::Text(word),
            Node::Global(module, class),
            Node::Text(key),
            _,
            Node::Int(count),
            ..,
        ] if word == "storage" && module.starts_with("torch") => {
            if let Some(Node::Tuple(_)) = parts.get(5) {
                return Err("its storage is a part of another one: save the tensors' clones".to_owned());
            }
            let count = u64::try_from(*count).map_err(|_| none())?;
            Ok((key.clone(), Kind::parse(class)?, count))
        }
        _ => Err(none()),
    }
}

/// The tensor that a node describes; none if it is no tensor.
pub(super) fn view(pickle: &Pickle, node: &Node) -> Result<Option<View>, String> {
    let Node::Call {
        callable, arguments, ..
    } = node
    else {
        return Ok(None);
    };
    let unknown = || "it is described in an unknown way".to_owned();
    let Node::Global(module, name) = pickle.node(*callable) else {
        return Ok(None);
    };
    let arguments = pickle.elements(pickle.node(*arguments)).ok_or_else(unknown)?;
    match (module.as_str(), name.as_str()) {
        // A parameter is its data; it cannot be one of a parameter, so that this does not go on.
        ("torch._utils", "_rebuild_parameter") => {
            let data = *arguments.first().ok_or_else(unknown)?;
            let nested = matches!(data, Node::Call { callable, .. }
                if pickle.node(*callable) == &Node::Global(module.clone(), name.clone()));
            if nested { Err(unknown()) } else { view(pickle, data) }
        }
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => {
            let [Node::Persistent(id), offset, size, stride, ..] = arguments[..] else {
                return Err(unknown());
            };
            let numbers = |node: &Node| -> Option<Vec<u64>> {
                let number = |node: &Node| match node {
                    Node::Int(number) => u64::try_from(*number).ok(),
                    _ => None,
                };
                pickle.elements(node)?.into_iter().map(number).collect()
            };
            let (key, kind, storage) = storage(pickle, *id)?;
            let Node::Int(offset) = offset else {
                return Err(unknown());
            };
            Ok(Some(View {
                key,
                kind,
                storage,
                offset: u64::try_from(*offset).map_err(|_| unknown())?,
                size: numbers(size).ok_or_else(unknown)?,
                stride: numbers(stride).ok_or_else(unknown)?,
            }))
        }
        _ => Ok(None),
    }
}

impl View {
    /// The number of elements, if all of them lie within the storage.
    pub(super) fn check(&self) -> Result<u64, String> {
        let misfit = || {
            format!(
                "its shape {:?} with strides {:?} from element {} does not fit a storage of {} elements",
                self.size, self.stride, self.offset, self.storage
            )
        };
        if self.size.len() != self.stride.len() || self.size.len() > 8 {
            return Err(misfit());
        }
        let count = self.size.iter().try_fold(1_u64, |count, size| count.checked_mul(*size));
        let count = count.ok_or_else(misfit)?;
        if count == 0 {
            return Ok(0);
        }
        let mut last = self.offset;
        for (size, stride) in self.size.iter().zip(&self.stride) {
            let reach = (size - 1)
                .checked_mul(*stride)
                .and_then(|reach| last.checked_add(reach));
            last = reach.ok_or_else(misfit)?;
        }
        if last >= self.storage { Err(misfit()) } else { Ok(count) }
    }

    /// The elements of the storage in the tensor's row-major order.
    pub(super) fn indices(&self) -> Vec<u64> {
        if self.size.contains(&0) {
            return Vec::new();
        }
        let mut indices = vec![self.offset];
        for (size, stride) in self.size.iter().zip(&self.stride) {
            let along = |start: u64| (0..*size).map(move |step| start + step * stride);
            indices = indices.into_iter().flat_map(along).collect();
        }
        indices
    }
}

/// The type of a storage's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Float,
    Double,
    Half,
    BFloat16,
    Signed(usize),
    Byte,
}

impl Kind {
    fn parse(class: &str) -> Result<Self, String> {
        Ok(match class {
            "FloatStorage" => Self::Float,
            "DoubleStorage" => Self::Double,
            "HalfStorage" => Self::Half,
            "BFloat16Storage" => Self::BFloat16,
            "LongStorage" => Self::Signed(8),
            "IntStorage" => Self::Signed(4),
            "ShortStorage" => Self::Signed(2),
            "CharStorage" => Self::Signed(1),
            "ByteStorage" | "BoolStorage" => Self::Byte,
            other => {
                return Err(format!(
                    "its storage is a {other}, which holds no numbers that are known here"
                ));
            }
        })
    }

    pub(super) fn width(self) -> usize {
        match self {
            Self::Double => 8,
            Self::Float => 4,
            Self::Half | Self::BFloat16 => 2,
            Self::Signed(width) => width,
            Self::Byte => 1,
        }
    }

    /// The number in so many bytes, little-endian.
    pub(super) fn decode(self, bytes: &[u8]) -> f64 {
        let bits = bytes
            .iter()
            .rev()
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        match self {
            Self::Float => f64::from(f32::from_bits(bits as u32)),
            Self::Double => f64::from_bits(bits),
            Self::Half => f16::from_bits(bits as u16).to_f64(),
            Self::BFloat16 => bf16::from_bits(bits as u16).to_f64(),
            Self::Byte => bits as f64,
            Self::Signed(width) => {
                let unused = 64 - 8 * width as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
        }
    }
}

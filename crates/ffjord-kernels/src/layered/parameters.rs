//! Where the parameters of a network lie in a flat buffer.

use crate::ActivationKind;
use std::ops::Range;

/// One parameter tensor in the flat parameter buffer.
///
/// ```
/// use ffjord_kernels::mlp::MlpArchitecture;
/// use ffjord_kernels::{ActivationKind, LayerKind};
/// let net = MlpArchitecture::new(&[2, 16, 2], LayerKind::Ignore, ActivationKind::Tanh)?;
/// let specs = net.parameters();
/// assert_eq!((specs[1].name.as_str(), specs[1].offset, specs[1].len()), ("layers.0._layer.bias", 32, 16));
/// // They lie one behind the other.
/// assert!(specs.windows(2).all(|pair| pair[0].offset + pair[0].len() == pair[1].offset && !pair[1].is_empty()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// Its name in the state dict of the original FFJORD code, such as `layers.0._layer.weight`.
    pub name: String,
    /// Its shape; weights are `[outputs, inputs]`, row-major.
    pub shape: Vec<usize>,
    /// Where it begins in the flat buffer.
    pub offset: usize,
}

impl ParameterSpec {
    /// How many numbers the tensor has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the tensor has no numbers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Names and shapes of one layer's parameters, in the order of the original's state dict.
pub(crate) type LayerParameters = Vec<(&'static str, Vec<usize>)>;

/// Where each layer's parameters lie, and the nonlinearity between the layers, whose coefficient comes last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterLayout {
    /// Where each layer's parameters end: every evaluation asks for them, so they are not counted again.
    ends: Vec<usize>,
    activation: ActivationKind,
}

impl ParameterLayout {
    pub(crate) fn new(layers: impl Iterator<Item = LayerParameters>, activation: ActivationKind) -> Self {
        let ends = layers.scan(0, |end, parameters| {
            *end += parameters
                .iter()
                .map(|(_, shape)| shape.iter().product::<usize>())
                .sum::<usize>();
            Some(*end)
        });
        Self {
            ends: ends.collect(),
            activation,
        }
    }

    pub(crate) fn activation(&self) -> ActivationKind {
        self.activation
    }

    /// Where the parameters of layer `layer` lie.
    pub(crate) fn span(&self, layer: usize) -> Range<usize> {
        layer.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[layer]
    }

    /// The length of the flat buffer.
    pub(crate) fn count(&self) -> usize {
        self.ends.last().copied().unwrap_or(0) + usize::from(self.activation.has_coefficient())
    }

    /// Every tensor in the order of the flat buffer.
    pub(crate) fn specs(&self, layers: impl Iterator<Item = LayerParameters>) -> Vec<ParameterSpec> {
        let named = layers.enumerate().flat_map(|(layer, parameters)| {
            let prefixed = move |(name, shape)| (format!("layers.{layer}.{name}"), shape);
            parameters.into_iter().map(prefixed)
        });
        let coefficient = self
            .activation
            .has_coefficient()
            .then(|| ("activation_fns.0.beta".to_owned(), vec![1]));
        let place = |end: &mut usize, (name, shape): (String, Vec<usize>)| {
            let spec = ParameterSpec {
                name,
                shape,
                offset: *end,
            };
            *end += spec.len();
            Some(spec)
        };
        named.chain(coefficient).scan(0, place).collect()
    }
}

//! The shape of a network, and where its parameters lie in a flat buffer.

use super::trace;
use super::weights::DenseLayer;
use crate::kernel::TraceMut;
use crate::layered::{
    Architecture, LayerParameters, Layered, OwnLayer, ParameterLayout, ParameterSpec, RowForm, Workspace,
};
use crate::simd::SimdLevel;
use crate::{ActivationKind, KernelError, LayerKind, Real};

/// The shape of a multilayer perceptron with time-conditioned layers.
///
/// The output has the D numbers of a state. A first layer with more inputs, D + G, sees behind the state the G numbers
/// that each row is given.
///
/// ```
/// use ffjord_kernels::mlp::MlpArchitecture;
/// use ffjord_kernels::{ActivationKind, LayerKind};
///
/// let net = MlpArchitecture::new(&[2, 64, 64, 2], LayerKind::ConcatSquash, ActivationKind::Tanh)?;
/// assert_eq!(net.layers(), 3);
/// assert_eq!(net.parameters()[0].name, "layers.0._layer.weight");
/// assert_eq!(net.parameters()[0].shape, [64, 2]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
///
/// A network that sees one number beside each state, and whose layers differ:
///
/// ```
/// use ffjord_kernels::mlp::MlpArchitecture;
/// use ffjord_kernels::{ActivationKind, LayerKind};
///
/// let kinds = [LayerKind::Concat, LayerKind::Ignore];
/// let net = MlpArchitecture::with_kinds(&[3, 8, 2], &kinds, ActivationKind::Softplus)?;
/// assert_eq!((net.inputs(), net.outputs(), net.dimensions()), (3, 2, &[3, 8, 2][..]));
/// assert_eq!((net.kinds(), net.activation()), (&kinds[..], ActivationKind::Softplus));
/// // Time is a fourth input of the first layer.
/// assert_eq!(net.parameter_count(), (4 * 8 + 8) + (8 * 2 + 2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpArchitecture {
    dimensions: Vec<usize>,
    kinds: Vec<LayerKind>,
    layout: ParameterLayout,
    /// The rank of every layer's update that each row has for itself, with a bias; nothing without a rank.
    own_rank: Option<usize>,
}

impl MlpArchitecture {
    /// A network of the given `dimensions` (input, hidden …, output), all of whose layers have one `kind`.
    ///
    /// # Errors
    /// [`KernelError::Dimensions`] if there are fewer than two dimensions or one is zero, and [`KernelError::Outputs`]
    /// if there are more outputs than inputs.
    pub fn new(dimensions: &[usize], kind: LayerKind, activation: ActivationKind) -> Result<Self, KernelError> {
        let layers = dimensions.len().saturating_sub(1);
        Self::with_kinds(dimensions, &vec![kind; layers], activation)
    }

    /// As [`MlpArchitecture::new`], with one kind for each layer.
    ///
    /// # Errors
    /// As `new`, and [`KernelError::Kinds`] if their number is not that of the layers.
    pub fn with_kinds(
        dimensions: &[usize],
        kinds: &[LayerKind],
        activation: ActivationKind,
    ) -> Result<Self, KernelError> {
        if dimensions.len() < 2 || dimensions.contains(&0) {
            return Err(KernelError::Dimensions(dimensions.to_vec()));
        }
        let layers = dimensions.len() - 1;
        if kinds.len() != layers {
            return Err(KernelError::Kinds {
                given: kinds.len(),
                layers,
            });
        }
        let (inputs, outputs) = (dimensions[0], dimensions[layers]);
        if inputs < outputs {
            return Err(KernelError::Outputs { inputs, outputs });
        }
        let parameters = layer_parameters(dimensions, kinds);
        Ok(Self {
            layout: ParameterLayout::new(parameters, activation),
            dimensions: dimensions.to_vec(),
            kinds: kinds.to_vec(),
            own_rank: None,
        })
    }

    /// The same network with a part of every layer that each row has for itself, among the numbers that it is given: an
    /// update `(x U) V` of this rank and a bias, or the bias alone with rank 0 (FFJORD, eq. 10).
    ///
    /// A row's numbers are those of layer after layer, U `[inputs, rank]`, V `[rank, outputs]` and b `[outputs]` of each.
    ///
    /// # Errors
    /// [`KernelError::Outputs`] for a network that sees other given numbers among its inputs.
    ///
    /// ```
    /// use ffjord_kernels::mlp::MlpArchitecture;
    /// use ffjord_kernels::{ActivationKind, LayerKind};
    ///
    /// let net = MlpArchitecture::new(&[2, 16, 2], LayerKind::Concat, ActivationKind::Tanh)?.with_own_parts(3)?;
    /// assert_eq!(net.own_numbers(), 2 * 3 * (2 + 16) + 16 + 2);
    /// # Ok::<(), ffjord_kernels::KernelError>(())
    /// ```
    pub fn with_own_parts(mut self, rank: usize) -> Result<Self, KernelError> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        if inputs != outputs {
            return Err(KernelError::Outputs { inputs, outputs });
        }
        self.own_rank = Some(rank);
        Ok(self)
    }

    /// The numbers that each row has for itself in all layers.
    #[must_use]
    pub fn own_numbers(&self) -> usize {
        self.own_parts().map(|part| part.len()).sum()
    }

    fn own_parts(&self) -> impl Iterator<Item = OwnLayer> {
        let parts = self.own_rank.map(|rank| {
            shapes(&self.dimensions).scan(0, move |offset, shape| {
                let part = OwnLayer {
                    offset: *offset,
                    rank,
                    inputs: shape.inputs,
                    outputs: shape.outputs,
                };
                *offset += part.len();
                Some(part)
            })
        });
        parts.into_iter().flatten()
    }

    /// The number of linear layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.kinds.len()
    }

    /// The input dimension.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.dimensions[0]
    }

    /// The output dimension.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.dimensions[self.layers()]
    }

    /// All dimensions: input, hidden …, output.
    #[must_use]
    pub fn dimensions(&self) -> &[usize] {
        &self.dimensions
    }

    /// How each layer depends on time.
    #[must_use]
    pub fn kinds(&self) -> &[LayerKind] {
        &self.kinds
    }

    /// The function between the layers.
    #[must_use]
    pub fn activation(&self) -> ActivationKind {
        self.layout.activation()
    }

    /// The length of the flat parameter buffer.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.layout.count()
    }

    /// Every parameter tensor in the order of the flat buffer.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.layout.specs(layer_parameters(&self.dimensions, &self.kinds))
    }
}

fn shapes(dimensions: &[usize]) -> impl Iterator<Item = LayerShape> {
    dimensions.windows(2).map(|pair| LayerShape {
        inputs: pair[0],
        outputs: pair[1],
    })
}

fn layer_parameters(dimensions: &[usize], kinds: &[LayerKind]) -> impl Iterator<Item = LayerParameters> {
    shapes(dimensions)
        .zip(kinds)
        .map(|(shape, kind)| kind.dense_rule::<f32>().parameters(shape))
}

impl Architecture for MlpArchitecture {
    type Layer<T: Real> = DenseLayer<T>;

    fn layout(&self) -> &ParameterLayout {
        &self.layout
    }

    fn input_form(&self) -> RowForm {
        let state = self.outputs();
        match self.inputs() - state {
            0 => RowForm::State { len: state },
            given => RowForm::WithGiven { state, given },
        }
    }

    fn output_form(&self) -> RowForm {
        RowForm::State { len: self.outputs() }
    }

    fn hidden_form(&self, layer: usize) -> RowForm {
        RowForm::State {
            len: self.dimensions[layer + 1],
        }
    }

    fn layers<T: Real>(&self, level: SimdLevel) -> Vec<DenseLayer<T>> {
        let last = self.layers() - 1;
        shapes(&self.dimensions)
            .zip(&self.kinds)
            .enumerate()
            .map(|(index, (shape, &kind))| DenseLayer::zeros(level, kind, shape, (index == 0, index == last)))
            .collect()
    }

    fn own(&self, layer: usize) -> Option<OwnLayer> {
        self.own_parts().nth(layer)
    }

    fn own_len(&self) -> usize {
        self.own_numbers()
    }

    fn as_dense(&self) -> Option<&MlpArchitecture> {
        self.own_rank.is_none().then_some(self)
    }

    fn has_exact_trace(&self) -> bool {
        self.layers() == 2 && self.own_rank.is_none()
    }

    fn exact_trace<T: Real>(
        network: &Layered<Self, T>,
        t: f64,
        (z, given): (&[T], &[T]),
        output: TraceMut<'_, T>,
        workspace: &mut Workspace<Self, T>,
    ) -> Result<(), KernelError> {
        trace::exact_trace(network, t, (z, given), output, workspace)
    }
}

/// Inputs and outputs of one linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LayerShape {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

impl LayerShape {
    pub(crate) fn weights(self) -> usize {
        self.inputs * self.outputs
    }
}

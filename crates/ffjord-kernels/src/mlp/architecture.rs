//! The shape of a network, and where its parameters lie in a flat buffer.

use super::conditioning::Conditioning;
use super::trace;
use super::weights::DenseLayer;
use crate::elementwise::Function;
use crate::kernel::TraceMut;
use crate::layered::{Architecture, LayerParameters, Layered, ParameterLayout, ParameterSpec, RowForm, Workspace};
use crate::simd::SimdLevel;
use crate::{KernelError, Real};

/// The function between the layers of a network; there is none after the last layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// y = x.
    Identity,
    /// y = max(x, 0).
    Relu,
    /// y = x².
    Square,
    /// y = tanh x.
    Tanh,
    /// y = 1 / (1 + e⁻ˣ).
    Sigmoid,
    /// y = ln(1 + eˣ).
    Softplus,
    /// y = x for x > 0, else eˣ − 1.
    Elu,
    /// y = x σ(β x) with one learned β, shared by all layers; it is the last parameter.
    Swish,
}

impl Activation {
    /// All activations.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Relu,
        Self::Square,
        Self::Tanh,
        Self::Sigmoid,
        Self::Softplus,
        Self::Elu,
        Self::Swish,
    ];

    /// Whether it has a learned coefficient, which all layers share.
    pub(crate) fn has_coefficient(self) -> bool {
        self == Self::Swish
    }

    pub(crate) fn function<T: Real>(self, beta: T) -> Function<T> {
        match self {
            Self::Identity => Function::Identity,
            Self::Relu => Function::Relu,
            Self::Square => Function::Square,
            Self::Tanh => Function::Tanh,
            Self::Sigmoid => Function::Sigmoid,
            Self::Softplus => Function::Softplus,
            Self::Elu => Function::Elu,
            Self::Swish => Function::Swish { beta },
        }
    }
}

/// The shape of a multilayer perceptron with time-conditioned layers.
///
/// The output has the D numbers of a state. A first layer with more inputs, D + G, sees behind the state the G numbers
/// that each row is given.
///
/// ```
/// use ffjord_kernels::mlp::{Activation, Conditioning, MlpArchitecture};
///
/// let net = MlpArchitecture::new(&[2, 64, 64, 2], Conditioning::ConcatSquash, Activation::Tanh)?;
/// assert_eq!(net.layers(), 3);
/// assert_eq!(net.parameters()[0].name, "layers.0._layer.weight");
/// assert_eq!(net.parameters()[0].shape, [64, 2]);
/// # Ok::<(), ffjord_kernels::KernelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpArchitecture {
    dimensions: Vec<usize>,
    conditionings: Vec<Conditioning>,
    layout: ParameterLayout,
}

impl MlpArchitecture {
    /// A network of the given `dimensions` (input, hidden …, output), all of whose layers have one `conditioning`.
    ///
    /// # Errors
    /// [`KernelError::Dimensions`] if there are fewer than two dimensions or one is zero, and [`KernelError::Outputs`]
    /// if there are more outputs than inputs.
    pub fn new(dimensions: &[usize], conditioning: Conditioning, activation: Activation) -> Result<Self, KernelError> {
        let layers = dimensions.len().saturating_sub(1);
        Self::with_conditionings(dimensions, &vec![conditioning; layers], activation)
    }

    /// As [`MlpArchitecture::new`], with one conditioning for each layer.
    ///
    /// # Errors
    /// As `new`, and [`KernelError::Conditionings`] if their number is not that of the layers.
    pub fn with_conditionings(
        dimensions: &[usize],
        conditionings: &[Conditioning],
        activation: Activation,
    ) -> Result<Self, KernelError> {
        if dimensions.len() < 2 || dimensions.contains(&0) {
            return Err(KernelError::Dimensions(dimensions.to_vec()));
        }
        let layers = dimensions.len() - 1;
        if conditionings.len() != layers {
            return Err(KernelError::Conditionings {
                given: conditionings.len(),
                layers,
            });
        }
        let (inputs, outputs) = (dimensions[0], dimensions[layers]);
        if inputs < outputs {
            return Err(KernelError::Outputs { inputs, outputs });
        }
        let parameters = layer_parameters(dimensions, conditionings);
        Ok(Self {
            layout: ParameterLayout::new(parameters, activation),
            dimensions: dimensions.to_vec(),
            conditionings: conditionings.to_vec(),
        })
    }

    /// The number of linear layers.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.conditionings.len()
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
    pub fn conditionings(&self) -> &[Conditioning] {
        &self.conditionings
    }

    /// The function between the layers.
    #[must_use]
    pub fn activation(&self) -> Activation {
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
        self.layout
            .specs(layer_parameters(&self.dimensions, &self.conditionings))
    }
}

fn shapes(dimensions: &[usize]) -> impl Iterator<Item = LayerShape> {
    dimensions.windows(2).map(|pair| LayerShape {
        inputs: pair[0],
        outputs: pair[1],
    })
}

fn layer_parameters(dimensions: &[usize], conditionings: &[Conditioning]) -> impl Iterator<Item = LayerParameters> {
    shapes(dimensions)
        .zip(conditionings)
        .map(|(shape, conditioning)| conditioning.rule::<f32>().parameters(shape))
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

    fn layers<T: Real>(&self, level: SimdLevel) -> Vec<DenseLayer<T>> {
        let last = self.layers() - 1;
        shapes(&self.dimensions)
            .zip(&self.conditionings)
            .enumerate()
            .map(|(index, (shape, &kind))| DenseLayer::zeros(level, kind, shape, (index == 0, index == last)))
            .collect()
    }

    fn has_exact_trace(&self) -> bool {
        self.layers() == 2
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

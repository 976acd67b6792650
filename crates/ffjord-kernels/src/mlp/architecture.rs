//! The shape of a network, and where its parameters lie in a flat buffer.

use crate::elementwise::Function;
use crate::mlp::conditioning::Conditioning;
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

/// One parameter tensor in the flat parameter buffer.
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

/// The shape of a multilayer perceptron with time-conditioned layers.
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
    /// Where each layer's parameters end: every evaluation asks for them, so they are not counted again.
    ends: Vec<usize>,
    activation: Activation,
    residual: bool,
}

impl MlpArchitecture {
    /// A network of the given `dimensions` (input, hidden …, output), all of whose layers have one `conditioning`.
    ///
    /// # Errors
    /// [`KernelError::Dimensions`] if there are fewer than two dimensions or one is zero.
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
        let shapes = dimensions.windows(2).map(|pair| LayerShape {
            inputs: pair[0],
            outputs: pair[1],
        });
        let ends = shapes.zip(conditionings).scan(0, |end, (shape, conditioning)| {
            *end += conditioning.parameter_count(shape);
            Some(*end)
        });
        Ok(Self {
            ends: ends.collect(),
            dimensions: dimensions.to_vec(),
            conditionings: conditionings.to_vec(),
            activation,
            residual: false,
        })
    }

    /// The same network with its input subtracted from its output: f(z) − z.
    ///
    /// # Errors
    /// [`KernelError::Residual`] if the input and output dimensions differ.
    pub fn residual(mut self) -> Result<Self, KernelError> {
        let (inputs, outputs) = (self.inputs(), self.outputs());
        if inputs != outputs {
            return Err(KernelError::Residual { inputs, outputs });
        }
        self.residual = true;
        Ok(self)
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
        self.activation
    }

    /// Whether the input is subtracted from the output.
    #[must_use]
    pub fn is_residual(&self) -> bool {
        self.residual
    }

    /// Inputs and outputs of layer `layer`.
    pub(crate) fn shape(&self, layer: usize) -> LayerShape {
        LayerShape {
            inputs: self.dimensions[layer],
            outputs: self.dimensions[layer + 1],
        }
    }

    /// Where the parameters of layer `layer` lie in the flat buffer.
    pub(crate) fn span(&self, layer: usize) -> std::ops::Range<usize> {
        layer.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[layer]
    }

    /// The length of the flat parameter buffer.
    #[must_use]
    pub fn parameter_count(&self) -> usize {
        self.ends[self.layers() - 1] + usize::from(self.activation == Activation::Swish)
    }

    /// Every parameter tensor in the order of the flat buffer.
    #[must_use]
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let mut specs = Vec::new();
        let mut offset = 0;
        let mut push = |name: String, shape: Vec<usize>| {
            let spec = ParameterSpec { name, shape, offset };
            offset += spec.len();
            specs.push(spec);
        };
        for (layer, conditioning) in self.conditionings.iter().enumerate() {
            for (name, shape) in conditioning.parameters(self.shape(layer)) {
                push(format!("layers.{layer}.{name}"), shape);
            }
        }
        if self.activation == Activation::Swish {
            push("activation_fns.0.beta".to_owned(), vec![1]);
        }
        specs
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

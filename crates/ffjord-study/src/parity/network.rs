//! The networks that reference files describe.

use super::{Case, ReferenceFile};
use crate::error::Result;
use candle_core::{DType, Device};
use ffjord_nn::{
    ConvNet, ConvNetConfig, EncoderDecoder, LayerKind, Mlp, MlpConfig, Parallel, Residual, Stride, VectorField,
};
use ffjord_train::{Purpose, Streams};
use std::sync::Arc;

/// A network as reference files describe it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network<'a> {
    /// The shape of a state, `[D]` or `[C, H, W]`, which tells dense layers from convolutions.
    pub(super) shape: &'a [usize],
    pub(super) hidden: &'a [usize],
    /// Strides of convolutions; all 1 if absent.
    pub(super) strides: Option<&'a [i64]>,
    pub(super) layer: &'a str,
    pub(super) activation: &'a str,
    pub(super) form: Form,
    pub(super) residual: bool,
}

/// What is made of the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A stack, squeezed so many times.
    Plain { squeezes: usize },
    /// Cut in two.
    Cut,
    /// At so many scales side by side.
    Parallel { scales: usize },
}

/// The field of a file about one, or of each flow of one about dense flows.
pub(super) fn field(file: &ReferenceFile, dtype: DType) -> Result<Arc<dyn VectorField>> {
    let (batch, form) = match &file.case {
        Case::Conv { num_squeeze, .. } => ("y", Form::Plain { squeezes: *num_squeeze }),
        Case::Autoencoder { .. } => ("y", Form::Cut),
        Case::Parallel { scales, .. } => ("y", Form::Parallel { scales: *scales }),
        Case::Flow { .. } => ("x", Form::Plain { squeezes: 0 }),
        _ => ("y", Form::Plain { squeezes: 0 }),
    };
    let shape = file.row_shape(batch)?;
    let (strides, layer, activation, hidden, residual) = match &file.case {
        Case::Mlp {
            layer,
            activation,
            hidden,
            residual,
            ..
        }
        | Case::Flow {
            layer,
            activation,
            hidden,
            residual,
            ..
        }
        | Case::Parallel {
            layer,
            activation,
            hidden,
            residual,
            ..
        } => (None, layer, activation, hidden, residual),
        Case::Conv {
            layer,
            activation,
            hidden,
            strides,
            residual,
            ..
        } => (Some(strides.as_slice()), layer, activation, hidden, residual),
        Case::Autoencoder {
            layer,
            activation,
            hidden,
            strides,
            residual,
            ..
        } => (strides.as_deref(), layer, activation, hidden, residual),
        _ => return Err(file.refuse("it describes no vector field")),
    };
    let network = Network {
        shape: &shape,
        hidden,
        strides,
        layer,
        activation,
        form,
        residual: *residual,
    };
    network.build(file, dtype)
}

impl Network<'_> {
    /// The network with weights that all are to be replaced.
    pub(super) fn build(&self, file: &ReferenceFile, dtype: DType) -> Result<Arc<dyn VectorField>> {
        let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
        let device = &Device::Cpu;
        let layer: LayerKind = self.layer.parse()?;
        match *self.shape {
            [dimension] => {
                let config = MlpConfig::new(dimension)
                    .hidden(self.hidden)
                    .layer(layer)
                    .activation(self.activation.parse()?);
                match self.form {
                    Form::Plain { .. } => self.finish(Mlp::new(&config, &mut rng, dtype, device)?),
                    Form::Cut => self.finish(EncoderDecoder::dense(&config, &mut rng, dtype, device)?),
                    Form::Parallel { .. } => Err(file.refuse("parallel networks need images")),
                }
            }
            [channels, height, width] => {
                // The released code's convolutions of this type are not what its name says.
                let layer = match layer {
                    LayerKind::Hyper => LayerKind::HyperOverlapping,
                    other => other,
                };
                let mut config = ConvNetConfig::new(channels, (height, width))
                    .hidden(self.hidden)
                    .layer(layer)
                    .activation(self.activation.parse()?);
                if let Some(strides) = self.strides {
                    let strides = strides.iter().map(|stride| Stride::try_from(*stride));
                    config = config.strides(strides.collect::<Result<Vec<_>, ffjord_kernels::KernelError>>()?);
                }
                match self.form {
                    Form::Plain { squeezes } => {
                        let config = config.num_squeeze(squeezes);
                        self.finish(ConvNet::new(&config, &mut rng, dtype, device)?)
                    }
                    Form::Cut => self.finish(EncoderDecoder::convolutional(&config, &mut rng, dtype, device)?),
                    Form::Parallel { scales } => self.finish(Parallel::new(&config, scales, &mut rng, dtype, device)?),
                }
            }
            _ => Err(file.refuse(format!("its states have the shape {:?}", self.shape))),
        }
    }

    fn finish<F: VectorField + 'static>(&self, field: F) -> Result<Arc<dyn VectorField>> {
        Ok(match self.residual {
            true => Arc::new(Residual::new(field)),
            false => Arc::new(field),
        })
    }
}

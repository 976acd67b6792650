//! The networks of a workload, and the way of a row through its flows.

use crate::error::Result;
use candle_core::{DType, Device};
use ffjord_flow::{Bijection, Chain, Logit, Multiscale};
use ffjord_nn::{ActivationKind, ConvNet, ConvNetConfig, LayerKind, Mlp, MlpConfig, VectorField};
use rand::RngCore;
use std::sync::Arc;

/// The margin of the logit before a multiscale flow: the released code's.
const MARGIN: f64 = 1e-6;

/// The vector fields of a workload.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Network {
    /// Concatsquash layers of these hidden widths on D numbers.
    Dense { dimension: usize, hidden: Vec<usize> },
    /// 3×3 convolutions of the layer type concat with these hidden channels on square images of one channel.
    Convolutional { size: usize, hidden: Vec<usize> },
    /// Such networks at all scales of a multiscale flow of square images with pixels in [0, 1], behind a logit.
    Multiscale { size: usize, hidden: Vec<usize> },
}

impl Network {
    /// The shape of a row, `[D]` or `[C, H, W]`.
    pub(super) fn row_shape(&self) -> Vec<usize> {
        match *self {
            Self::Dense { dimension, .. } => vec![dimension],
            Self::Convolutional { size, .. } | Self::Multiscale { size, .. } => vec![1, size, size],
        }
    }

    /// The shapes of the states of all flows, in order; `blocks` of them follow each other on one shape.
    pub(super) fn flow_shapes(&self, blocks: usize) -> Vec<Vec<usize>> {
        let Self::Multiscale { size, .. } = *self else {
            return vec![self.row_shape(); blocks];
        };
        let (scales, mut shapes) = (Multiscale::scales_of(size, size), Vec::new());
        let [mut channels, mut side] = [1, size];
        for scale in 0..scales {
            shapes.extend(vec![vec![channels, side, side]; blocks]);
            if scale + 1 < scales {
                side /= 2;
                shapes.extend(vec![vec![4 * channels, side, side]; blocks]);
                channels *= 2;
            }
        }
        shapes
    }

    /// What happens to a row, in order, for programs that build the same flow: `logit`, `flow`, `squeeze` and `split`, where
    /// the second half of the channels leaves.
    pub(super) fn path(&self, blocks: usize) -> Vec<&'static str> {
        let flows = vec!["flow"; blocks];
        let Self::Multiscale { size, .. } = *self else {
            return flows;
        };
        let mut path = vec!["logit"];
        for _ in 1..Multiscale::scales_of(size, size) {
            path.extend([&flows[..], &["squeeze"], &flows, &["split"]].concat());
        }
        path.extend(flows);
        path
    }

    /// The margin of the logit on the path.
    pub(super) fn margin(&self) -> f64 {
        MARGIN
    }

    /// The flow with `blocks` flows on one shape, each made by `flow` for the shape of its states.
    ///
    /// # Errors
    /// Those of `flow`, and when the parts do not fit together.
    pub(super) fn chain(
        &self,
        blocks: usize,
        mut flow: impl FnMut(&[usize]) -> ffjord_flow::Result<Box<dyn Bijection>>,
    ) -> Result<Chain> {
        let parts = match *self {
            Self::Multiscale { size, .. } => {
                let shape = [1, size, size];
                let first: Box<dyn Bijection> = Box::new(Logit::new(&shape, MARGIN)?);
                let scales = Multiscale::scales_of(size, size);
                let flow = Multiscale::build(shape, scales, blocks, vec![first], |shape| flow(&shape))?;
                vec![Box::new(flow) as Box<dyn Bijection>]
            }
            _ => (0..blocks)
                .map(|_| flow(&self.row_shape()))
                .collect::<ffjord_flow::Result<_>>()?,
        };
        Ok(Chain::new(parts)?)
    }

    /// A network on states of `shape` whose rows are given so many columns, with PyTorch's default initialisation.
    ///
    /// # Errors
    /// When a tensor cannot be made.
    pub(super) fn field(
        &self,
        (shape, given): (&[usize], usize),
        activation: ActivationKind,
        rng: &mut dyn RngCore,
    ) -> ffjord_flow::Result<Arc<dyn VectorField>> {
        Ok(match (self, shape) {
            (Self::Convolutional { hidden, .. } | Self::Multiscale { hidden, .. }, &[channels, height, width]) => {
                let network = ConvNetConfig::new(channels, (height, width))
                    .hidden(hidden.clone())
                    .activation(activation);
                Arc::new(ConvNet::new(&network, rng, DType::F32, &Device::Cpu)?)
            }
            (Self::Dense { hidden, .. } | Self::Convolutional { hidden, .. } | Self::Multiscale { hidden, .. }, _) => {
                let network = MlpConfig {
                    dimension: shape.iter().product(),
                    given,
                    hidden: hidden.clone(),
                    layer: LayerKind::ConcatSquash,
                    activation,
                };
                Arc::new(Mlp::new(&network, rng, DType::F32, &Device::Cpu)?)
            }
        })
    }

    /// Floating-point operations of one pass of a row through the matrices of one network: on the average, where there are
    /// several kinds.
    pub(super) fn pass_flops(&self, blocks: usize) -> f64 {
        let (Self::Dense { hidden, .. } | Self::Convolutional { hidden, .. } | Self::Multiscale { hidden, .. }) = self;
        let shapes = self.flow_shapes(blocks);
        let flops = |shape: &Vec<usize>| {
            let (ends, pixels) = match shape[..] {
                // Nine taps at every pixel.
                [channels, height, width] => (channels, 9 * height * width),
                _ => (shape.iter().product(), 1),
            };
            let widths: Vec<usize> = [&[ends], hidden.as_slice(), &[ends]].concat();
            let weights: usize = widths.windows(2).map(|pair| pair[0] * pair[1]).sum();
            2.0 * (weights * pixels) as f64
        };
        shapes.iter().map(flops).sum::<f64>() / shapes.len().max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shapes of the released code's MNIST model.
    #[test]
    fn a_multiscale_flow_of_digits_has_ten_flows() {
        let hidden = vec![64; 3];
        let network = Network::Multiscale { size: 28, hidden };
        let shapes = [[1, 28, 28], [4, 14, 14], [2, 14, 14], [8, 7, 7], [4, 7, 7]];
        assert_eq!(
            network.flow_shapes(2),
            shapes.map(|shape| vec![shape.to_vec(); 2]).concat()
        );
        let path = network.path(1);
        let scale = ["flow", "squeeze", "flow", "split"];
        assert_eq!(path, [&["logit"], &scale[..], &scale, &["flow"]].concat());
    }
}

//! Convolutional networks as plain loops over a number type, straight from the definitions.

use crate::reference::case::Field;
use crate::reference::{Number, activate, sigmoid};
use ffjord_kernels::convolution::ConvArchitecture;
use ffjord_kernels::mlp::ParameterSpec;
use ffjord_kernels::{LayerKind, Stride};

/// An image `[channels, height, width]`.
#[derive(Clone)]
pub struct Image<N> {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
    pub data: Vec<N>,
}

impl<N: Number> Image<N> {
    fn map(&self, f: impl Fn(usize, N) -> N) -> Self {
        let pixels = self.height * self.width;
        let data = self.data.iter().enumerate().map(|(i, &x)| f(i / pixels, x)).collect();
        Self { data, ..*self }
    }

    /// The image with the channels of `planes`, functions of row and column, before or after its own.
    fn with_planes(&self, planes: &[&dyn Fn(usize, usize) -> N], first: bool) -> Self {
        let mut added = Vec::new();
        for plane in planes {
            for y in 0..self.height {
                added.extend((0..self.width).map(|x| plane(y, x)));
            }
        }
        let data = if first {
            [added, self.data.clone()].concat()
        } else {
            [self.data.clone(), added].concat()
        };
        let channels = self.channels + planes.len();
        Self {
            channels,
            data,
            ..*self
        }
    }
}

fn convolve<N: Number>(stride: Stride, weight: &[N], bias: &[N], x: &Image<N>) -> Image<N> {
    let outputs = bias.len();
    let (height, width, kernel) = match stride {
        Stride::Keep => (x.height, x.width, 3),
        Stride::Halve => (x.height / 2, x.width / 2, 4),
        Stride::Double => (2 * x.height, 2 * x.width, 4),
    };
    let mut data: Vec<N> = (0..outputs * height * width)
        .map(|i| bias[i / (height * width)])
        .collect();
    // Every input pixel, output pixel and tap: s · (row of the coarse image) + tap − 1 = row of the fine image.
    let meets = |input: usize, output: usize, tap: usize| match stride {
        Stride::Keep => output + tap == input + 1,
        Stride::Halve => 2 * output + tap == input + 1,
        Stride::Double => 2 * input + tap == output + 1,
    };
    for o in 0..outputs {
        for i in 0..x.channels {
            let kernels = match stride {
                Stride::Double => i * outputs + o,
                _ => o * x.channels + i,
            };
            for (y, row) in (0..height).flat_map(|y| (0..x.height).map(move |row| (y, row))) {
                let Some(ky) = (0..kernel).find(|&k| meets(row, y, k)) else {
                    continue;
                };
                for (column, to) in data[(o * height + y) * width..][..width].iter_mut().enumerate() {
                    for (from, &value) in x.data[(i * x.height + row) * x.width..][..x.width].iter().enumerate() {
                        if let Some(kx) = (0..kernel).find(|&k| meets(from, column, k)) {
                            *to = *to + weight[(kernels * kernel + ky) * kernel + kx] * value;
                        }
                    }
                }
            }
        }
    }
    Image {
        channels: outputs,
        height,
        width,
        data,
    }
}

fn layer<N: Number>((kind, stride): (LayerKind, Stride), p: &[N], t: N, x: &Image<N>, outputs: usize) -> Image<N> {
    let taps = if stride == Stride::Keep { 9 } else { 16 };
    let affine = |p: &[N], x: &Image<N>| {
        let weights = x.channels * outputs * taps;
        convolve(stride, &p[..weights], &p[weights..weights + outputs], x)
    };
    let rest = &p[(x.channels * outputs * taps + outputs).min(p.len())..];
    let position = |index: usize| N::constant(index as f64);
    match kind {
        LayerKind::Ignore => affine(p, x),
        LayerKind::Concat => affine(p, &x.with_planes(&[&|_, _| t], true)),
        LayerKind::ConcatCoord => affine(
            p,
            &x.with_planes(&[&|_, _| t, &|y, _| position(y), &|_, x| position(x)], false),
        ),
        LayerKind::ConcatV2 => affine(p, x).map(|o, y| y + rest[o] * t),
        LayerKind::Squash => affine(p, x).map(|o, y| y * sigmoid(rest[o] * t + rest[outputs + o])),
        LayerKind::ConcatSquash => {
            affine(p, x).map(|o, y| y * sigmoid(rest[outputs + o] * t + rest[2 * outputs + o]) + rest[o] * t)
        }
        LayerKind::Blend => {
            let (mut first, second) = (affine(p, x), affine(rest, x));
            for (a, &b) in first.data.iter_mut().zip(&second.data) {
                *a = *a + (b - *a) * t;
            }
            first
        }
        LayerKind::Hyper | LayerKind::HyperOverlapping => {
            let (slope, bias) = p.split_at(p.len() / 2);
            let made: Vec<N> = slope.iter().zip(bias).map(|(&a, &b)| a * t + b).collect();
            let first_bias = if kind == LayerKind::Hyper {
                made.len() - outputs
            } else {
                0
            };
            convolve(stride, &made, &made[first_bias..][..outputs], x)
        }
    }
}

/// Cells of 2 × 2 pixels as channels, straight from the definition.
fn squeeze<N: Number>(x: &Image<N>) -> Image<N> {
    let (height, width) = (x.height / 2, x.width / 2);
    let mut data = Vec::new();
    for output in 0..4 * x.channels {
        let (channel, i, j) = (output / 4, output / 2 % 2, output % 2);
        for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
            data.push(x.data[(channel * x.height + 2 * row + i) * x.width + 2 * column + j]);
        }
    }
    Image {
        channels: 4 * x.channels,
        height,
        width,
        data,
    }
}

/// The image whose squeeze is `x`.
fn unsqueeze<N: Number>(x: &Image<N>) -> Image<N> {
    let (channels, height, width) = (x.channels / 4, 2 * x.height, 2 * x.width);
    let pixel = |index: usize| {
        let (channel, row, column) = (index / (height * width), index / width % height, index % width);
        let inner = 4 * channel + 2 * (row % 2) + column % 2;
        x.data[(inner * x.height + row / 2) * x.width + column / 2]
    };
    Image {
        channels,
        height,
        width,
        data: (0..x.data.len()).map(pixel).collect(),
    }
}

/// A network with what its architecture does not tell.
pub struct Network {
    pub net: ConvArchitecture,
    pub strides: Vec<Stride>,
    pub hidden: Vec<usize>,
    pub squeezes: usize,
}

impl Field for Network {
    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N], _given: &[N]) -> Vec<N> {
        let Self {
            net,
            strides,
            hidden,
            squeezes,
        } = self;
        let [channels, height, width] = net.state_shape();
        let mut x = Image {
            channels,
            height,
            width,
            data: z.to_vec(),
        };
        for _ in 0..*squeezes {
            x = squeeze(&x);
        }
        let channels = x.channels;
        let (specs, beta) = (net.parameters(), parameters[parameters.len() - 1]);
        for (l, &stride) in strides.iter().enumerate() {
            let of_layer = || {
                specs
                    .iter()
                    .filter(|spec| spec.name.starts_with(&format!("layers.{l}.")))
            };
            let start = of_layer().map(|spec| spec.offset).min().unwrap();
            let end = start + of_layer().map(ParameterSpec::len).sum::<usize>();
            let outputs = hidden.get(l).copied().unwrap_or(channels);
            x = layer((net.kind(), stride), &parameters[start..end], t, &x, outputs);
            if l + 1 < strides.len() {
                x = x.map(|_, x| activate(net.activation(), x, beta));
            }
        }
        for _ in 0..*squeezes {
            x = unsqueeze(&x);
        }
        x.data
    }
}

//! A plain reference: networks as loops over numbers, differentiated by dual numbers.
//!
//! It shares nothing with the kernels: values only, straight from the definitions of the layers, over a number type.
//! With nested dual numbers the same loops give tangents and the exact gradient of anything made of them.

pub mod case;

use ffjord_kernels::mlp::MlpArchitecture;
use ffjord_kernels::{ActivationKind, LayerKind};
use std::ops::{Add, Mul, Sub};

/// A number that networks can be evaluated with.
pub trait Number: Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> {
    fn constant(x: f64) -> Self;
    fn value(self) -> f64;
    fn exp(self) -> Self;
    fn reciprocal(self) -> Self;
    fn ln(self) -> Self;
}

impl Number for f64 {
    fn constant(x: f64) -> Self {
        x
    }
    fn value(self) -> f64 {
        self
    }
    fn exp(self) -> Self {
        f64::exp(self)
    }
    fn reciprocal(self) -> Self {
        1.0 / self
    }
    fn ln(self) -> Self {
        f64::ln(self)
    }
}

/// value + derivative · ε with ε² = 0.
#[derive(Clone, Copy)]
pub struct Dual<N> {
    pub value: N,
    pub derivative: N,
}

impl<N: Number> Dual<N> {
    pub fn new(value: N, derivative: N) -> Self {
        Self { value, derivative }
    }
}

impl<N: Number> Add for Dual<N> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.value + other.value, self.derivative + other.derivative)
    }
}

impl<N: Number> Sub for Dual<N> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.value - other.value, self.derivative - other.derivative)
    }
}

impl<N: Number> Mul for Dual<N> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Self::new(
            self.value * other.value,
            self.derivative * other.value + self.value * other.derivative,
        )
    }
}

impl<N: Number> Number for Dual<N> {
    fn constant(x: f64) -> Self {
        Self::new(N::constant(x), N::constant(0.0))
    }
    fn value(self) -> f64 {
        self.value.value()
    }
    fn exp(self) -> Self {
        Self::new(self.value.exp(), self.derivative * self.value.exp())
    }
    fn reciprocal(self) -> Self {
        let inverse = self.value.reciprocal();
        Self::new(inverse, N::constant(0.0) - self.derivative * inverse * inverse)
    }
    fn ln(self) -> Self {
        Self::new(self.value.ln(), self.derivative * self.value.reciprocal())
    }
}

pub fn sigmoid<N: Number>(x: N) -> N {
    (N::constant(1.0) + (N::constant(0.0) - x).exp()).reciprocal()
}

fn tanh<N: Number>(x: N) -> N {
    N::constant(2.0) * sigmoid(N::constant(2.0) * x) - N::constant(1.0)
}

pub fn activate<N: Number>(activation: ActivationKind, x: N, beta: N) -> N {
    let (zero, one) = (N::constant(0.0), N::constant(1.0));
    match activation {
        ActivationKind::Identity => x,
        ActivationKind::Relu => {
            if x.value() > 0.0 {
                x
            } else {
                zero
            }
        }
        ActivationKind::Square => x * x,
        ActivationKind::Tanh => tanh(x),
        ActivationKind::Softplus => (one + x.exp()).ln(),
        ActivationKind::Elu => {
            if x.value() > 0.0 {
                x
            } else {
                x.exp() - one
            }
        }
        ActivationKind::Swish => x * sigmoid(beta * x),
        other => panic!("there is no reference for {other}"),
    }
}

/// W x + b with W `[outputs, x.len()]`, row-major.
fn linear<N: Number>(weight: &[N], bias: &[N], x: &[N]) -> Vec<N> {
    let rows = weight.chunks(x.len());
    rows.zip(bias)
        .map(|(row, &b)| row.iter().zip(x).fold(b, |sum, (&w, &x)| sum + w * x))
        .collect()
}

fn layer<N: Number>(kind: LayerKind, p: &[N], t: N, x: &[N], outputs: usize) -> Vec<N> {
    let weights = outputs * x.len();
    let plain = |p: &[N]| linear(&p[..weights], &p[weights..weights + outputs], x);
    let rest = p.get(weights + outputs..).unwrap_or(&[]);
    match kind {
        LayerKind::Ignore => plain(p),
        LayerKind::Concat | LayerKind::ConcatCoord => {
            let (weight, bias) = p.split_at(weights + outputs);
            linear(weight, bias, &[&[t], x].concat())
        }
        LayerKind::ConcatV2 => (0..outputs).map(|j| plain(p)[j] + rest[j] * t).collect(),
        LayerKind::Squash => (0..outputs)
            .map(|j| plain(p)[j] * sigmoid(rest[j] * t + rest[outputs + j]))
            .collect(),
        LayerKind::ConcatSquash => (0..outputs)
            .map(|j| plain(p)[j] * sigmoid(rest[outputs + j] * t + rest[2 * outputs + j]) + rest[j] * t)
            .collect(),
        LayerKind::Blend => (0..outputs)
            .map(|j| plain(p)[j] + (plain(rest)[j] - plain(p)[j]) * t)
            .collect(),
        LayerKind::Hyper | LayerKind::HyperOverlapping => {
            let hidden: Vec<N> = (0..8).map(|i| tanh(p[i] * t + p[8 + i])).collect();
            let (weight, bias) = p[16..].split_at(8 * (weights + outputs));
            let generated = linear(weight, bias, &hidden);
            linear(&generated[outputs..], &generated[..outputs], x)
        }
    }
}

/// The network's output for one row of input.
fn network<N: Number>(architecture: &MlpArchitecture, parameters: &[N], t: N, z: &[N]) -> Vec<N> {
    let specs = architecture.parameters();
    let beta = parameters[parameters.len() - 1];
    let mut x = z.to_vec();
    for (l, &kind) in architecture.kinds().iter().enumerate() {
        let start = specs
            .iter()
            .find(|spec| spec.name.starts_with(&format!("layers.{l}.")))
            .unwrap()
            .offset;
        let end = specs
            .iter()
            .find(|spec| spec.name.starts_with(&format!("layers.{}.", l + 1)));
        let end = end.map_or(parameters.len(), |spec| spec.offset);
        x = layer(kind, &parameters[start..end], t, &x, architecture.dimensions()[l + 1]);
        if l + 1 < architecture.layers() {
            x = x
                .into_iter()
                .map(|x| activate(architecture.activation(), x, beta))
                .collect();
        }
    }
    x
}

impl case::Field for MlpArchitecture {
    fn value<N: Number>(&self, parameters: &[N], t: N, z: &[N], given: &[N]) -> Vec<N> {
        network(self, parameters, t, &[z, given].concat())
    }
}

/// A reproducible number in (−1, 1) for every index, without any generator's state.
pub fn noise(seed: usize, index: usize) -> f64 {
    let mut x =
        (seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (index as u64).wrapping_mul(0xD1B5_4A32_D192_ED03);
    x = (x ^ (x >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 29)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((x ^ (x >> 32)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// `len` numbers of [`noise`].
pub fn noises(seed: usize, len: usize) -> Vec<f64> {
    (0..len).map(|index| noise(seed, index)).collect()
}

/// The largest difference between two slices, relative to the largest magnitude of the second.
pub fn relative_error(got: &[f64], wanted: &[f64]) -> f64 {
    assert_eq!(got.len(), wanted.len());
    let scale = wanted.iter().fold(1e-30f64, |m, w| m.max(w.abs()));
    got.iter()
        .zip(wanted)
        .map(|(g, w)| (g - w).abs() / scale)
        .fold(0.0, |m, e| if e.is_nan() { f64::NAN } else { e.max(m) })
}

//! Element-wise functions on tensors beside candle's own, forward and with their gradient, in single precision.
//!
//! Throughput is in elements.

use candle_core::{Device, Result, Tensor, Var};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ffjord_nn::ops;

type Operation = fn(&Tensor) -> Result<Tensor>;

fn candle_softplus(x: &Tensor) -> Result<Tensor> {
    x.relu()? + (x.abs()?.neg()?.exp()? + 1.0)?.log()?
}

/// Name, by the kernels, by candle.
const FUNCTIONS: [(&str, Operation, Operation); 6] = [
    ("tanh", ops::tanh, Tensor::tanh),
    ("sigmoid", ops::sigmoid, candle_nn::ops::sigmoid),
    ("softplus", ops::softplus, candle_softplus),
    ("elu", ops::elu, |x| x.elu(1.0)),
    ("swish", |x| ops::swish(x, 1.0), Tensor::silu),
    ("relu", ops::relu, Tensor::relu),
];

fn functions(c: &mut Criterion) {
    for shape in [(100, 64), (1000, 64), (10_000, 64)] {
        let x = Tensor::randn(0f32, 1.0, shape, &Device::Cpu)
            .and_then(|x| Var::from_tensor(&x))
            .expect("memory for a small tensor");
        let mut group = c.benchmark_group(format!("{}x{}", shape.0, shape.1));
        group.throughput(Throughput::Elements(x.elem_count() as u64));
        for (name, ours, candles) in FUNCTIONS {
            for (maker, function) in [("kernel", ours), ("candle", candles)] {
                group.bench_function(BenchmarkId::new(name, maker), |b| {
                    b.iter(|| function(&x.as_detached_tensor()).expect("an operation on f32"));
                });
                group.bench_function(BenchmarkId::new(format!("{name} with gradient"), maker), |b| {
                    let weights = x.ones_like().expect("memory for a small tensor");
                    b.iter(|| {
                        let y = function(&x).expect("an operation on f32");
                        let loss = y.mul(&weights).and_then(|y| y.sum_all()).expect("a sum");
                        loss.backward().expect("a gradient")
                    });
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, functions);
criterion_main!(benches);

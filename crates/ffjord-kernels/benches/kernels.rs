//! Speed of the element-wise functions, the products and the fused networks, beside the product ceiling of the machine.
//!
//! Throughput is in floating-point operations for products and networks (an evaluation forward counts 2 passes of the
//! rows through all weights, its reverse 4) and in elements for functions. The first group is the ceiling: divide by
//! what it shows in the same run.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::linalg::{AlignedBuffer, PackedMatrix, PanelLayout, Rows, RowsMut, accumulate_outer, multiply};
use ffjord_kernels::mlp::{MlpArchitecture, MlpKernel};
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{ActivationKind, GradientMut, Kernel, LayerKind, Stack, StackMut};

fn numbers(len: usize, scale: f32) -> AlignedBuffer<f32> {
    let mut buffer = AlignedBuffer::zeros(len);
    for (i, x) in buffer.iter_mut().enumerate() {
        *x = scale * (((i * 7919) % 1000) as f32 * 2e-3 - 1.0);
    }
    buffer
}

fn products(c: &mut Criterion) {
    let level = SimdLevel::detect();
    let mut group = c.benchmark_group("product");
    for (rows, depth, columns) in [
        (512, 512, 512),
        (512, 64, 64),
        (512, 60, 60),
        (512, 2, 64),
        (512, 64, 2),
    ] {
        let (x_stride, y_stride) = (depth, PanelLayout::new::<f32>(level, columns).padded());
        let (x, mut y) = (numbers(rows * x_stride, 1.0), numbers(rows * y_stride, 1.0));
        let mut weight = PackedMatrix::zeros(level, depth, columns);
        weight.fill_with(|k, n| ((k * 31 + n * 17) % 97) as f32 * 1e-2);
        let shape = format!("{rows}x{depth}x{columns}");
        group.throughput(Throughput::Elements(2 * (rows * depth * columns) as u64));
        group.bench_function(BenchmarkId::new("packed", &shape), |b| {
            b.iter(|| {
                let (a, c) = (
                    Rows {
                        data: &x,
                        stride: x_stride,
                    },
                    RowsMut {
                        data: &mut y,
                        stride: y_stride,
                    },
                );
                multiply(level, a, &weight, &[], c);
            });
        });
        let mut gradient = numbers(depth * columns, 0.0);
        group.bench_function(BenchmarkId::new("outer", &shape), |b| {
            b.iter(|| {
                let (x, y) = (
                    Rows {
                        data: &x,
                        stride: x_stride,
                    },
                    Rows {
                        data: &y,
                        stride: y_stride,
                    },
                );
                accumulate_outer(
                    level,
                    (depth, columns),
                    x,
                    y,
                    RowsMut {
                        data: &mut gradient,
                        stride: columns,
                    },
                );
            });
        });
    }
    group.finish();
}

fn functions(c: &mut Criterion) {
    const LEN: usize = 16_384;
    let level = SimdLevel::detect();
    let mut group = c.benchmark_group("function with tangent");
    group.throughput(Throughput::Elements(LEN as u64));
    let start = numbers(2 * LEN, 2.0);
    for (name, function) in [
        ("tanh", Function::Tanh),
        ("sigmoid", Function::Sigmoid),
        ("softplus", Function::Softplus),
        ("elu", Function::Elu),
        ("swish", Function::Swish { beta: 1.1 }),
    ] {
        let mut stack = start.clone();
        group.bench_function(name, |b| {
            b.iter(|| {
                stack.copy_from_slice(&start);
                function.forward_stack(level, LEN, &mut stack, &mut []);
            });
        });
    }
    group.finish();
}

fn networks(c: &mut Criterion) {
    let level = SimdLevel::detect();
    for (name, dimensions, activation, blocks) in [
        (
            "2-64-64-64-2 tanh",
            &[2usize, 64, 64, 64, 2][..],
            ActivationKind::Tanh,
            &[64usize, 128, 256, 512][..],
        ),
        (
            "6-60-60-60-6 tanh",
            &[6, 60, 60, 60, 6],
            ActivationKind::Tanh,
            &[64, 128, 256, 512],
        ),
        (
            "6-60-60-60-6 tanh, given 2",
            &[6 + 2, 60, 60, 60, 6],
            ActivationKind::Tanh,
            &[64, 512],
        ),
        (
            "43-860-860-43 softplus",
            &[43, 860, 860, 43],
            ActivationKind::Softplus,
            &[128, 256, 500],
        ),
    ] {
        let net =
            MlpArchitecture::new(dimensions, LayerKind::ConcatSquash, activation).expect("the dimensions are positive");
        let kernel = MlpKernel::new(level, net.clone(), &numbers(net.parameter_count(), 0.2))
            .expect("as many parameters as the network has");
        let mut group = c.benchmark_group(name);
        for &rows in blocks {
            let (state, given) = (rows * kernel.state_len(), rows * kernel.given_len());
            let (z, e) = (numbers(state, 1.0), numbers(state, 1.0));
            let (given, mut of_given) = (numbers(given, 1.0), numbers(given, 0.0));
            let (mut f, mut u, mut grad_z) = (z.clone(), z.clone(), z.clone());
            let (mut workspace, mut tape) = (kernel.workspace(2 * rows), kernel.tape(2 * rows));
            let mut gradient = vec![0.0; net.parameter_count()];
            let input = Stack {
                value: &z,
                tangents: &e,
            };
            let pass = (kernel.flops_per_row() * rows) as u64;
            group.throughput(Throughput::Elements(2 * pass));
            group.bench_function(BenchmarkId::new("forward", rows), |b| {
                b.iter(|| {
                    let output = StackMut {
                        value: &mut f,
                        tangents: &mut u,
                    };
                    kernel
                        .forward(0.3, input, &given, output, &mut workspace)
                        .expect("shapes fit");
                });
            });
            group.throughput(Throughput::Elements(6 * pass));
            group.bench_function(BenchmarkId::new("forward and reverse", rows), |b| {
                b.iter(|| {
                    let output = StackMut {
                        value: &mut f,
                        tangents: &mut u,
                    };
                    kernel
                        .record(0.3, input, &given, output, &mut tape, &mut workspace)
                        .expect("shapes fit");
                    let to = GradientMut {
                        state: &mut grad_z,
                        parameters: &mut gradient,
                        given: &mut of_given,
                    };
                    kernel
                        .reverse(&tape, &given, input, to, &mut workspace)
                        .expect("shapes fit");
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, products, functions, networks);
criterion_main!(benches);

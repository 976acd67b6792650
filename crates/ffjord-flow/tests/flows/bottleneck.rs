//! Traces at the bottleneck by compiled kernels: what solves lead to, and all gradients, are those of tensor operations.

use crate::common::{TestResult, rng, settings, uniform};
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Cnf, Pass, PathIntegral, TensorBackend, TraceMode};
use ffjord_nn::{
    ActivationKind, ConvNetConfig, Dual, EncoderDecoder, FieldKernel, LayerKind, MlpConfig, NnError, Parameter, Stride,
    VectorField,
};
use ffjord_ode::{Method, Solver};
use ffjord_trace::ProbeDistribution;
use std::sync::Arc;

type BoxError = Box<dyn std::error::Error>;

/// Numbers with the names of what they are.
type Named = Vec<(String, Vec<f64>)>;

const TWO_PROBES: TraceMode = TraceMode::Bottleneck {
    distribution: ProbeDistribution::Gaussian,
    probes: 2,
};

/// A field whose products at the bottleneck only its kernel has.
#[derive(Debug)]
struct KernelAlone(EncoderDecoder);

impl VectorField for KernelAlone {
    fn parameters(&self) -> &[Parameter] {
        self.0.parameters()
    }

    fn dtype(&self) -> DType {
        self.0.dtype()
    }

    fn device(&self) -> &Device {
        self.0.device()
    }

    fn state_shape(&self) -> &[usize] {
        self.0.state_shape()
    }

    fn given_len(&self) -> usize {
        self.0.given_len()
    }

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> Result<Dual, NnError> {
        self.0.dual(t, z, given)
    }

    fn bottleneck_shape(&self) -> Option<&[usize]> {
        self.0.bottleneck_shape()
    }

    fn bottleneck_kernel(&self) -> Result<Option<FieldKernel>, NnError> {
        self.0.bottleneck_kernel()
    }
}

fn dense(layer: LayerKind, activation: ActivationKind, dtype: DType) -> Result<EncoderDecoder, NnError> {
    let config = MlpConfig {
        dimension: 4,
        given: 2,
        hidden: vec![9, 2, 7],
        layer,
        activation,
    };
    EncoderDecoder::dense(&config, &mut rng(1), dtype, &Device::Cpu)
}

fn convolutional(layer: LayerKind, activation: ActivationKind, dtype: DType) -> Result<EncoderDecoder, NnError> {
    let config = ConvNetConfig::new(2, (4, 6))
        .hidden([6, 5, 2, 6])
        .strides([Stride::Keep, Stride::Halve, Stride::Keep, Stride::Double, Stride::Keep])
        .layer(layer)
        .activation(activation);
    EncoderDecoder::convolutional(&config, &mut rng(1), dtype, &Device::Cpu)
}

/// Results of a training and an evaluation pass, and the gradients of a loss that all results of the first enter into.
fn outcome(cnf: &Cnf, x: &Tensor, given: Option<&Tensor>) -> Result<(Named, Named), BoxError> {
    let numbers = |tensor: &Tensor| -> Result<Vec<f64>, BoxError> {
        Ok(tensor.detach().to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
    };
    let x = Var::from_tensor(x)?;
    let (mut training_rng, mut evaluation_rng) = (rng(77), rng(77));
    let mut training = Pass::training(&mut training_rng);
    let mut evaluation = Pass::evaluation(&mut evaluation_rng);
    if let Some(given) = given {
        (training, evaluation) = (training.given(given.clone()), evaluation.given(given.clone()));
    }
    let evaluated = cnf.forward(&x, &mut evaluation)?;
    let image = cnf.forward(&x, &mut training)?;
    let mut results = vec![
        ("value".to_string(), numbers(&image.value)?),
        ("log-determinant".to_string(), numbers(image.log_det()?)?),
        ("evaluated value".to_string(), numbers(&evaluated.value)?),
        ("evaluated log-determinant".to_string(), numbers(evaluated.log_det()?)?),
    ];
    let mut total = ((image.value.sqr()? * 0.5)?.sum_all()? - image.log_det()?.sum_all()?)?;
    for integral in &cnf.settings().integrals {
        let values = image.integrals.get(*integral).ok_or("the integral was asked for")?;
        results.push((integral.to_string(), numbers(values)?));
        total = (total + (values * 0.3)?.sum_all()?)?;
    }
    let store = total.backward()?;
    let mut vars: Vec<(String, Var)> = cnf.parameters().into_iter().map(|p| (p.name, p.var)).collect();
    vars.push(("x".to_string(), x.clone()));
    let gradient = |(name, var): (String, Var)| {
        let gradient = store.get(&var).ok_or("every parameter must have a gradient")?;
        Ok((name, numbers(gradient)?))
    };
    let gradients = vars.into_iter().map(gradient).collect::<Result<_, BoxError>>()?;
    Ok((results, gradients))
}

fn norm(values: impl Iterator<Item = f64>) -> f64 {
    values.map(|value| value * value).sum::<f64>().sqrt()
}

/// Fails unless the kernel's numbers are the reference's but for an error relative to their size, where what vanishes
/// beside the rest is known as well as the rest.
fn compare(label: &str, kernel: &Named, reference: &Named, tolerance: f64) {
    let whole = norm(reference.iter().flat_map(|(_, numbers)| numbers.iter().copied()));
    for ((name, ours), (_, theirs)) in kernel.iter().zip(reference) {
        assert_eq!(ours.len(), theirs.len(), "{label} {name}");
        let error = norm(ours.iter().zip(theirs).map(|(a, b)| a - b));
        let size = norm(theirs.iter().copied()).max(1e-3 * whole);
        assert!(
            error < tolerance * size,
            "{label} {name}: off by {:e} of its size",
            error / size
        );
    }
}

/// A kernel of this precision against tensor operations in double precision.
fn check(
    label: &str,
    make: impl Fn(DType) -> Result<EncoderDecoder, NnError>,
    dtype: DType,
    (trace, integrals): (&TraceMode, &[PathIntegral]),
) -> TestResult {
    let (ours, reference) = (make(dtype)?, make(DType::F64)?);
    for (ours, reference) in ours.parameters().iter().zip(reference.parameters()) {
        // The same numbers, not only the same draws.
        reference.var.set(&ours.var.to_dtype(DType::F64)?)?;
    }
    let shape = [&[6], ours.state_shape()].concat();
    let x = uniform(3, &shape)?.to_dtype(dtype)?;
    let given = match ours.given_len() {
        0 => None,
        width => Some(uniform(4, &[6, width])?.to_dtype(dtype)?),
    };
    let double = |tensor: &Tensor| tensor.to_dtype(DType::F64);
    let mut settings = settings(1e-5, trace.clone())?;
    // Both take the same steps.
    settings.training.solver = Solver::new(Method::Dopri5).fixed_steps(2);
    settings.evaluation.solver = Solver::new(Method::Rk4).fixed_steps(2);
    settings.integrals = integrals.to_vec();
    let kernel = Cnf::new(Arc::new(KernelAlone(ours)), settings.clone())?;
    let tensors = Cnf::new(Arc::new(reference), settings)?.with_backend(Arc::new(TensorBackend));
    let (results, gradients) = outcome(&kernel, &x, given.as_ref())?;
    let given = given.as_ref().map(double).transpose()?;
    let (wanted, wanted_gradients) = outcome(&tensors, &double(&x)?, given.as_ref())?;
    let tolerance = if dtype == DType::F64 { 1e-9 } else { 1e-4 };
    compare(label, &results, &wanted, tolerance);
    compare(label, &gradients, &wanted_gradients, tolerance);
    Ok(())
}

#[test]
fn kernels_agree_with_tensor_operations() -> TestResult {
    use PathIntegral::{Kinetic, L2, TraceVariance};
    let cases: [(&TraceMode, &[PathIntegral]); 2] = [
        (&TWO_PROBES, &[Kinetic, L2, TraceVariance]),
        (&TraceMode::BottleneckExact, &[Kinetic]),
    ];
    for layer in LayerKind::ALL {
        for (trace, integrals) in cases {
            for (dtype, activation) in [
                (DType::F64, ActivationKind::Tanh),
                (DType::F64, ActivationKind::Swish),
                (DType::F32, ActivationKind::Softplus),
            ] {
                let label = format!("{layer} {activation} {dtype:?} {trace:?}");
                let of = (trace, integrals);
                check(
                    &format!("dense {label}"),
                    |dtype| dense(layer, activation, dtype),
                    dtype,
                    of,
                )?;
                let make = |dtype| convolutional(layer, activation, dtype);
                check(&format!("convolutional {label}"), make, dtype, of)?;
            }
        }
    }
    Ok(())
}

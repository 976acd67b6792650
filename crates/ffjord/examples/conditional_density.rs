//! A conditional density p(y | x): regression that learns more than a mean.
//!
//! The data are `y = ± sin(2x) + (0.3 + 0.1 x²) ε` with a random sign: one number y has two branches that cross, and noise
//! that depends on x. Two flows learn it: an autoregressive spline by maximum likelihood, and a continuous flow by flow
//! matching, whose likelihood follows more slowly since another error is what it makes small. Both are compared with the
//! true density, and with a spline of y alone, which shows what knowing x is worth. Run it with `cargo run --release -p ffjord --example conditional_density`.

use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{
    Autoregressive, AutoregressiveFlowConfig, Backend, Bijection, Cnf, CnfSettings, Density, Flow, Pass,
    RationalQuadraticSpline, SolveSettings, StandardNormalBase, TraceMode,
};
use ffjord::nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
use ffjord::ode::{Method, Solver, adjoint::AdjointMethod};
use ffjord::train::{
    Adam, AdamConfig, FlowMatching, MaximumLikelihood, NoiseCoupling, Objective, Optimizer, Purpose, Streams,
};
use std::sync::Arc;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

const ITERATIONS: u64 = 1500;
const BATCH: usize = 256;
const HELD_OUT: usize = 2000;

/// The scale of the noise at x.
fn noise_scale(x: &Tensor) -> Outcome<Tensor> {
    Ok(((x.sqr()? * 0.1)? + 0.3)?)
}

/// Rows of y and x, `[rows, 1]` each.
fn data(rows: usize, streams: &Streams, index: u64) -> Outcome<(Tensor, Tensor)> {
    let mut rng = streams.rng(Purpose::Data, index, 0);
    let draws = StandardNormalBase::new(&[3], DType::F32, &Device::Cpu)?.sample(rows, &mut Pass::sampling(&mut rng))?;
    let column = |index: usize| draws.narrow(1, index, 1)?.contiguous();
    let (x, sign) = (column(0)?, ((column(1)?.ge(0.0)?.to_dtype(DType::F32)? * 2.0)? - 1.0)?);
    let y = (((&x * 2.0)?.sin()? * sign)? + (noise_scale(&x)? * column(2)?)?)?;
    Ok((y, x))
}

/// The true mean of −ln p(y | x), in nats.
fn true_nll(y: &Tensor, x: &Tensor) -> Outcome<f32> {
    let (scale, branch) = (noise_scale(x)?, (x * 2.0)?.sin()?);
    let half = |mean: &Tensor| -> Outcome<Tensor> {
        let z = ((y - mean)? / &scale)?;
        let height = 0.5 / (2.0 * std::f64::consts::PI).sqrt();
        Ok((((z.sqr()? * -0.5)?.exp()? * height)? / &scale)?)
    };
    let density = (half(&branch)? + half(&branch.neg()?)?)?;
    Ok(density.log()?.mean_all()?.neg()?.to_scalar()?)
}

/// What a flow is told beside y.
#[derive(Clone, Copy, PartialEq)]
enum Given {
    X,
    Nothing,
}

impl Given {
    fn tell<'a>(self, pass: Pass<'a>, x: &Tensor) -> Pass<'a> {
        match self {
            Self::X => pass.given(x.clone()),
            Self::Nothing => pass,
        }
    }
}

/// Trains a flow of y and returns its held-out negative log-likelihood, in nats.
fn train<B: Bijection>(
    name: &str,
    flow: &Flow<B>,
    given: Given,
    objective: &dyn Objective<Flow<B>>,
    streams: &Streams,
) -> Outcome<f32> {
    let parameters = flow.bijection().parameters();
    let mut optimizer = Adam::new(parameters.clone(), AdamConfig::default())?;
    for iteration in 0..ITERATIONS {
        let rate = 5e-3 * (1.0 - iteration as f64 / ITERATIONS as f64);
        let (y, x) = data(BATCH, streams, iteration)?;
        let mut rng = streams.rng(Purpose::Probe, iteration, 0);
        let mut pass = given.tell(Pass::training(&mut rng), &x);
        let loss = objective.loss(flow, &y.into(), &mut pass)?.total;
        let gradients = loss.backward()?;
        let gradients: Option<Vec<_>> = parameters
            .iter()
            .map(|parameter| gradients.get(&parameter.var).cloned())
            .collect();
        optimizer.step(&gradients.ok_or("a parameter has no gradient")?, rate)?;
    }
    let (y, x) = data(HELD_OUT, streams, ITERATIONS)?;
    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let log_prob = flow.log_prob(&y, &mut given.tell(Pass::evaluation(&mut rng), &x))?;
    let nll: f32 = log_prob.mean_all()?.neg()?.to_scalar()?;
    println!(
        "{name}: held-out NLL {nll:.3} nats, of the true p(y | x) {:.3}",
        true_nll(&y, &x)?
    );
    if given == Given::Nothing {
        return Ok(nll);
    }

    // At one x, the samples lie on both branches.
    let x = Tensor::full(0.8f32, (1000, 1), &Device::Cpu)?;
    let samples: Vec<f32> = flow
        .sample(1000, &mut Pass::sampling(&mut rng).given(x))?
        .flatten_all()?
        .to_vec1()?;
    let above = samples.iter().filter(|y| **y > 0.0).count();
    println!("  1000 samples at x = 0.8: {above} above zero, {} below", 1000 - above);
    Ok(nll)
}

fn main() -> Outcome {
    let streams = Streams::new(0);
    let base = || StandardNormalBase::new(&[1], DType::F32, &Device::Cpu);
    let mut rng = streams.rng(Purpose::Initialise, 0, 0);

    let mut spline = |condition| -> Outcome<Flow<Autoregressive>> {
        let config = AutoregressiveFlowConfig {
            dimension: 1,
            condition,
            hidden: vec![32, 32],
            activation: ActivationKind::Relu,
            transform: Arc::new(RationalQuadraticSpline::new(12, 4.0)?),
        };
        let map = Autoregressive::new(&config, &mut rng, DType::F32, &Device::Cpu)?;
        Ok(Flow::new(map, base()?))
    };
    let likelihood = MaximumLikelihood::default();
    let conditional = train("spline of y given x", &spline(1)?, Given::X, &likelihood, &streams)?;
    let marginal = train("spline of y alone", &spline(0)?, Given::Nothing, &likelihood, &streams)?;
    println!("knowing x is worth {:.3} nats", marginal - conditional);
    if conditional >= marginal {
        return Err("the conditional density should be the more likely one".into());
    }

    let network = MlpConfig {
        dimension: 1,
        hidden: vec![64, 64],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::conditional(&network, 1, &mut rng, DType::F32, &Device::Cpu)?;
    let solve = SolveSettings {
        solver: Solver::new(Method::Rk4).fixed_steps(20),
        trace: TraceMode::Exact,
        block_rows: 512,
    };
    let settings = CnfSettings {
        end_time: 1.0,
        learn_end_time: false,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
        backend: Backend::Fused,
    };
    let continuous = Flow::new(Cnf::new(Arc::new(field), settings)?, base()?);
    let objective = FlowMatching::new(NoiseCoupling::Independent)?;
    train(
        "continuous flow of y given x, flow matching",
        &continuous,
        Given::X,
        &objective,
        &streams,
    )?;
    Ok(())
}

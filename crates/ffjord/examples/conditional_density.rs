//! A conditional density p(y | x): regression that learns more than a mean.
//!
//! The data are `y = ± sin(2x) + (0.3 + 0.1 x²) ε` with a random sign: one number y has two branches that cross, and noise
//! that depends on x. Two flows learn it: an autoregressive spline by maximum likelihood, and a continuous flow by flow
//! matching, whose likelihood follows more slowly since another error is what it makes small. Both are compared with the
//! true density, and with a spline of y alone, which shows what knowing x is worth. Run it with `cargo run --release -p ffjord --example conditional_density`.

use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{
    Autoregressive, AutoregressiveFlowConfig, Bijection, Cnf, Density, Flow, Pass, RationalQuadraticSpline,
    SolveSettings, StandardNormal,
};
use ffjord::nn::ActivationKind;
use ffjord::ode::{Method, Solver};
use ffjord::train::rand::RngCore;
use ffjord::train::{
    Batch, FlowMatching, FreshSamples, MaximumLikelihood, NoiseCoupling, Objective, Purpose, ScheduleConfig, Streams,
    TrainError, Trainer, TrainerOptions,
};
use std::sync::Arc;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const ITERATIONS: u64 = 1500;
const BATCH: usize = 256;
const HELD_OUT: usize = 2000;

/// The scale of the noise at x.
fn noise_scale(x: &Tensor) -> Outcome<Tensor> {
    Ok(((x.sqr()? * 0.1)? + 0.3)?)
}

/// Rows of y and x, `[rows, 1]` each.
fn data(rows: usize, rng: &mut dyn RngCore) -> Outcome<(Tensor, Tensor)> {
    let draws = StandardNormal::new(&[3], DType::F32, &Device::Cpu)?.sample(rows, &mut Pass::sampling(rng))?;
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
    let source = FreshSamples::new(BATCH, DType::F32, move |rows, rng| {
        let (y, x) = data(rows, rng).map_err(|error| TrainError::own("drawing a batch", error))?;
        Batch::new(y, (given == Given::X).then_some(x))
    });
    let mut options = TrainerOptions::new(ITERATIONS, 5e-3);
    options.schedule = ScheduleConfig::WarmupCosine {
        peak: 5e-3,
        floor: 0.0,
        warmup: 0,
    };
    Trainer::new(flow, objective, &source, options)?
        .streams(*streams)
        .run()?;
    let mut rng = streams.rng(Purpose::Test, 0, 0);
    let (y, x) = data(HELD_OUT, &mut rng)?;
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
        Ok(Flow::over_normal(map)?)
    };
    let likelihood = MaximumLikelihood::default();
    let conditional = train("spline of y given x", &spline(1)?, Given::X, &likelihood, &streams)?;
    let marginal = train("spline of y alone", &spline(0)?, Given::Nothing, &likelihood, &streams)?;
    println!("knowing x is worth {:.3} nats", marginal - conditional);
    if conditional >= marginal {
        return Err("the conditional density should be the more likely one".into());
    }

    let steps = SolveSettings::new(Solver::new(Method::Rk4).fixed_steps(20));
    let cnf = Cnf::builder(1).given(1).fixed_end_time(1.0).evaluation(steps).build()?;
    let continuous = Flow::over_normal(cnf)?;
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

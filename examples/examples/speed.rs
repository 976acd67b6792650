//! What a field of one's own costs beside the compiled network of the same size.
//!
//! Both are the same dense layers with the same weights, 2-64-64-64-2. The own field says nothing of a kernel, so its
//! solves are carried out by tensor operations. Run it with `cargo run --release -p ffjord-examples --example speed`.

use ffjord::candle::{DType, Device, Tensor};
use ffjord::data::ToyDensity;
use ffjord::flow::{Cnf, CnfSettings, Density, Flow, Pass};
use ffjord::nn::{Dual, Mlp, MlpConfig, Parameter, Result as NnResult, VectorField};
use ffjord::train::{Purpose, Streams, to_tensor};
use ffjord_examples::Outcome;
use std::sync::Arc;
use std::time::Instant;

const ROWS: usize = 10_000;
const REPETITIONS: usize = 7;

/// Dense layers, as somebody who does not know of kernels would write them.
#[derive(Debug)]
struct Own(Mlp);

impl VectorField for Own {
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

    fn dual(&self, t: &Tensor, z: &Dual, given: Option<&Tensor>) -> NnResult<Dual> {
        self.0.dual(t, z, given)
    }
}

fn network() -> Outcome<Mlp> {
    let config = MlpConfig::new(2).hidden([64, 64, 64]);
    let mut rng = Streams::new(0).rng(Purpose::Initialise, 0, 0);
    Ok(Mlp::new(&config, &mut rng, DType::F32, &Device::Cpu)?)
}

/// Seconds of one evaluation of every row, with the mean log-density and the evaluations of the field that it took.
fn time(flow: &Flow<Cnf>, rows: &Tensor) -> Outcome<(f64, f32, f64)> {
    let mut rng = Streams::new(0).rng(Purpose::Test, 0, 0);
    let mut pass = Pass::evaluation(&mut rng);
    let start = Instant::now();
    let log_prob = flow.log_prob(rows, &mut pass)?;
    let seconds = start.elapsed().as_secs_f64();
    let evaluations = pass.cost().snapshot().forward_evaluations;
    Ok((seconds, log_prob.mean_all()?.to_scalar()?, evaluations))
}

fn main() -> Outcome {
    let mut rng = Streams::new(0).rng(Purpose::Data, 0, 0);
    let rows = to_tensor(&ToyDensity::Moons.sample(ROWS, &mut rng), DType::F32, &Device::Cpu)?;
    for block_rows in [256, 1024, ROWS] {
        let mut settings = CnfSettings::default();
        settings.evaluation = settings.evaluation.block_rows(block_rows);
        let compiled = Flow::over_normal(Cnf::new(Arc::new(network()?), settings.clone())?)?;
        let own = Flow::over_normal(Cnf::new(Arc::new(Own(network()?)), settings)?)?;
        let (mut fastest, mut density, mut evaluations) = ([f64::INFINITY; 2], [0.0; 2], [0.0; 2]);
        // In turns, so that whatever else the machine does meets both.
        for _ in 0..REPETITIONS {
            for (index, flow) in [&compiled, &own].into_iter().enumerate() {
                let (seconds, mean, taken) = time(flow, &rows)?;
                fastest[index] = fastest[index].min(seconds);
                (density[index], evaluations[index]) = (mean, taken);
            }
        }
        if (density[0] - density[1]).abs() > 1e-3 {
            return Err(format!("the two disagree: {} and {} nats", density[0], density[1]).into());
        }
        println!(
            "blocks of {block_rows}: compiled {:.3} s ({:.1} evaluations), own field {:.3} s ({:.1} evaluations), \
             {:.2} times as long",
            fastest[0],
            evaluations[0],
            fastest[1],
            evaluations[1],
            fastest[1] / fastest[0]
        );
    }
    Ok(())
}

//! Conditions reach objectives and validations with their rows; validations have a stream of their own.

use crate::harness::{Result, two_steps};
use candle_core::{DType, Device, Tensor};
use ffjord_data::Matrix;
use ffjord_flow::{
    Bijection, Cnf, CnfSettings, Density, Flow, FlowError, Pass, SolveSettings, StandardNormal, TraceMode,
};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig};
use ffjord_ode::adjoint::AdjointMethod;
use ffjord_train::rand::RngCore;
use ffjord_train::{
    Batch, BatchSource, FreshSamples, HeldOut, Loss, MaximumLikelihood, Model, Objective, Purpose, ShuffledRows,
    Streams, Trainer, TrainerOptions, Validation, Validator,
};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// A flow of p(x | c) with one column each.
fn conditional() -> Flow<Cnf> {
    let network = MlpConfig {
        dimension: 1,
        given: 0,
        hidden: vec![8],
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let mut rng = Streams::new(3).rng(Purpose::Initialise, 0, 0);
    let field = Mlp::new(&network.given(1), &mut rng, DType::F64, &Device::Cpu).unwrap();
    let solve = SolveSettings {
        solver: two_steps(),
        trace: TraceMode::Exact,
        block_rows: 32,
    };
    let settings = CnfSettings {
        end_time: 1.0,
        learn_end_time: false,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
    };
    let base = StandardNormal::new(&[1], DType::F64, &Device::Cpu).unwrap();
    Flow::new(Cnf::new(Arc::new(field), settings).unwrap(), base).unwrap()
}

/// x = 2 c + 0.1 ε, and c.
fn rows(count: usize, rng: &mut dyn RngCore) -> (Matrix<f64>, Matrix<f64>) {
    let mut uniform = || f64::from(rng.next_u32()) / f64::from(u32::MAX) - 0.5;
    let pairs: Vec<(f64, f64)> = (0..count)
        .map(|_| {
            let given = 2.0 * uniform();
            (2.0 * given + 0.2 * uniform(), given)
        })
        .collect();
    let column = |of: fn(&(f64, f64)) -> f64| Matrix::new(count, 1, pairs.iter().map(of).collect()).unwrap();
    (column(|pair| pair.0), column(|pair| pair.1))
}

/// Maximum likelihood that sees to it that the pass has the conditions of the rows.
struct Checked;

impl Objective<Flow<Cnf>> for Checked {
    fn loss(&self, model: &Flow<Cnf>, batch: &Batch, pass: &mut Pass<'_>) -> Result<Loss> {
        let condition = pass.condition().expect("the trainer gave it");
        let distance = (&batch.x - (condition * 2.0)?)?.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(distance < 0.11, "{distance}");
        // The conditions come from the pass alone.
        MaximumLikelihood::default().loss(model, &batch.x.clone().into(), pass)
    }
}

#[test]
fn a_conditional_density_is_trained_and_validated() {
    let streams = Streams::new(2);
    let (x, given) = rows(200, &mut streams.rng(Purpose::Validation, 0, 0));
    let tensor = |matrix: &Matrix<f64>| ffjord_train::to_tensor(matrix, DType::F64, &Device::Cpu).unwrap();
    let held_out = HeldOut::new(Batch::new(tensor(&x), Some(tensor(&given))).unwrap()).unwrap();
    let small = held_out.clone().at_a_time(7).unwrap();
    let fresh = FreshSamples::new(64, DType::F64, |count, rng| rows(count, rng));
    let table = rows(300, &mut streams.rng(Purpose::Data, 0, 9));
    let shuffled = ShuffledRows::new(table.0, 64, DType::F64)
        .unwrap()
        .given(table.1)
        .unwrap();
    let mut ends = Vec::new();
    let sources: [(&dyn BatchSource, _); 3] = [(&fresh, None), (&shuffled, None), (&fresh, NonZeroUsize::new(20))];
    for (source, accumulate_rows) in sources {
        let options = TrainerOptions {
            accumulate_rows,
            ..TrainerOptions::new(80, 4e-2).validate_every(80)
        };
        let model = conditional();
        let before = held_out.validate(&model, &streams).unwrap();
        let trainer = Trainer::new(&model, &Checked, source, options).unwrap();
        let summary = trainer.streams(streams).validate(&held_out).run().unwrap();
        let after = summary.best_nll.unwrap();
        // Without c, no density of x has a likelihood as high: its entropy is about ln 4.
        assert!(after < 0.9, "{} to {after}", before.nll);
        let again = small.validate(&model, &streams).unwrap();
        assert!((again.nll - after).abs() < 1e-12);
        ends.push(after);
    }
    assert!((ends[0] - ends[2]).abs() < 1e-6, "{ends:?}");
}

#[test]
fn a_saved_model_is_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let (saved, loaded) = (conditional(), conditional());
    for parameter in saved.bijection().parameters() {
        parameter.var.set(&parameter.var.ones_like().unwrap()).unwrap();
    }
    saved.save(&path).unwrap();
    loaded.load(&path).unwrap();
    for (saved, loaded) in Model::parameters(&saved).iter().zip(Model::parameters(&loaded)) {
        assert_eq!(saved.name, loaded.name);
        let difference = (saved.var.as_tensor() - loaded.var.as_tensor()).unwrap();
        assert_eq!(
            difference.abs().unwrap().sum_all().unwrap().to_scalar::<f64>().unwrap(),
            0.0
        );
    }
}

/// A density whose values are the random numbers that it draws.
#[derive(Debug)]
struct Random;

impl Density for Random {
    fn log_prob(&self, x: &Tensor, pass: &mut Pass<'_>) -> std::result::Result<Tensor, FlowError> {
        let drawn: Vec<f64> = (0..x.dim(0)?).map(|_| pass.rng().next_u64() as f64).collect();
        Ok(Tensor::new(drawn, &Device::Cpu)?)
    }

    fn sample(&self, _rows: usize, _pass: &mut Pass<'_>) -> std::result::Result<Tensor, FlowError> {
        unreachable!("nothing samples it")
    }

    fn row_shape(&self) -> &[usize] {
        &[1]
    }

    fn dtype(&self) -> DType {
        DType::F64
    }

    fn device(&self) -> &Device {
        &Device::Cpu
    }
}

#[test]
fn validations_draw_from_their_own_stream() {
    let streams = Streams::new(8);
    let rows = Tensor::zeros((5, 1), DType::F64, &Device::Cpu).unwrap();
    let held_out = HeldOut::new(rows).unwrap().at_a_time(3).unwrap();
    let Validation { nll, .. } = held_out.validate(&Random, &streams).unwrap();
    let mut drawn = Vec::new();
    for (index, count) in [(0, 3), (1, 2)] {
        let mut rng = streams.rng(Purpose::Validation, index, 1);
        drawn.extend((0..count).map(|_| rng.next_u64() as f64));
    }
    assert_eq!(nll, -drawn.iter().sum::<f64>() / 5.0);
    assert_eq!(held_out.validate(&Random, &streams).unwrap().nll, nll);
}

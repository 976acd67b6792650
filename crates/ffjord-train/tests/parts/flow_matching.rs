//! Flow matching: its loss by hand, its gradient by differences, and what it learns.

use candle_core::{DType, Device, Tensor};
use ffjord_flow::{
    ActNorm, Bijection, Chain, Cnf, CnfSettings, Density, Flow, FlowError, Pass, SolveSettings, StandardNormal,
    TraceMode, Velocity, Whitening,
};
use ffjord_nn::{ActivationKind, LayerKind, Mlp, MlpConfig, Parameter};
use ffjord_ode::{Method, Solver, adjoint::AdjointMethod};
use ffjord_train::{
    Adam, AdamConfig, Batch, FlowMatching, NoiseCoupling, Objective, Optimizer, Purpose, Streams, TrainError,
};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn rng(index: u64) -> ChaCha8Rng {
    Streams::new(5).rng(Purpose::Probe, index, 0)
}

fn normal(rows: usize, index: u64) -> Result<Tensor, FlowError> {
    let base = StandardNormal::new(&[2], DType::F64, &Device::Cpu)?;
    base.sample(rows, &mut Pass::sampling(&mut rng(index)))
}

fn block(end_time: f64, condition: usize, hidden: &[usize], seed: u64) -> Outcome<Cnf> {
    let network = MlpConfig {
        dimension: 2,
        given: 0,
        hidden: hidden.to_vec(),
        layer: LayerKind::ConcatSquash,
        activation: ActivationKind::Tanh,
    };
    let field = Mlp::new(&network.given(condition), &mut rng(seed), DType::F64, &Device::Cpu)?;
    let solve = SolveSettings {
        solver: Solver::new(Method::Rk4).fixed_steps(10),
        trace: TraceMode::Exact,
        block_rows: 128,
    };
    let settings = CnfSettings {
        end_time,
        learn_end_time: true,
        training: solve.clone(),
        evaluation: solve,
        adjoint: AdjointMethod::default(),
        integrals: Vec::new(),
    };
    Ok(Cnf::new(Arc::new(field), settings)?)
}

fn flow<B: Bijection>(bijection: B) -> Outcome<Flow<B>> {
    let base = StandardNormal::new(&[2], DType::F64, &Device::Cpu)?;
    Ok(Flow::new(bijection, base)?)
}

fn two_blocks() -> Outcome<Flow<Chain>> {
    flow(Chain::new(vec![
        Box::new(block(0.5, 0, &[6], 1)?),
        Box::new(block(2.0, 0, &[6], 2)?),
    ])?)
}

fn loss<B: Bijection>(model: &Flow<B>, coupling: NoiseCoupling, batch: &Tensor) -> Outcome<Tensor> {
    let mut rng = rng(9);
    Ok(FlowMatching::new(coupling)?
        .loss(model, &batch.clone().into(), &mut Pass::training(&mut rng))?
        .total)
}

#[test]
fn the_loss_is_the_mean_squared_error_of_the_velocity() -> Outcome {
    let model = two_blocks()?;
    let batch = normal(6, 3)?;
    for power in [1.0, 2.5] {
        let objective = FlowMatching::new(NoiseCoupling::Independent)?.toward_data(power)?;
        let total: f64 = objective
            .loss(&model, &batch.clone().into(), &mut Pass::training(&mut rng(9)))?
            .total
            .to_scalar()?;

        // The same draws, row by row.
        let mut rng = rng(9);
        let noise = model.base().sample(6, &mut Pass::training(&mut rng))?;
        let path = model.bijection().path().ok_or("continuous")?;
        let parts = path.velocities();
        let mut by_hand = 0.0;
        for row in 0..6 {
            let place = ((row as f64 + rand::Rng::random_range(&mut rng, 0.0..1.0)) / 6.0).powf(power);
            let (index, end_time) = if place < 0.5 { (0, 0.5) } else { (1, 2.0) };
            let (x, e) = (batch.narrow(0, row, 1)?, noise.narrow(0, row, 1)?);
            let z = ((&x * (1.0 - place))? + (&e * place)?)?;
            let field = parts[index].velocity(&[(2.0 * place - index as f64) * end_time], &z, None)?;
            let error = ((field * (2.0 * end_time))? - (e - x)?)?;
            by_hand += error.sqr()?.sum_all()?.to_scalar::<f64>()? / 6.0;
        }
        assert!((total - by_hand).abs() < 1e-12 * by_hand, "{total} against {by_hand}");
    }
    Ok(())
}

#[test]
fn parts_of_a_batch_have_what_was_drawn_for_the_whole() -> Outcome {
    let model = two_blocks()?;
    let batch = Batch::from(normal(12, 3)?);
    let objective = FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 12 })?;
    let whole: f64 = objective
        .loss(&model, &batch, &mut Pass::training(&mut rng(9)))?
        .total
        .to_scalar()?;
    let mut rng = rng(9);
    let mut pass = Pass::training(&mut rng);
    let drawn = objective.draw(&model, &batch, &mut pass)?;
    let mut sum = 0.0;
    for (index, part) in batch.parts(5)?.iter().enumerate() {
        let own = drawn
            .iter()
            .map(|drawn| drawn.narrow(0, 4 * index, part.rows()?).map_err(Into::into));
        let own = own.collect::<Outcome<Vec<_>>>()?;
        let loss = objective.loss_of_part(&model, part, &own, &mut pass)?;
        sum += loss.total.to_scalar::<f64>()? * part.rows()? as f64 / 12.0;
    }
    assert!((sum - whole).abs() < 1e-12 * whole, "{sum} and {whole}");
    assert!(objective.loss_of_part(&model, &batch, &drawn[1..], &mut pass).is_err());
    Ok(())
}

#[test]
fn fixed_maps_lead_to_where_the_path_begins() -> Outcome {
    let rows = normal(200, 7)?;
    let stretched = rows.matmul(&Tensor::new(&[[3.0, 1.0], [0.0, 0.2]], &Device::Cpu)?)?;
    let whitening = Whitening::fit(&stretched)?;
    let white = whitening.forward(&stretched, &mut Pass::evaluation(&mut rng(0)))?.value;
    let parts = || -> Outcome<Vec<Box<dyn Bijection>>> {
        Ok(vec![
            Box::new(block(0.5, 0, &[6], 1)?),
            Box::new(block(2.0, 0, &[6], 2)?),
        ])
    };
    let mut started = parts()?;
    started.insert(0, Box::new(whitening));
    let with_start = loss(&flow(Chain::new(started)?)?, NoiseCoupling::Independent, &stretched)?;
    let without = loss(&flow(Chain::new(parts()?)?)?, NoiseCoupling::Independent, &white)?;
    assert_eq!(with_start.to_scalar::<f64>()?, without.to_scalar::<f64>()?);

    // Between blocks a map would cut the path in two.
    let mut cut = parts()?;
    cut.insert(1, Box::new(Whitening::fit(&rows)?));
    assert!(loss(&flow(Chain::new(cut)?)?, NoiseCoupling::Independent, &rows).is_err());
    Ok(())
}

#[test]
fn gradients_are_those_of_differences() -> Outcome {
    let model = two_blocks()?;
    let batch = normal(8, 3)?;
    let coupling = NoiseCoupling::OptimalTransport { rows: 4 };
    let gradients = loss(&model, coupling, &batch)?.backward()?;
    let step = 1e-4;
    for Parameter { name, var } in model.bijection().parameters() {
        if name.ends_with("sqrt_end_time") {
            assert!(gradients.get(&var).is_none(), "end times are not trained");
            continue;
        }
        let centre = var.as_detached_tensor().copy()?;
        let at = |scale: f64| -> Outcome<f64> {
            var.set(&(&centre + scale * step)?)?;
            Ok(loss(&model, coupling, &batch)?.to_scalar()?)
        };
        let difference = (at(-2.0)? - 8.0 * at(-1.0)? + 8.0 * at(1.0)? - at(2.0)?) / (12.0 * step);
        var.set(&centre)?;
        let gradient: f64 = gradients.get(&var).ok_or("no gradient")?.sum_all()?.to_scalar()?;
        assert!(
            (gradient - difference).abs() < 1e-7 * difference.abs().max(1.0),
            "{name}: {gradient} against {difference}"
        );
    }
    Ok(())
}

#[test]
fn optimal_transport_shortens_paths_and_keeps_the_noise() -> Outcome {
    // A field that is zero leaves the mean squared length of the paths as the loss.
    let model = flow(block(1.0, 0, &[], 1)?)?;
    for parameter in model.bijection().parameters() {
        if parameter.var.elem_count() > 1 {
            parameter.var.set(&parameter.var.zeros_like()?)?;
        }
    }
    let batch = normal(64, 3)?;
    let length = |coupling| -> Outcome<f64> { Ok(loss(&model, coupling, &batch)?.to_scalar()?) };
    let independent = length(NoiseCoupling::Independent)?;
    let small = length(NoiseCoupling::OptimalTransport { rows: 4 })?;
    let whole = length(NoiseCoupling::OptimalTransport { rows: 64 })?;
    assert!(whole < small && small < independent, "{whole}, {small}, {independent}");
    Ok(())
}

#[test]
fn it_learns_a_density_without_a_solve() -> Outcome {
    // Two coordinates with another scale, mean and correlation than the noise.
    let data = |index: u64, rows: usize| -> Result<Tensor, FlowError> {
        let mix = Tensor::new(&[[0.5, 0.3], [0.0, 0.4]], &Device::Cpu)?;
        let shift = Tensor::new(&[[1.0, -0.5]], &Device::Cpu)?;
        Ok(normal(rows, index)?.matmul(&mix)?.broadcast_add(&shift)?)
    };
    // ½ ln det of the covariance, and the entropy of two standard normals.
    let entropy = (0.5f64 * 0.4).ln() + 1.0 + (2.0 * std::f64::consts::PI).ln();
    let model = flow(block(1.0, 0, &[24], 1)?)?;
    let objective = FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 64 })?;
    let parameters = model.bijection().parameters();
    let mut optimizer = Adam::new(parameters.clone(), AdamConfig::default())?;
    for iteration in 0..400 {
        let mut rng = rng(10_000 + iteration);
        let batch = data(20_000 + iteration, 128)?;
        let loss = objective
            .loss(&model, &batch.into(), &mut Pass::training(&mut rng))?
            .total;
        let store = loss.backward()?;
        let gradients = parameters
            .iter()
            .map(|parameter| match store.get(&parameter.var) {
                Some(gradient) => Ok(gradient.clone()),
                None => parameter.var.zeros_like(),
            })
            .collect::<Result<Vec<_>, _>>()?;
        optimizer.step(&gradients, 1e-2)?;
    }
    let rows = data(7, 2000)?;
    let nll = model.log_prob(&rows, &mut Pass::evaluation(&mut rng(0)))?.mean_all()?;
    let nll = -nll.to_scalar::<f64>()?;
    assert!((nll - entropy).abs() < 0.05, "{nll} against {entropy}");
    Ok(())
}

#[test]
fn conditions_go_with_their_rows() -> Outcome {
    let model = flow(block(1.0, 1, &[6], 4)?)?;
    let (batch, condition) = (normal(6, 3)?, normal(6, 4)?.narrow(1, 0, 1)?.contiguous()?);
    let objective = FlowMatching::new(NoiseCoupling::Independent)?;
    let of = |condition: &Tensor| -> Outcome<f64> {
        let batch = Batch::new(batch.clone(), Some(condition.clone()))?;
        let mut rng = rng(9);
        Ok(objective
            .loss(&model, &batch, &mut Pass::training(&mut rng))?
            .total
            .to_scalar()?)
    };
    assert_ne!(of(&condition)?, of(&(&condition * 2.0)?)?);
    let without = objective.loss(&model, &batch.into(), &mut Pass::training(&mut rng(9)));
    assert!(matches!(
        without,
        Err(TrainError::Flow(FlowError::MissingCondition { width: 1 }))
    ));
    Ok(())
}

#[test]
fn matching_moves_the_noise_and_no_condition() -> Outcome {
    let model = flow(block(1.0, 1, &[6], 4)?)?;
    let (x, given) = (normal(4, 3)?, normal(4, 4)?.narrow(1, 0, 1)?.contiguous()?);
    let batch = Batch::new(x.clone(), Some(given.clone()))?;
    let objective = FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 4 })?;
    let total: f64 = objective
        .loss(&model, &batch, &mut Pass::training(&mut rng(9)))?
        .total
        .to_scalar()?;

    // The same draws; of all orders of the noise the one with the shortest paths.
    let mut rng = rng(9);
    let noise = model.base().sample(4, &mut Pass::training(&mut rng))?;
    let length = |order: &[u32]| -> Outcome<f64> {
        let noise = noise.index_select(&Tensor::new(order, &Device::Cpu)?, 0)?;
        Ok((noise - &x)?.sqr()?.sum_all()?.to_scalar()?)
    };
    let mut best = (f64::INFINITY, [0; 4]);
    for code in 0..256u32 {
        let order = [code & 3, code >> 2 & 3, code >> 4 & 3, code >> 6];
        if (0..4).all(|row| order.contains(&row)) && length(&order)? < best.0 {
            best = (length(&order)?, order);
        }
    }
    let noise = noise.index_select(&Tensor::new(&best.1, &Device::Cpu)?, 0)?;
    let mut by_hand = 0.0;
    for row in 0..4 {
        let place = (row as f64 + rand::Rng::random_range(&mut rng, 0.0..1.0)) / 4.0;
        let (x, e) = (x.narrow(0, row, 1)?, noise.narrow(0, row, 1)?);
        let z = ((&x * (1.0 - place))? + (&e * place)?)?;
        let velocity = model
            .bijection()
            .velocity(&[place], &z, Some(&given.narrow(0, row, 1)?))?;
        by_hand += (velocity - (e - x)?)?.sqr()?.sum_all()?.to_scalar::<f64>()? / 4.0;
    }
    assert!((total - by_hand).abs() < 1e-12 * by_hand, "{total} against {by_hand}");
    Ok(())
}

#[test]
fn what_cannot_be_matched_is_refused() -> Outcome {
    for rows in [0, 1, 513] {
        let outcome = FlowMatching::new(NoiseCoupling::OptimalTransport { rows });
        assert!(matches!(outcome, Err(TrainError::InvalidSetting { .. })));
    }
    let norm = Box::new(ActNorm::new(&[2], DType::F64, &Device::Cpu)?);
    let mixed = flow(Chain::new(vec![
        norm as Box<dyn Bijection>,
        Box::new(block(1.0, 0, &[], 1)?),
    ])?)?;
    let objective = FlowMatching::new(NoiseCoupling::Independent)?;
    let outcome = objective.loss(&mixed, &normal(4, 1)?.into(), &mut Pass::training(&mut rng(0)));
    assert!(outcome.is_err_and(|error| error.to_string().contains("continuous blocks alone")));

    let model = flow(block(1.0, 0, &[], 1)?)?;
    let poisoned = Tensor::new(&[[f64::NAN, 0.0], [1.0, 2.0]], &Device::Cpu)?;
    let objective = FlowMatching::new(NoiseCoupling::OptimalTransport { rows: 2 })?;
    let outcome = objective.loss(&model, &poisoned.into(), &mut Pass::training(&mut rng(0)));
    assert!(matches!(outcome, Err(TrainError::NonFiniteLoss { .. })));
    Ok(())
}

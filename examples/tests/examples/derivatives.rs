//! What pieces say of derivatives and inverses, against finite differences and dense Jacobians.

use ffjord::candle::{DType, Device, Tensor};
use ffjord::flow::{Bijection, Cnf, CnfSettings, Density, Flow, Pass, TensorBackend, TraceMode, TraceVectors};
use ffjord::nn::{Mlp, MlpConfig, VectorField, check_field};
use ffjord::ode::{Controller, Solver, Tolerance};
use ffjord::train::{Purpose, Streams};
use ffjord_examples::bijection::SinhArcsinh;
use ffjord_examples::controller::PowersOfTwo;
use ffjord_examples::field::Gated;
use ffjord_examples::kernel::Planar;
use ffjord_examples::objective::banana;
use ffjord_examples::trace::Hadamard;
use ffjord_examples::{Outcome, tableau};
use std::sync::Arc;

fn rng(seed: u64) -> impl ffjord::train::rand::RngCore {
    Streams::new(seed).rng(Purpose::Test, 0, 0)
}

/// Numbers between −1 and 1 with no two alike.
fn numbers(shape: &[usize], dtype: DType) -> Outcome<Tensor> {
    let count = shape.iter().product::<usize>();
    let numbers: Vec<f64> = (0..count).map(|i| (2.3 * i as f64 + 0.4).sin()).collect();
    Ok(Tensor::from_vec(numbers, shape, &Device::Cpu)?.to_dtype(dtype)?)
}

fn largest_difference(a: &Tensor, b: &Tensor) -> Outcome<f64> {
    Ok((a - b)?
        .abs()?
        .flatten_all()?
        .max(0)?
        .to_dtype(DType::F64)?
        .to_scalar()?)
}

#[test]
fn the_gated_field_has_the_products_of_its_jacobian() -> Outcome {
    let (z, given) = (numbers(&[3, 4], DType::F64)?, numbers(&[3, 2], DType::F64)?);
    let config = MlpConfig::new(4).given(2).hidden([7, 5]);
    let field = Gated::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?;
    assert_eq!(
        field.parameters().len(),
        2 * Mlp::new(&config, &mut rng(1), DType::F64, &Device::Cpu)?
            .parameters()
            .len()
    );
    let check = check_field(&field, 0.4, &z, Some(&given))?;
    assert!(check.products < 1e-7 && check.reverse < 1e-12, "{check:?}");
    Ok(())
}

#[test]
fn the_planar_kernel_is_the_field() -> Outcome {
    let field = Arc::new(Planar::new(3, 9, &mut rng(2))?);
    let x = numbers(&[10, 3], DType::F32)?;
    check_field(field.as_ref(), 0.4, &x, None)?;
    for trace in [TraceMode::Exact, TraceMode::Own(Arc::new(Hadamard(2)))] {
        let mut settings = CnfSettings::default();
        settings.training = settings.training.trace(trace).block_rows(4);
        settings.evaluation = settings.training.clone();
        let compiled = Cnf::new(field.clone(), settings)?;
        let settings = compiled.settings().clone();
        let plain = Cnf::new(field.clone(), settings)?.with_backend(Arc::new(TensorBackend));
        let mut outcomes = Vec::new();
        for cnf in [compiled, plain] {
            let flow = Flow::over_normal(cnf)?;
            let evaluated = flow.log_prob(&x, &mut Pass::evaluation(&mut rng(3)))?;
            let trained = flow.log_prob(&x, &mut Pass::training(&mut rng(3)))?;
            let gradients = trained.sqr()?.mean_all()?.backward()?;
            let mut outcome = vec![evaluated, trained.detach()];
            for parameter in flow.bijection().parameters() {
                let gradient = gradients.get(&parameter.var).ok_or("a parameter has no gradient")?;
                assert!(
                    gradient.abs()?.sum_all()?.to_scalar::<f32>()? > 1e-2,
                    "{}",
                    parameter.name
                );
                outcome.push(gradient.clone());
            }
            outcomes.push(outcome);
        }
        for (compiled, plain) in outcomes[0].iter().zip(&outcomes[1]) {
            let (difference, size) = (
                largest_difference(compiled, plain)?,
                plain.abs()?.max_all()?.to_scalar::<f32>()?,
            );
            assert!(difference < 2e-4 * f64::from(size).max(1.0), "{difference} of {size}");
        }
    }
    Ok(())
}

#[test]
fn sinh_arcsinh_has_its_inverse_and_its_log_determinant() -> Outcome {
    let map = SinhArcsinh::new(3, DType::F64, &Device::Cpu)?;
    for (index, parameter) in map.parameters().into_iter().enumerate() {
        parameter
            .var
            .set(&(numbers(&[3], DType::F64)? * (0.3 + index as f64 / 4.0))?)?;
    }
    let x = (numbers(&[5, 3], DType::F64)? * 6.0)?;
    let mut generator = rng(0);
    let mut pass = Pass::evaluation(&mut generator);
    let image = map.forward(&x, &mut pass)?;
    let back = map.inverse(&image.value, &mut pass)?;
    assert!(largest_difference(&back.value, &x)? < 1e-12);
    assert!(largest_difference(&back.log_det()?.neg()?, image.log_det()?)? < 1e-12);
    // The Jacobian is diagonal, so moving all columns together gives every entry of it.
    let step = 1e-5;
    let mut moved = |by: f64| Ok::<_, ffjord::flow::FlowError>(map.forward(&(&x + by)?, &mut pass)?.value);
    let slopes = ((moved(step)? - moved(-step)?)? / (2.0 * step))?;
    assert!(largest_difference(&slopes.log()?.sum(1)?, image.log_det()?)? < 1e-8);
    Ok(())
}

#[test]
fn hadamard_probes_are_signs_and_as_many_as_columns_give_the_trace() -> Outcome {
    let probes = Hadamard(4).draw(5, 4, &mut rng(1))?;
    assert_eq!((probes.count(), probes.batch(), probes.dimension()), (4, 5, 4));
    assert!(probes.vectors().iter().all(|entry| entry.abs() == 1.0));
    let field = Arc::new(Mlp::new(
        &MlpConfig::new(4).hidden([9]),
        &mut rng(2),
        DType::F64,
        &Device::Cpu,
    )?);
    let log_dets = |trace: TraceMode| -> Outcome<Tensor> {
        let mut settings = CnfSettings::default();
        settings.evaluation = settings.evaluation.trace(trace).tolerance(1e-9)?;
        let cnf = Cnf::new(field.clone(), settings)?;
        let image = cnf.forward(&numbers(&[6, 4], DType::F64)?, &mut Pass::evaluation(&mut rng(3)))?;
        Ok(image.log_det()?.clone())
    };
    let exact = log_dets(TraceMode::Exact)?;
    let own = |probes| log_dets(TraceMode::Own(Arc::new(Hadamard(probes))));
    assert!(largest_difference(&own(4)?, &exact)? < 1e-8);
    assert!(largest_difference(&own(1)?, &exact)? > 1e-3);
    Ok(())
}

#[test]
fn cash_and_karp_converge_with_order_five() -> Outcome {
    let error = |steps: usize| -> Outcome<f64> {
        let solver = Solver::new(tableau::method()?).fixed_steps(steps);
        let decay = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -2.0 * t * y[0];
        Ok((solver.solve(&decay, &[1.0], 0.0, 1.0)?.state[0] - (-1.0f64).exp()).abs())
    };
    let order = (error(16)? / error(32)?).log2();
    assert!((4.7..5.5).contains(&order), "{order}");
    Ok(())
}

#[test]
fn powers_of_two_are_the_steps_of_their_controller() -> Outcome {
    let control = PowersOfTwo::new(Tolerance::new(1e-8, 1e-8)?);
    assert!(control.measure().is_some());
    let solver = Solver::new(tableau::method()?).controlled_by(control);
    let stiffening = |t: f64, y: &[f64; 1], dy: &mut [f64; 1]| dy[0] = -(1.0 + 20.0 * t) * y[0];
    for end in [1.5, -0.04] {
        let mut steps: Vec<f64> = Vec::new();
        let solution = solver.solve_observed(&stiffening, &[1.0], 0.0, end, &[], |step| {
            steps.push((step.t1 - step.t0).abs());
            std::ops::ControlFlow::Continue(())
        })?;
        let truth = (-(end + 10.0 * end * end)).exp();
        assert!(
            (solution.state[0] - truth).abs() < 1e-6,
            "{}",
            solution.state[0] - truth
        );
        let (last, others) = steps.split_last().ok_or("no steps")?;
        assert!(others.len() > 1 && last.is_finite());
        for step in others {
            assert!((step.log2() - step.log2().round()).abs() < 1e-9, "{step}");
        }
    }
    Ok(())
}

#[test]
fn the_banana_integrates_to_one() -> Outcome {
    let (half_width, cells) = (6.0, 400);
    let edge = |index: usize| half_width * (2.0 * (index as f64 + 0.5) / cells as f64 - 1.0);
    let points: Vec<f64> = (0..cells * cells)
        .flat_map(|cell| [edge(cell / cells), edge(cell % cells) + 3.0])
        .collect();
    let x = Tensor::from_vec(points, (cells * cells, 2), &Device::Cpu)?;
    let cell = (2.0 * half_width / cells as f64).powi(2);
    let total = banana(&x)?.exp()?.sum_all()?.to_scalar::<f64>()? * cell;
    assert!((total - 1.0).abs() < 2e-3, "{total}");
    Ok(())
}

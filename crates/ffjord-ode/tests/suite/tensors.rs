//! candle tensors as states: the same numbers as vectors, and no autograd graph.

use candle_core::{DType, Device, Tensor, Var};
use ffjord_ode::{Method, NonFinite, SaveAt, SolveError, Solver, State, StateError, Tolerance};

use super::problems;

fn tolerance() -> Tolerance {
    Tolerance::new(1e-6, 1e-8).unwrap()
}

fn solvers() -> Vec<Solver> {
    // Radau solves for a state's components, which tensors do not show.
    let methods = || Method::ALL.into_iter().filter(|&method| method != Method::Radau5);
    let fixed = methods().filter(|method| method.has_fixed_order());
    let adaptive = methods().filter(|method| method.is_adaptive());
    fixed
        .map(|method| Solver::new(method).fixed_steps(40))
        .chain(adaptive.map(|method| Solver::new(method).adaptive(tolerance())))
        .collect()
}

#[test]
fn tensors_equal_vectors_bit_for_bit() {
    let problem = problems::ORBIT;
    let f64s = |t: f64, y: &Tensor, dy: &mut Tensor| -> candle_core::Result<()> {
        let y = y.flatten_all()?.to_vec1::<f64>()?;
        let mut slope = vec![0.0; y.len()];
        (problem.rhs)(t, &y, &mut slope);
        *dy = Tensor::from_vec(slope, (2, 2), &Device::Cpu)?;
        Ok(())
    };
    let f32s = |t: f64, y: &Tensor, dy: &mut Tensor| -> candle_core::Result<()> {
        f64s(t, &y.to_dtype(DType::F64)?, dy)?;
        *dy = dy.to_dtype(DType::F32)?;
        Ok(())
    };
    let y0 = Tensor::from_vec(problem.initial(), (2, 2), &Device::Cpu).unwrap();
    for solver in solvers() {
        let vector = problem.solve(&solver).unwrap();
        let tensor = solver.solve(&f64s, &y0, problem.span.0, problem.span.1).unwrap();
        assert_eq!(
            tensor.state.flatten_all().unwrap().to_vec1::<f64>().unwrap(),
            vector.state
        );
        assert_eq!(tensor.stats, vector.stats);

        let vector = problem.solve_f32(&solver).unwrap();
        let start = y0.to_dtype(DType::F32).unwrap();
        let tensor = solver.solve(&f32s, &start, problem.span.0, problem.span.1).unwrap();
        assert_eq!(
            tensor.state.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
            vector.state
        );
        assert_eq!((tensor.stats, tensor.state.dtype()), (vector.stats, DType::F32));
    }
}

#[test]
fn results_share_no_graph_and_no_storage_with_the_start() {
    let start = Var::new(&[[1.0_f64, 2.0], [3.0, 4.0]], &Device::Cpu).unwrap();
    let attached = start.as_tensor().affine(2.0, 0.0).unwrap();
    let rhs = |_: f64, y: &Tensor, dy: &mut Tensor| -> candle_core::Result<()> {
        *dy = (y * start.as_tensor())?.neg()?;
        Ok(())
    };
    for solver in solvers()
        .into_iter()
        .map(|solver| solver.save_at(SaveAt::Times(vec![0.0, 0.3, 1.0])))
    {
        for (end, count) in [(1.0, 3), (0.0, 0)] {
            let solver = if count == 0 {
                solver.clone().save_at(SaveAt::End)
            } else {
                solver.clone()
            };
            let solution = solver.solve(&rhs, &attached, 0.0, end).unwrap();
            assert_eq!(solution.saved.len(), count);
            for state in solution.saved.iter().map(|point| &point.state).chain([&solution.state]) {
                let gradients = state.sum_all().unwrap().backward().unwrap();
                assert!(gradients.get(start.as_tensor()).is_none());
            }
        }
    }
}

#[test]
fn strided_and_broadcast_tensors_are_read_in_their_order() {
    let matrix = Tensor::new(&[[1.0_f64, 2.0, 3.0], [4.0, 5.0, 6.0]], &Device::Cpu).unwrap();
    let transposed = matrix.t().unwrap();
    let row = Tensor::new(&[10.0_f64, 20.0], &Device::Cpu)
        .unwrap()
        .broadcast_as((3, 2))
        .unwrap();
    let part = Tensor::arange(0.0_f64, 20.0, &Device::Cpu)
        .unwrap()
        .reshape((5, 4))
        .unwrap();
    let part = part.narrow(0, 1, 3).unwrap().narrow(1, 2, 2).unwrap();
    let mut total = transposed.zeros_like().unwrap();
    total.set_sum(&[(1.0, &transposed), (0.5, &row), (2.0, &part)]).unwrap();
    let expected = [[18.0, 28.0], [27.0, 37.0], [36.0, 46.0]];
    assert_eq!(total.to_vec2::<f64>().unwrap(), expected);
    assert_eq!(State::dot(&transposed, &row).unwrap(), 10.0 * 6.0 + 20.0 * 15.0);
}

#[test]
fn rows_are_those_of_the_first_axis() {
    let mut values = vec![0.0_f32; 24];
    (values[7], values[22]) = (f32::NAN, f32::INFINITY);
    let tensor = Tensor::from_vec(values, (4, 3, 2), &Device::Cpu).unwrap();
    assert_eq!(tensor.non_finite().unwrap(), NonFinite::new("row", [1, 3]));
    assert_eq!(
        Tensor::new(f64::NAN, &Device::Cpu).unwrap().non_finite().unwrap(),
        NonFinite::new("row", [0])
    );
    assert!(
        Tensor::zeros((0, 3), DType::F32, &Device::Cpu)
            .unwrap()
            .non_finite()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn tensors_that_do_not_fit_are_refused() {
    let solver = Solver::new(Method::Rk4).fixed_steps(2);
    let zeros = |shape: (usize, usize), dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    let answers = |answer: Tensor| {
        let rhs = move |_: f64, _: &Tensor, dy: &mut Tensor| *dy = answer.clone();
        solver.solve(&rhs, &zeros((2, 3), DType::F32), 0.0, 1.0).unwrap_err()
    };
    let error = answers(zeros((3, 2), DType::F32));
    assert!(
        matches!(error, SolveError::State(StateError::ShapeMismatch { .. })),
        "{error}"
    );
    let error = answers(zeros((2, 3), DType::F64));
    assert!(
        matches!(error, SolveError::State(StateError::DTypeMismatch { .. })),
        "{error}"
    );
    let still = |_: f64, _: &Tensor, _: &mut Tensor| ();
    for dtype in [DType::U8, DType::I64, DType::F16, DType::BF16] {
        let error = solver.solve(&still, &zeros((2, 3), dtype), 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::State(StateError::DTypeMismatch { .. })),
            "{dtype:?}: {error}"
        );
    }
}

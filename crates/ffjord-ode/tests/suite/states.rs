//! States: linear combinations, error measures, and what a step allocates.

use std::{cell::Cell, rc::Rc};

use ffjord_ode::{ErrorNorm, Method, NonFinite, ScaledError, Solver, State, StateError, Tolerance};

use super::problems::fixed_order;

/// Numbers of mixed size and sign.
fn vector(seed: usize, n: usize) -> Vec<f64> {
    (0..n)
        .map(|i| ((seed * 7919 + i * 104_729) % 1000) as f64 / 250.0 - 2.0)
        .collect()
}

#[test]
fn sums_of_any_number_of_terms_are_sums() {
    for n in [0, 1, 7, 8, 9, 100] {
        for count in 0..=20 {
            let xs: Vec<Vec<f64>> = (0..count).map(|j| vector(j, n)).collect();
            let terms: Vec<(f64, &Vec<f64>)> = xs.iter().enumerate().map(|(j, x)| (0.5 + j as f64, x)).collect();
            let mut total = vec![f64::NAN; n];
            total.set_sum(&terms).unwrap();
            let expected: Vec<f64> = (0..n)
                .map(|i| terms.iter().rev().fold(0.0, |sum, (c, x)| sum + c * x[i]))
                .collect();
            assert_eq!(total, expected, "{count} terms of {n}");
        }
    }
}

#[test]
fn a_state_is_copied_exactly() {
    let x = vec![0.1_f32, -0.0, f32::MIN_POSITIVE / 2.0, f32::MAX];
    let mut copy = x.zeros_like().unwrap();
    copy.set_sum(&[(1.0, &x)]).unwrap();
    assert_eq!(
        copy.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
        x.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    );
}

#[test]
fn small_increments_survive_in_f32() {
    // One at a time, each would be lost against 1.
    let (y, k) = (vec![1.0_f32], vec![2e-8_f32]);
    let mut next = vec![0.0_f32];
    next.set_sum(&[(1.0, &y), (1.0, &k), (1.0, &k), (1.0, &k), (1.0, &k)])
        .unwrap();
    assert!(next[0] > 1.0);
}

#[test]
fn lengths_must_agree() {
    let (short, long) = (vec![1.0; 2], vec![1.0; 3]);
    let tolerance = Tolerance::new(1.0, 1.0).unwrap();
    let mismatch = |result: Result<(), StateError>| matches!(result, Err(StateError::LengthMismatch { .. }));
    assert!(mismatch(short.clone().set_sum(&[(1.0, &long)])));
    assert!(mismatch(short.dot(&long).map(drop)));
    assert!(mismatch(short.scaled_error(&short, &long, &tolerance).map(drop)));
    assert!(mismatch(short.scaled_error(&long, &short, &tolerance).map(drop)));
}

#[test]
fn errors_are_measured_component_by_component() {
    let tolerance = Tolerance::new(0.1, 1.0).unwrap();
    for n in [1, 5, 8, 19] {
        let (error, y0, y1) = (vector(1, n), vector(2, n), vector(3, n));
        let ratios: Vec<f64> = (0..n)
            .map(|i| error[i].abs() / (1.0 + 0.1 * y0[i].abs().max(y1[i].abs())))
            .collect();
        let measured = error.scaled_error(&y0, &y1, &tolerance).unwrap();
        let mean = ratios.iter().map(|r| r * r).sum::<f64>() / n as f64;
        assert!((ErrorNorm::Rms.ratio(&measured) - mean.sqrt()).abs() < 1e-14);
        assert_eq!(
            ErrorNorm::Max.ratio(&measured),
            ratios.iter().copied().fold(0.0, f64::max)
        );
        assert_eq!(measured.count, n);
    }
}

#[test]
fn bad_components_show_in_every_norm() {
    let tolerance = Tolerance::new(0.1, 1.0).unwrap();
    let fine = vec![1.0; 20];
    for bad in [f64::NAN, f64::INFINITY] {
        for position in [0, 7, 8, 19] {
            let mut hurt = fine.clone();
            hurt[position] = bad;
            for (error, y1) in [(&hurt, &fine), (&fine, &hurt)] {
                let measured = error.scaled_error(&fine, y1, &tolerance).unwrap();
                for norm in [ErrorNorm::Rms, ErrorNorm::Max] {
                    assert!(!norm.ratio(&measured).is_finite(), "{norm:?} of {bad} at {position}");
                }
            }
            assert_eq!(hurt.non_finite().unwrap().first(), [position]);
        }
    }
}

#[test]
fn no_error_is_no_error_even_without_an_absolute_tolerance() {
    let tolerance = Tolerance::new(1e-3, 0.0).unwrap();
    let zero = vec![0.0; 3];
    let measured = zero.scaled_error(&zero, &zero, &tolerance).unwrap();
    assert_eq!(
        measured,
        ScaledError {
            sum_squares: 0.0,
            max: 0.0,
            count: 3
        }
    );
    // A solution through zero under a relative tolerance alone: from rest the solver still moves on.
    let rhs = |_: f64, _: &[f64; 2], dy: &mut [f64; 2]| *dy = [0.0, 1.0];
    let solution = Solver::new(Method::Dopri5)
        .adaptive(tolerance)
        .solve(&rhs, &[0.0, 0.5], 0.0, 1.0)
        .unwrap();
    assert_eq!(solution.state[0], 0.0);
}

#[test]
fn arrays_and_vectors_agree_bit_for_bit() {
    for method in fixed_order() {
        let solver = Solver::new(method).fixed_steps(30);
        let array = |t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -t.sin() * y[0]];
        let vector = |t: f64, y: &Vec<f64>, dy: &mut Vec<f64>| dy.copy_from_slice(&[y[1], -t.sin() * y[0]]);
        let a = solver.solve(&array, &[1.0, 0.5], 0.0, 3.0).unwrap();
        let v = solver.solve(&vector, &vec![1.0, 0.5], 0.0, 3.0).unwrap();
        assert_eq!(a.state.to_vec(), v.state);
    }
}

/// A vector that counts how often its storage is had anew.
struct Counted {
    values: Vec<f64>,
    allocations: Rc<Cell<usize>>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.allocations.set(self.allocations.get() + 1);
        Self {
            values: self.values.clone(),
            allocations: Rc::clone(&self.allocations),
        }
    }
}

impl State for Counted {
    fn zeros_like(&self) -> Result<Self, StateError> {
        Ok(self.clone())
    }
    fn set_sum(&mut self, terms: &[(f64, &Self)]) -> Result<(), StateError> {
        let terms: Vec<(f64, &Vec<f64>)> = terms.iter().map(|(c, x)| (*c, &x.values)).collect();
        self.values.set_sum(&terms)
    }
    fn dot(&self, other: &Self) -> Result<f64, StateError> {
        self.values.dot(&other.values)
    }
    fn scaled_error(&self, y0: &Self, y1: &Self, tolerance: &Tolerance) -> Result<ScaledError, StateError> {
        self.values.scaled_error(&y0.values, &y1.values, tolerance)
    }
    fn non_finite(&self) -> Result<NonFinite, StateError> {
        self.values.non_finite()
    }
}

#[test]
fn steps_allocate_no_states() {
    let rhs = |_: f64, y: &Counted, dy: &mut Counted| {
        dy.values.iter_mut().zip(&y.values).for_each(|(dy, y)| *dy = -y);
    };
    let allocations = |solver: &Solver, end: f64| {
        let y0 = Counted {
            values: vec![1.0; 4],
            allocations: Rc::default(),
        };
        let solution = solver.solve(&rhs, &y0, 0.0, end).unwrap();
        (y0.allocations.get(), solution.stats.accepted)
    };
    for method in Method::ALL
        .into_iter()
        .filter(|&method| method.implicit_tableau().is_none() && method != Method::Radau5)
    {
        if method.has_fixed_order() {
            let (few, some) = (Solver::new(method).fixed_steps(2), Solver::new(method).fixed_steps(300));
            assert_eq!(allocations(&few, 1.0).0, allocations(&some, 1.0).0, "{method}");
        }
        if method.is_adaptive() {
            let solver = Solver::new(method).adaptive(Tolerance::new(1e-6, 1e-6).unwrap());
            let (short, long) = (allocations(&solver, 0.1), allocations(&solver, 5.0));
            assert!(
                long.1 > short.1 && long.0 == short.0,
                "{method}: {short:?} and {long:?}"
            );
        }
    }
}

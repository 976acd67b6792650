//! Gradients of losses that see the solution at several times, or where an event happens.

use ffjord_ode::{
    Event, Method, SetupError, SolveError, Solver,
    adjoint::{Adjoint, AdjointMethod, Checkpointed, event_cotangent},
};

use super::{
    adjoints::{WEIGHTS, Y0, adaptive},
    networks::{D, Network},
    problems::largest_difference,
};

/// The weights of the state at time number `k`.
fn weights(k: usize) -> Vec<f64> {
    WEIGHTS.iter().map(|w| w * (1.0 + k as f64)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Central differences of fourth order in every input.
fn differences(inputs: &[f64], f: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let h = 1e-3;
    (0..inputs.len())
        .map(|i| {
            let moved = |by: f64| {
                let mut inputs = inputs.to_vec();
                inputs[i] += by;
                f(&inputs)
            };
            (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h)
        })
        .collect()
}

#[test]
fn every_adjoint_pulls_back_from_several_times() {
    for (t0, times) in [(0.2, [0.5, 1.0, 1.7]), (1.7, [1.1, 0.9, 0.2])] {
        let theta = Network::new().theta;
        let inputs: Vec<f64> = [&Y0[..], &theta, &[t0], &times].concat();
        let exact = differences(&inputs, |inputs| {
            let (y0, rest) = inputs.split_at(D);
            let (theta, times) = rest.split_at(theta.len());
            let (mut t, mut y, mut loss) = (times[0], y0.to_vec(), 0.0);
            for (k, &next) in times[1..].iter().enumerate() {
                let solver = adaptive(Method::Dopri8, 1e-13);
                y = solver.solve(&Network::with(theta.to_vec()), &y, t, next).unwrap().state;
                loss += dot(&y, &weights(k));
                t = next;
            }
            loss
        });
        for (name, method, bound) in [
            ("checkpointed", Method::Tsit5, 1e-7),
            ("binomial", Method::Dopri5, 1e-7),
            ("backsolve", Method::Dopri5, 1e-7),
            ("interpolated", Method::Dopri8, 1e-7),
            ("reversible", Method::ReversibleHeun, 1e-3),
        ] {
            let adjoint: AdjointMethod = name.parse().unwrap();
            let solver = if method.order() > 2 {
                adaptive(method, 1e-11).stop_at(if t0 < 1.0 { vec![0.7, 1.3] } else { vec![1.3, 0.7] })
            } else {
                Solver::new(method).fixed_steps(200)
            };
            let system = Network::new();
            let (states, records) = adjoint.forward_at(&solver, &system, &Y0.to_vec(), t0, &times).unwrap();
            assert!(states.iter().map(|point| point.t).eq(times));
            let cotangents: Vec<Vec<f64>> = (0..3).map(weights).collect();
            let back = adjoint.backward_at(&system, records, &cotangents).unwrap();
            let flat = [&back.y0[..], &back.gradient, &[back.t0], &back.times].concat();
            let off = largest_difference(&flat, &exact);
            assert!(off < bound, "{name} from {t0}: {off:e}\n{flat:?}\n{exact:?}");
        }
    }
}

#[test]
fn cotangents_and_times_must_fit() {
    let (adjoint, system, solver) = (Checkpointed::new(), Network::new(), adaptive(Method::Tsit5, 1e-6));
    let (_, records) = adjoint
        .forward_at(&solver, &system, &Y0.to_vec(), 0.0, &[0.5, 1.0])
        .unwrap();
    let error = adjoint.backward_at(&system, records, &[weights(0)]).unwrap_err();
    assert!(
        matches!(
            error,
            SolveError::Setup(SetupError::CotangentCount { expected: 2, found: 1 })
        ),
        "{error}"
    );
    let error = adjoint
        .forward_at(&solver, &system, &Y0.to_vec(), 0.0, &[1.0, 0.5])
        .unwrap_err();
    assert!(
        matches!(error, SolveError::Setup(SetupError::InvalidTimes { .. })),
        "{error}"
    );
}

#[test]
fn gradients_pass_through_the_time_of_an_event() {
    // L = t + w·y where y₀/10 + t/4 passes through 1/2: slopes are at most 1, so that it does once.
    let g = |t: f64, y: &Vec<f64>| 0.1 * y[0] + 0.25 * t - 0.5;
    let at_event = |theta: &[f64], y0: &[f64], t0: f64| {
        let events = [Event::new(g).terminal()];
        let solver = adaptive(Method::Dopri8, 1e-13);
        let system = Network::with(theta.to_vec());
        let solution = solver
            .solve_with_events(&system, &y0.to_vec(), t0, 9.0, &events)
            .unwrap();
        assert_eq!(solution.events.len(), 1);
        (solution.t, solution.state)
    };
    let theta = Network::new().theta;
    let inputs: Vec<f64> = [&Y0[..], &theta, &[0.2]].concat();
    let exact = differences(&inputs, |inputs| {
        let (y0, rest) = inputs.split_at(D);
        let (theta, t0) = rest.split_at(theta.len());
        let (t, y) = at_event(theta, y0, t0[0]);
        t + dot(&y, &WEIGHTS)
    });
    let (t, y) = at_event(&theta, &Y0, 0.2);
    let mut along = vec![0.0; D];
    along[0] = 0.1;
    let (adjoint, system) = (Checkpointed::new(), Network::new());
    let cotangent = event_cotangent(&system, (t, &y), (0.25, &along), (1.0, &WEIGHTS.to_vec())).unwrap();
    let (_, record) = adjoint
        .forward(&adaptive(Method::Dopri8, 1e-12), &system, &Y0.to_vec(), 0.2, t)
        .unwrap();
    let back = adjoint.backward(&system, record, &cotangent).unwrap();
    let flat = [&back.y0[..], &back.gradient, &[back.t0]].concat();
    let off = largest_difference(&flat, &exact);
    assert!(off < 1e-7, "{off:e}\n{flat:?}\n{exact:?}");
}

//! Gradients from a fixed number of snapshots: the bits of `Checkpointed`, and the steps it takes to get them.

use std::num::NonZeroUsize;

use ffjord_ode::{
    Method, Solver,
    adjoint::{Adjoint, Binomial, Checkpointed},
};

use super::{
    adjoints::{WEIGHTS, Y0, adaptive, gradient, runge_kutta},
    networks::Network,
};

fn binomial(snapshots: usize) -> Binomial {
    Binomial::new(NonZeroUsize::new(snapshots).unwrap())
}

#[test]
fn the_bits_are_those_of_checkpointed_for_every_number_of_steps_and_snapshots() {
    for steps in [1, 2, 3, 7, 16, 17, 40] {
        for snapshots in [1, 2, 3, 5, 16, 41] {
            let solver = Solver::new(Method::Bosh3).fixed_steps(steps);
            assert_eq!(
                gradient(&binomial(snapshots), &solver, 0.2, 1.7),
                gradient(&Checkpointed::new(), &solver, 0.2, 1.7),
                "{steps} steps, {snapshots} snapshots"
            );
        }
    }
}

#[test]
fn the_bits_are_those_of_checkpointed_for_every_method() {
    for method in runge_kutta() {
        let fixed = Solver::new(method).fixed_steps(23);
        let adaptive = method.is_adaptive().then(|| adaptive(method, 1e-5));
        for solver in [Some(fixed), adaptive].into_iter().flatten() {
            for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
                let (a, b) = (
                    gradient(&binomial(4), &solver, t0, t1),
                    gradient(&Checkpointed::new(), &solver, t0, t1),
                );
                assert_eq!(a, b, "{method}, {t0} to {t1}");
            }
        }
    }
}

#[test]
fn steps_are_taken_again_only_where_snapshots_are_missing() {
    // Midpoint takes two evaluations a step: one of each step pulled back, and both of each step taken again.
    let backward = |steps, snapshots| {
        let (system, solver) = (Network::new(), Solver::new(Method::Midpoint).fixed_steps(steps));
        let adjoint = binomial(snapshots);
        let (_, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 1.0).unwrap();
        let stats = adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap().stats;
        assert_eq!((stats.accepted, system.pullbacks.take()), (steps, 2 * steps));
        (stats.nfe - 2 * steps) / 2
    };
    assert_eq!(backward(30, 31), 0);
    // Every second state is there.
    assert_eq!(backward(30, 16), 15);
    // From the start again for every step but the first.
    assert_eq!(backward(30, 1), 30 * 29 / 2);
    // Far below the square of the steps with a few snapshots.
    assert!(backward(400, 8) < 3 * 400, "{}", backward(400, 8));
}

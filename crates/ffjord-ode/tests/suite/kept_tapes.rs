//! Tapes kept within a budget of memory: the gradient's bits, and the evaluations that they save.

use ffjord_ode::{
    Adaptive, Method, Solver, Tolerance,
    adjoint::{Adjoint, Checkpointed},
};

use super::{
    adjoints::{WEIGHTS, Y0, adaptive, gradient, runge_kutta},
    networks::{Network, Tape},
};

fn keeping(tapes: usize) -> Checkpointed {
    Checkpointed::new().keep_tapes(tapes * size_of::<Tape>())
}

#[test]
fn the_bits_do_not_depend_on_the_budget() {
    for method in runge_kutta() {
        let fixed = Solver::new(method).fixed_steps(9);
        let adaptive = method.is_adaptive().then(|| adaptive(method, 1e-6));
        for solver in [Some(fixed), adaptive].into_iter().flatten() {
            for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
                let reference = gradient(&Checkpointed::new(), &solver, t0, t1);
                for tapes in [1, 7, 20, 100_000] {
                    assert_eq!(
                        gradient(&keeping(tapes), &solver, t0, t1),
                        reference,
                        "{method}, {tapes} tapes"
                    );
                }
            }
        }
    }
}

#[test]
fn kept_steps_are_not_evaluated_again() {
    // Four evaluations a step of the 3/8 rule, six and one at the start of Dopri5.
    for (method, tapes, kept) in [
        (Method::Rk4ThreeEighths, 0, 0),
        (Method::Rk4ThreeEighths, 3, 0),
        (Method::Rk4ThreeEighths, 4, 1),
        (Method::Rk4ThreeEighths, 23, 5),
        (Method::Rk4ThreeEighths, 100, 10),
        (Method::Dopri5, 7, 1),
        (Method::Dopri5, 12, 1),
        (Method::Dopri5, 13, 2),
        (Method::Dopri5, 61, 10),
    ] {
        let (system, solver) = (Network::new(), Solver::new(method).fixed_steps(10));
        let adjoint = keeping(tapes);
        let (_, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 1.0).unwrap();
        assert_eq!(record.kept_steps(), kept, "{method}, {tapes} tapes");
        system.evaluations.set(0);
        adjoint.backward(&system, record, &WEIGHTS.to_vec()).unwrap();
        let a_step = if method == Method::Dopri5 { 6 } else { 4 };
        assert_eq!(
            system.evaluations.get(),
            a_step * (10 - kept),
            "{method}, {tapes} tapes"
        );
        assert_eq!(system.pullbacks.get(), a_step * 10, "{method}, {tapes} tapes");
    }
}

#[test]
fn rejected_attempts_give_their_memory_back() {
    let (system, solver) = (
        Network::new(),
        Solver::new(Method::Dopri5).adaptive_with(Adaptive::new(Tolerance::new(1e-9, 1e-9).unwrap()).first_step(0.9)),
    );
    let (solution, _) = Checkpointed::new()
        .forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0)
        .unwrap();
    assert!(solution.stats.rejected > 2, "{:?}", solution.stats);
    // One evaluation at the start, six a step, and room for those of two attempts that are rejected in a row.
    let adjoint = keeping(1 + 6 * solution.stats.accepted + 12);
    let (_, record) = adjoint.forward(&solver, &system, &Y0.to_vec(), 0.0, 2.0).unwrap();
    assert_eq!(record.kept_steps(), solution.stats.accepted);
}

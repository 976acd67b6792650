//! Settings that make no sense are refused before anything is evaluated.

use ffjord_ode::{
    Adaptive, ConstantStep, DenseOutput, Esdirk, Evaluator, Event, EventPoint, ExplicitRungeKutta, FixedAdams,
    Interpolant, Limits, Method, NonFinite, OpenSolve, Outcome, OwnControl, PidController, ReversibleHeun, SaveAt,
    SetupError, Solution, SolveError, Solver, StateError, Step, StepControl, StepsNotChosen, Tableau, TableauFault,
    Tolerance, VariableAdams,
    adjoint::{AdjointMethod, AdjointRecord, AdjointSolution},
};

use super::failures::{DECAY, Rhs, adaptive, solvers, tolerance};

#[test]
fn tolerances_must_make_sense() {
    for (rtol, atol) in [
        (0.0, 0.0),
        (-1e-6, 1e-8),
        (1e-6, -1e-8),
        (f64::NAN, 1e-8),
        (1e-6, f64::INFINITY),
    ] {
        assert!(
            matches!(Tolerance::new(rtol, atol), Err(SetupError::InvalidTolerance { .. })),
            "{rtol} {atol}"
        );
    }
    assert!(Tolerance::new(1e-3, 0.0).is_ok() && Tolerance::new(0.0, 1e-3).is_ok());
}

#[test]
fn settings_must_make_sense() {
    let control = || Adaptive::new(tolerance());
    let bad = [
        Solver::new(Method::Rk4).fixed_steps(0),
        Solver::new(Method::Rk4).fixed_size(0.0),
        Solver::new(Method::Rk4).fixed_size(-0.1),
        Solver::new(Method::Rk4).fixed_size(f64::NAN),
        Solver::new(Method::Dopri5).adaptive_with(control().safety(0.0)),
        Solver::new(Method::Dopri5).adaptive_with(control().safety(f64::NAN)),
        Solver::new(Method::Dopri5).adaptive_with(control().factors(1.5, 10.0)),
        Solver::new(Method::Dopri5).adaptive_with(control().factors(0.2, 0.9)),
        Solver::new(Method::Dopri5).adaptive_with(control().first_step(0.0)),
        Solver::new(Method::Dopri5).adaptive_with(control().min_step(-1.0)),
        Solver::new(Method::Dopri5).adaptive_with(control().min_step(2.0).max_step(1.0)),
    ];
    for solver in bad {
        let error = solver.solve(&DECAY, &[1.0], 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::InvalidSetting { .. })),
            "{error}"
        );
    }
    for method in [Method::Euler, Method::Rk4, Method::Rk4ThreeEighths] {
        let error = adaptive(method).solve(&DECAY, &[1.0], 0.0, 1.0).unwrap_err();
        assert!(
            matches!(error, SolveError::Setup(SetupError::NoErrorEstimate { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("tsit5"), "{error}");
    }
}

#[test]
fn times_must_be_finite() {
    let huge = f64::MAX;
    for (t0, t1) in [
        (f64::NAN, 1.0),
        (0.0, f64::NAN),
        (0.0, f64::INFINITY),
        (f64::NEG_INFINITY, 0.0),
        (-huge, huge),
    ] {
        for solver in solvers() {
            let error = solver.solve(&DECAY, &[1.0], t0, t1).unwrap_err();
            assert!(
                matches!(error, SolveError::Setup(SetupError::InvalidSpan { .. })),
                "{error}"
            );
        }
    }
    for stops in [vec![2.0], vec![-0.5], vec![0.6, 0.4], vec![f64::NAN]] {
        let error = adaptive(Method::Dopri5)
            .stop_at(stops)
            .solve(&DECAY, &[1.0], 0.0, 1.0)
            .unwrap_err();
        assert!(
            matches!(
                error,
                SolveError::Setup(SetupError::InvalidTimes { purpose: "stop", .. })
            ),
            "{error}"
        );
    }
}

#[test]
fn a_hopeless_number_of_steps_is_refused_before_the_first() {
    let forbidden: Rhs = |_, _, _| unreachable!("nothing is to be evaluated");
    for solver in [
        Solver::new(Method::Euler).fixed_size(1e-300),
        Solver::new(Method::Euler).fixed_steps(usize::MAX),
    ] {
        let error = solver.solve(&forbidden, &[1.0], 0.0, 1.0).unwrap_err();
        assert!(matches!(error, SolveError::MaxSteps { .. }), "{error}");
    }
    // More steps than there are numbers between the ends.
    let error = Solver::new(Method::Euler)
        .fixed_steps(9)
        .solve(&DECAY, &[1.0], 1.0, 1.0 + 4.0 * f64::EPSILON);
    assert!(matches!(error, Err(SolveError::TimeTooCoarse { .. })), "{error:?}");
}

/// What a caller may keep, send and share.
#[test]
fn public_types_are_send_and_sync() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    type State = Vec<f64>;
    check::<(
        Solver,
        Solver<StepsNotChosen>,
        Method,
        Tableau,
        StepControl,
        Adaptive,
        Limits,
    )>();
    check::<(
        SetupError,
        SolveError<std::convert::Infallible>,
        StateError,
        TableauFault,
        NonFinite,
    )>();
    check::<(
        Solution<State>,
        DenseOutput<State>,
        Interpolant<State>,
        EventPoint<State>,
        SaveAt,
        Outcome,
    )>();
    check::<(
        ExplicitRungeKutta<State>,
        VariableAdams<State>,
        FixedAdams<State>,
        ReversibleHeun<State>,
        Esdirk<State>,
    )>();
    check::<(
        AdjointMethod,
        AdjointRecord<State, State>,
        AdjointSolution<State, State>,
    )>();
    check::<(PidController, ConstantStep, OwnControl)>();
    check::<(Step<'_, State>, OpenSolve<State>, Evaluator<'_, ()>)>();
    // The function of an event may hold what is not shared.
    fn debug<T: std::fmt::Debug>() {}
    debug::<Event<'_, State>>();
}

#[test]
fn solvers_are_shared_between_threads() {
    let solver = &adaptive(Method::Dopri5);
    let ends = std::thread::scope(|scope| {
        let threads =
            [1.0, 2.0].map(|end| scope.spawn(move || solver.solve(&DECAY, &[1.0], 0.0, end).unwrap().state[0]));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!((ends[0] * ends[0] - ends[1]).abs() < 1e-5, "{ends:?}");
}

//! Methods and step controls of the caller's own, wherever a ready-made one is used.

use std::sync::LazyLock;

use ffjord_ode::{
    Adaptive, Attempt, Controller, Embedded, ErrorMeasure, Event, ExplicitRungeKutta, ExtraStage, Interpolation,
    Limits, Method, PidController, SaveAt, SetupError, SolveError, Solver, StepControl, Tableau, TableauFault,
    Tolerance, Verdict,
    adjoint::{AdjointMethod, Backsolve, Binomial, Checkpointed, Reversible},
    integrate, integrate_with_events,
};

use super::{
    adjoints::{finite_differences, gradient},
    failures::DECAY,
    problems::{self, Problem, largest_difference, measured_order},
};

const B: [f64; 6] = [37.0 / 378.0, 0.0, 250.0 / 621.0, 125.0 / 594.0, 0.0, 512.0 / 1771.0];
const C: &[f64] = &[0.0, 0.2, 0.3, 0.6, 1.0, 0.875];
const A: &[&[f64]] = &[
    &[],
    &[0.2],
    &[0.075, 0.225],
    &[0.3, -0.9, 1.2],
    &[-11.0 / 54.0, 2.5, -70.0 / 27.0, 35.0 / 27.0],
    &[
        1631.0 / 55296.0,
        175.0 / 512.0,
        575.0 / 13824.0,
        44275.0 / 110592.0,
        253.0 / 4096.0,
    ],
];
const E: &[f64] = &[
    B[0] - 2825.0 / 27648.0,
    0.0,
    B[2] - 18575.0 / 48384.0,
    B[3] - 13525.0 / 55296.0,
    -277.0 / 14336.0,
    B[5] - 0.25,
];

fn estimate(order: u32, weights: &'static [f64]) -> Embedded {
    Embedded {
        order,
        weights,
        damping: None,
    }
}

/// Cash and Karp's 5(4) pair (ACM TOMS 16(3), 1990).
static CASH_KARP: LazyLock<Tableau> = LazyLock::new(|| {
    let tableau = Tableau::new("cash_karp", 5, C, A, &B).unwrap();
    tableau.with_embedded(estimate(4, E)).unwrap()
});

fn cash_karp() -> Method {
    Method::from(&*CASH_KARP)
}

fn tolerance(tolerance: f64) -> Tolerance {
    Tolerance::new(tolerance, tolerance).unwrap()
}

#[test]
fn a_tableau_is_a_method() {
    let method = cash_karp();
    assert_eq!(
        (method.name(), method.order(), method.is_adaptive()),
        ("cash_karp", 5, true)
    );
    assert_eq!(method.to_string(), "cash_karp");
    assert_eq!((method.interpolation_order(), method.tableau()), (3, Some(&*CASH_KARP)));
    assert!(!Method::ALL.contains(&method) && "cash_karp".parse::<Method>().is_err());
    let leaked: &'static Tableau = Box::leak(Box::new(*CASH_KARP));
    assert_eq!(Method::from(leaked), method, "equal numbers are equal methods");
}

#[test]
fn its_solves_have_the_order_it_states() {
    let short = Problem {
        span: (0.0, 4.0),
        ..problems::COSINE
    };
    for problem in [problems::HARMONIC, short] {
        let points = [80, 160, 320].map(|n| {
            let solution = problem.solve(&Solver::new(cash_karp()).fixed_steps(n)).unwrap();
            assert_eq!(solution.stats.nfe, 6 * n);
            (1.0 / n as f64, problem.error(solution.t, &solution.state))
        });
        let order = measured_order(&points);
        assert!((order - 5.0).abs() < 0.2, "{}: {order}, {points:?}", problem.name);
    }
    for exponent in [4, 6, 8] {
        let bound = 10.0_f64.powi(-exponent);
        let solver = Solver::new(cash_karp()).adaptive(tolerance(bound));
        let solution = problems::ORBIT.solve(&solver).unwrap();
        assert!(problems::ORBIT.error(solution.t, &solution.state) < 1000.0 * bound);
    }
}

#[test]
fn adjoints_differentiate_through_it() {
    let steps = Solver::new(cash_karp()).fixed_steps(9);
    let adaptive = Solver::new(cash_karp()).adaptive(tolerance(1e-11));
    for (t0, t1) in [(0.2, 1.7), (1.7, 0.2)] {
        let exact = gradient(&Checkpointed::new(), &steps, t0, t1);
        let off = largest_difference(&exact, &finite_differences(&steps, t0, t1));
        assert!(off < 1e-9, "{off:e}");
        assert_eq!(gradient(&Binomial::default(), &steps, t0, t1), exact);
        assert_eq!(
            gradient(&Checkpointed::new().keep_tapes(1 << 20), &steps, t0, t1),
            exact
        );
        let (checkpointed, backsolve) = (
            gradient(&Checkpointed::new(), &adaptive, t0, t1),
            gradient(&Backsolve::new(), &adaptive, t0, t1),
        );
        assert!(largest_difference(&checkpointed, &backsolve) < 1e-8);
    }
    for name in ["checkpointed", "binomial", "backsolve", "interpolated"] {
        assert_eq!(name.parse::<AdjointMethod>().unwrap().require(cash_karp()), Ok(()));
    }
    let refused = AdjointMethod::Reversible(Reversible).require(cash_karp());
    assert!(matches!(
        refused,
        Err(SetupError::AdjointNeedsMethod {
            method: "cash_karp",
            ..
        })
    ));
}

fn fault(tableau: Result<Tableau, SetupError>) -> TableauFault {
    match tableau {
        Err(error @ SetupError::InvalidTableau { .. }) => {
            assert!(error.to_string().contains("own"), "{error}");
            let SetupError::InvalidTableau { fault, .. } = error else {
                unreachable!()
            };
            fault
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_that_do_not_fit_together_are_refused() {
    let new = |order, c, a, b| Tableau::new("own", order, c, a, b);
    assert_eq!(fault(new(0, &[0.0], &[&[]], &[1.0])), TableauFault::NoOrder);
    assert!(matches!(
        fault(new(1, &[], &[], &[])),
        TableauFault::Length {
            expected: 1,
            found: 0,
            ..
        }
    ));
    assert!(matches!(
        fault(new(5, C, &A[..5], &B)),
        TableauFault::Length {
            expected: 6,
            found: 5,
            ..
        }
    ));
    assert!(matches!(
        fault(new(2, &[0.0, 1.0], &[&[], &[0.5, 0.5]], &[0.5, 0.5])),
        TableauFault::Length {
            expected: 1,
            found: 2,
            ..
        }
    ));
    assert!(matches!(
        fault(new(2, &[0.0, 1.0], &[&[], &[1.0]], &[f64::NAN, 0.5])),
        TableauFault::NotFinite { given, .. } if given.is_nan()
    ));
    let row = fault(new(2, &[0.0, 1.0], &[&[], &[0.9]], &[0.5, 0.5]));
    assert_eq!(
        row,
        TableauFault::RowSum {
            stage: 1,
            c: 1.0,
            sum: 0.9
        }
    );
    assert!(row.to_string().contains("1.0e-1"), "{row}");

    // Cash-Karp's method is not of order 6, and with one weight wrong not even of order 1.
    let order = fault(new(6, C, A, &B));
    assert!(
        matches!(order, TableauFault::OrderCondition { order: 6, .. }),
        "{order}"
    );
    const OFF: [f64; 6] = [B[0] + 1e-9, B[1], B[2], B[3], B[4], B[5]];
    let sum = fault(new(5, C, A, &OFF));
    assert!(
        matches!(&sum, TableauFault::OrderCondition { order: 1, tree, .. } if tree == "τ"),
        "{sum}"
    );
    assert!(sum.to_string().contains("1.0e-9 apart"), "{sum}");
    // The classical method with two stages exchanged meets the conditions of order 2 alone.
    let third = fault(new(
        4,
        &[0.0, 0.5, 0.5, 1.0],
        &[&[], &[0.5], &[0.5, 0.0], &[0.0, 0.0, 1.0]],
        &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    ));
    assert!(
        matches!(&third, TableauFault::OrderCondition { order: 3, tree, .. } if tree == "[[τ]]"),
        "{third}"
    );
}

#[test]
fn estimates_and_interpolants_are_checked() {
    let own = || Tableau::new("own", 5, C, A, &B).unwrap();
    assert!(matches!(
        fault(own().with_embedded(estimate(4, &E[..5]))),
        TableauFault::Length {
            expected: 6,
            found: 5,
            ..
        }
    ));
    let lower = fault(own().with_embedded(estimate(3, E)));
    assert_eq!(lower, TableauFault::EstimateOrder { stated: 3, found: 4 });
    let higher = fault(own().with_embedded(estimate(5, E)));
    assert!(
        matches!(higher, TableauFault::OrderCondition { order: 5, .. }),
        "{higher}"
    );
    // No estimate at all would accept every step.
    let none = fault(own().with_embedded(estimate(4, &[0.0; 6])));
    assert_eq!(none, TableauFault::EstimateOrder { stated: 4, found: 5 });

    // The parabola of the mid-point rule, with the slope at the end and with another stage.
    let midpoint = || Tableau::new("own", 2, &[0.0, 0.5], &[&[], &[0.5]], &[0.0, 1.0]).unwrap();
    let polynomial = |order, extra, weights| Interpolation::Polynomial { order, extra, weights };
    let parabola: &[&[f64]] = &[&[1.0, -1.0], &[0.0, 1.0], &[]];
    assert!(midpoint().with_interpolation(polynomial(2, &[], parabola)).is_ok());
    let extra: &[ExtraStage] = &[ExtraStage {
        c: 0.25,
        a: &[0.25, 0.0, 0.0],
    }];
    let with_stage: &[&[f64]] = &[&[1.0, -1.0], &[0.0, 1.0], &[], &[]];
    assert!(midpoint().with_interpolation(polynomial(2, extra, with_stage)).is_ok());
    assert!(matches!(
        fault(midpoint().with_interpolation(polynomial(2, &[], &parabola[..2]))),
        TableauFault::Length {
            expected: 3,
            found: 2,
            ..
        }
    ));
    let power = fault(midpoint().with_interpolation(polynomial(3, &[], parabola)));
    assert!(
        matches!(power, TableauFault::OrderCondition { order: 3, .. }),
        "{power}"
    );
    let end = fault(midpoint().with_interpolation(polynomial(1, &[], &[&[1.0], &[], &[]])));
    assert!(matches!(end, TableauFault::InterpolantEnd { .. }), "{end}");
}

/// Steps of one size, and no measure: it knows nothing of the end.
#[derive(Debug, Clone)]
struct Walking {
    step: f64,
}

impl Controller for Walking {
    fn measure(&self) -> Option<ErrorMeasure> {
        None
    }
    fn first_step(&self) -> Option<f64> {
        None
    }
    fn begin(&mut self, _t0: f64, _t1: f64, _first: f64) {}
    fn next_time(&self, t: f64) -> f64 {
        t + self.step
    }
    fn judge(&mut self, _attempt: &Attempt) -> Verdict {
        Verdict::Accept
    }
}

#[test]
fn own_controls_steer_solves_and_adjoints() {
    let solver = Solver::new(Method::Rk4)
        .controlled_by(Walking { step: 0.3 })
        .stop_at(vec![0.5]);
    let times: Vec<f64> = problems::DECAY
        .solve(&solver.clone().save_at(SaveAt::Steps))
        .unwrap()
        .saved
        .iter()
        .map(|point| point.t)
        .collect();
    assert_eq!(times[..4], [0.0, 0.3, 0.5, 0.8]);
    assert_eq!(times.last(), Some(&5.0));
    let by_hand = Solver::new(Method::Rk4).controlled_by(Walking { step: 0.1 });
    let exact = gradient(&Checkpointed::new(), &by_hand, 0.2, 1.7);
    assert_eq!(gradient(&Binomial::default(), &by_hand, 0.2, 1.7), exact);
    let off = largest_difference(
        &exact,
        &gradient(
            &Checkpointed::new(),
            &Solver::new(Method::Rk4).fixed_steps(15),
            0.2,
            1.7,
        ),
    );
    assert!(off < 1e-9, "{off:e}");

    assert_eq!(solver, solver.clone());
    assert_ne!(
        by_hand,
        Solver::new(Method::Rk4).controlled_by(Walking { step: 0.1 }),
        "equal by identity"
    );
    assert!(matches!(by_hand.control(), StepControl::Own(_)) && by_hand.control().tolerance().is_none());

    // The ready-made controller as a caller's own takes the same steps.
    let control = Adaptive::new(tolerance(1e-7));
    let own = Solver::new(cash_karp()).controlled_by(PidController::new(control.clone()).unwrap());
    assert_eq!(own.control().tolerance(), Some(tolerance(1e-7)));
    let (own, ready_made) = (
        problems::ORBIT.solve(&own).unwrap(),
        problems::ORBIT
            .solve(&Solver::new(cash_karp()).adaptive_with(control))
            .unwrap(),
    );
    assert_eq!((own.state, own.stats), (ready_made.state, ready_made.stats));

    let refused = Solver::new(Method::Adams).controlled_by(Walking { step: 0.1 });
    let error = problems::DECAY.solve(&refused).unwrap_err();
    assert!(
        matches!(error, SolveError::Setup(SetupError::NeedsErrorEstimate { .. })),
        "{error}"
    );
}

#[test]
fn integrate_lands_on_the_end_whatever_the_controller() {
    let mut controller = PidController::new(Adaptive::new(tolerance(1e-8))).unwrap();
    let mut stepper = ExplicitRungeKutta::new(&CASH_KARP, &[0.0]).unwrap();
    let limits = Limits {
        stop_at: vec![0.7],
        save_at: SaveAt::Steps,
        ..Limits::default()
    };
    let solution = integrate(&DECAY, &[1.0], (0.0, 2.0), &mut stepper, &mut controller, &limits).unwrap();
    assert_eq!(solution.t, 2.0);
    assert!(solution.saved.iter().any(|point| point.t == 0.7));
    assert!((solution.state[0] - (-2.0_f64).exp()).abs() < 1e-7);

    let events = [Event::new(|_, y: &[f64; 1]| y[0] - 0.5).terminal()];
    let halved = integrate_with_events(
        &DECAY,
        &[1.0],
        (0.0, 2.0),
        &mut stepper,
        &mut controller,
        &limits,
        &events,
    )
    .unwrap();
    assert!((halved.t - 2.0_f64.ln()).abs() < 1e-6, "{}", halved.t);

    for (step, end) in [
        (0.0, 1.0),
        (-0.1, 1.0),
        (0.1, -1.0),
        (f64::NAN, 1.0),
        (f64::NEG_INFINITY, 1.0),
    ] {
        let mut lost = Walking { step };
        let error = integrate(&DECAY, &[1.0], (0.0, end), &mut stepper, &mut lost, &Limits::default()).unwrap_err();
        assert!(
            matches!(error, SolveError::InvalidStep { t: 0.0, t1, .. } if t1 == end),
            "{step}: {error}"
        );
        assert!(error.to_string().contains("step control"), "{error}");
    }
    let mut boundless = Walking { step: f64::INFINITY };
    let solution = integrate(
        &DECAY,
        &[1.0],
        (0.0, 0.1),
        &mut stepper,
        &mut boundless,
        &Limits::default(),
    )
    .unwrap();
    assert_eq!((solution.t, solution.stats.accepted), (0.1, 1));
}

//! Solves that go on, and what looks at them on the way.

use std::{convert::Infallible, ops::ControlFlow};

use ffjord_ode::{Event, Method, OnBudget, Outcome, SaveAt, SetupError, SolveError, Solver, Stats, Tolerance};

use super::{failures::solvers, problems::largest_difference};

fn circle(_t: f64, y: &[f64; 2], dy: &mut [f64; 2]) {
    *dy = [y[1], -y[0]];
}

const START: [f64; 2] = [0.0, 1.0];

#[test]
fn a_solve_in_parts_takes_the_steps_of_one_solve() {
    for solver in solvers() {
        let fixed = matches!(solver.control(), ffjord_ode::StepControl::Constant(_));
        if fixed {
            // A grid is laid over every part: parts by the budget would change it.
            continue;
        }
        for end in [20.0, -20.0] {
            let whole = solver.solve(&circle, &START, 0.0, end).unwrap();
            let parts = solver.clone().max_steps(5).on_budget(OnBudget::Partial);
            let mut solve = parts.open(&START, 0.0).unwrap();
            let mut count = 1;
            while !solve.advance(&circle, end).unwrap().is_complete() {
                count += 1;
            }
            assert_eq!(
                (solve.time(), *solve.state()),
                (end, whole.state),
                "{}",
                solver.method()
            );
            assert_eq!(solve.stats(), whole.stats, "{}", solver.method());
            assert_eq!(count, (whole.stats.accepted + whole.stats.rejected).div_ceil(5));
        }
    }
}

#[test]
fn adams_keeps_its_order_over_parts_in_time() {
    let solver = Solver::new(Method::Adams).adaptive(Tolerance::new(1e-9, 1e-9).unwrap());
    let whole = solver.solve(&circle, &START, 0.0, 100.0).unwrap().stats.nfe;
    let mut solve = solver.open(&START, 0.0).unwrap();
    let mut alone = 0;
    for part in 1..=100 {
        let (t, y) = (solve.time(), *solve.state());
        alone += solver.solve(&circle, &y, t, f64::from(part)).unwrap().stats.nfe;
        solve.advance(&circle, f64::from(part)).unwrap();
    }
    let error = largest_difference(solve.state(), &[100.0_f64.sin(), 100.0_f64.cos()]);
    assert!(error < 1e-6, "{error:e}");
    // A step is cut short at every whole number; orders and slopes stay.
    assert!(
        10 * solve.stats().nfe < 12 * whole && alone > 2 * whole,
        "{whole} {:?} {alone}",
        solve.stats()
    );
}

#[test]
fn fixed_steps_of_multistep_methods_go_on_with_their_past() {
    for method in [Method::ExplicitAdams, Method::FixedAdams, Method::Rk4] {
        let whole = Solver::new(method)
            .fixed_steps(200)
            .solve(&circle, &START, 0.0, 20.0)
            .unwrap();
        let mut solve = Solver::new(method).fixed_steps(10).open(&START, 0.0).unwrap();
        for part in 1..=20 {
            solve.advance(&circle, f64::from(part)).unwrap();
        }
        assert_eq!(solve.stats(), whole.stats, "{method}");
        assert!(largest_difference(solve.state(), &whole.state) < 1e-12, "{method}");
    }
}

#[test]
fn parts_have_their_own_times_and_turn_back() {
    let times = SaveAt::Several(vec![SaveAt::Times(vec![0.5, 1.0, 2.5]), SaveAt::Steps]);
    let solver = Solver::new(Method::Dopri5)
        .adaptive(Tolerance::new(1e-9, 1e-9).unwrap())
        .stop_at(vec![0.7, 2.2])
        .save_at(times);
    let mut solve = solver.open(&START, 0.0).unwrap();
    let times = |saved: &[ffjord_ode::Saved<[f64; 2]>]| saved.iter().map(|point| point.t).collect::<Vec<_>>();
    let first = times(&solve.advance(&circle, 2.0).unwrap().saved);
    assert!([0.0, 0.5, 0.7, 1.0, 2.0].iter().all(|t| first.contains(t)), "{first:?}");
    assert!(first.windows(2).all(|pair| pair[0] < pair[1]), "{first:?}");
    let second = times(&solve.advance(&circle, 3.0).unwrap().saved);
    assert!(
        second.contains(&2.2) && second.contains(&2.5) && !second.contains(&1.0),
        "{second:?}"
    );
    solve.advance(&circle, 0.0).unwrap();
    assert!(largest_difference(solve.state(), &START) < 1e-7, "{:?}", solve.state());
    // A part of no length changes nothing.
    let before = solve.stats();
    assert!(solve.advance(&circle, 0.0).unwrap().is_complete());
    assert_eq!(solve.stats(), before);
}

#[test]
fn parts_pass_jumps_and_events() {
    let push = |t: f64, _: &[f64; 1], dy: &mut [f64; 1]| {
        dy[0] = if t < 1.0 {
            1.0
        } else if t > 1.0 {
            -5.0
        } else {
            f64::NAN
        }
    };
    for end in [1.0, 1.5] {
        let solver = Solver::new(Method::Tsit5).adaptive(Tolerance::new(1e-9, 1e-9).unwrap());
        let mut solve = solver.jump_at(vec![1.0]).open(&[0.0], 0.0).unwrap();
        solve.advance(&push, end).unwrap();
        solve.advance(&push, 2.0).unwrap();
        assert!((solve.state()[0] + 4.0).abs() < 1e-12, "{:?}", solve.state());
    }
    // A ball that bounces: the state is the caller's to change, in a solve of its own.
    let solver = Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-9, 1e-9).unwrap());
    let mut solve = solver.open(&START, 0.0).unwrap();
    let events = [Event::new(|_, y: &[f64; 2]| y[0]).terminal()];
    for half_turn in 1..4 {
        let solution = solve.advance_with_events(&circle, 100.0, &events).unwrap();
        assert_eq!(solution.outcome, Outcome::Event(0));
        let exact = f64::from(half_turn) * std::f64::consts::PI;
        assert!((solve.time() - exact).abs() < 1e-6, "{}", solve.time());
    }
}

#[test]
fn a_failed_part_leaves_the_solve_where_it_was() {
    let solver = Solver::new(Method::Adams).adaptive(Tolerance::new(1e-9, 1e-9).unwrap());
    let mut solve = solver.clone().max_steps(50).open(&START, 0.0).unwrap();
    solve.advance(&circle, 1.0).unwrap();
    let before = (solve.time(), *solve.state());
    assert!(matches!(solve.advance(&circle, 1e6), Err(SolveError::MaxSteps { .. })));
    assert!(matches!(
        solve.advance(&circle, f64::NAN),
        Err(SolveError::Setup(SetupError::InvalidSpan { .. }))
    ));
    assert_eq!((solve.time(), *solve.state()), before);
    solve.advance(&circle, 2.0).unwrap();
    assert!((solve.state()[0] - 2.0_f64.sin()).abs() < 1e-7);

    let refused: Result<_, SolveError<Infallible>> = Solver::new(Method::Adams).fixed_steps(3).open(&START, 0.0);
    assert!(matches!(
        refused,
        Err(SolveError::Setup(SetupError::NeedsErrorEstimate { .. }))
    ));
}

#[test]
fn observers_see_every_accepted_step_and_may_end_the_solve() {
    for solver in solvers() {
        let solver = solver.save_at(SaveAt::Steps);
        let mut seen = Vec::new();
        let mut last = Stats::default();
        let solution = solver
            .solve_observed(&circle, &START, 0.0, 3.0, &[], |step| {
                assert!(step.t1 > step.t0 && step.error_ratio <= 1.0);
                seen.push((step.t1, *step.y1));
                last = step.stats;
                ControlFlow::Continue(())
            })
            .unwrap();
        let saved: Vec<_> = solution.saved[1..].iter().map(|point| (point.t, point.state)).collect();
        assert_eq!(seen, saved, "{}", solver.method());
        assert_eq!(last, solution.stats, "{}", solver.method());

        let stopped = solver
            .solve_observed(&circle, &START, 0.0, 3.0, &[], |step| {
                if step.t1 >= 1.0 {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })
            .unwrap();
        assert_eq!(stopped.outcome, Outcome::Stopped);
        let first_after = saved.iter().find(|(t, _)| *t >= 1.0).unwrap();
        assert_eq!(&(stopped.t, stopped.state), first_after);
    }
    // The end of a step is that of the event that ends the solve in it.
    let events = [Event::new(|t, _: &[f64; 2]| t - 0.123).terminal()];
    let mut end = 0.0;
    let solution = Solver::new(Method::Rk4)
        .fixed_steps(2)
        .solve_observed(&circle, &START, 0.0, 1.0, &events, |step| {
            end = step.t1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!((end, solution.t), (solution.t, end));
    assert!((end - 0.123).abs() < 1e-15);
}

#[test]
fn several_kinds_of_saving_agree_with_each_alone() {
    let solver = Solver::new(Method::Vern7).adaptive(Tolerance::new(1e-8, 1e-8).unwrap());
    let wanted = vec![0.0, 0.4, 1.7, 3.0];
    let solve = |save_at| {
        solver
            .clone()
            .save_at(save_at)
            .solve(&circle, &START, 0.0, 3.0)
            .unwrap()
    };
    let all = solve(SaveAt::Several(vec![
        SaveAt::Dense,
        SaveAt::Times(wanted.clone()),
        SaveAt::Several(vec![SaveAt::Steps, SaveAt::End]),
    ]));
    let (times, steps, dense) = (
        solve(SaveAt::Times(wanted.clone())),
        solve(SaveAt::Steps),
        solve(SaveAt::Dense),
    );
    let (asked, others): (Vec<_>, Vec<_>) = all.saved.iter().cloned().partition(|point| wanted.contains(&point.t));
    assert_eq!(asked, times.saved);
    let inner: Vec<_> = steps
        .saved
        .iter()
        .filter(|point| !wanted.contains(&point.t))
        .cloned()
        .collect();
    assert_eq!(others, inner);
    assert_eq!(
        all.dense.unwrap().at(2.2).unwrap(),
        dense.dense.unwrap().at(2.2).unwrap()
    );
    assert_eq!(all.stats.nfe, dense.stats.nfe, "inner stages are evaluated once");
    let bad = solver.save_at(SaveAt::Several(vec![SaveAt::Times(vec![4.0])]));
    assert!(matches!(
        bad.solve(&circle, &START, 0.0, 3.0),
        Err(SolveError::Setup(SetupError::InvalidTimes { purpose: "save", .. }))
    ));
}

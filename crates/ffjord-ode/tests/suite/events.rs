//! Events: located where they are, in the order they happen, and ends where they should be.

use std::{cell::Cell, f64::consts::PI};

use ffjord_ode::{Crossing, Event, Method, Outcome, SaveAt, SolveError, Solver, Tolerance};

use super::problems::largest_difference;

/// The circle (sin t, cos t).
fn circle(_t: f64, y: &[f64; 2], dy: &mut [f64; 2]) {
    *dy = [y[1], -y[0]];
}

const START: [f64; 2] = [0.0, 1.0];

fn tight(method: Method) -> Solver {
    Solver::new(method).adaptive(Tolerance::new(1e-10, 1e-10).unwrap())
}

#[test]
fn every_method_locates_zeros_of_every_direction() {
    for method in Method::ALL {
        let solver = match method {
            Method::Euler => continue,
            _ if method.is_adaptive() && method.order() > 2 => tight(method),
            _ => Solver::new(method).fixed_steps(20_000),
        };
        for (crossing, expected) in [
            (Crossing::Rising, vec![2.0 * PI]),
            (Crossing::Falling, vec![PI, 3.0 * PI]),
            (Crossing::Either, vec![PI, 2.0 * PI, 3.0 * PI]),
        ] {
            let events = [Event::new(|_, y: &[f64; 2]| y[0]).crossing(crossing)];
            let solution = solver.solve_with_events(&circle, &START, 0.0, 10.0, &events).unwrap();
            let times: Vec<f64> = solution.events.iter().map(|point| point.t).collect();
            assert_eq!(times.len(), expected.len(), "{method} {crossing:?}: {times:?}");
            assert!(
                largest_difference(&times, &expected) < 1e-6,
                "{method} {crossing:?}: {times:?}"
            );
            assert!(
                solution.events.iter().all(|point| point.state[0].abs() < 1e-12),
                "{method}"
            );
            assert!(solution.is_complete() && solution.t == 10.0);
        }
    }
}

#[test]
fn a_terminal_event_ends_the_solve_and_all_that_is_saved() {
    for (method, back) in [(Method::Dopri5, 1.0), (Method::Dopri8, -1.0), (Method::Adams, 1.0)] {
        let end = back * 2.0;
        let events = [
            Event::new(|_, y: &[f64; 2]| y[1] - 0.5),
            Event::new(move |t, _: &[f64; 2]| t - end).terminal(),
            Event::new(move |t, _: &[f64; 2]| t - 1.0001 * end),
        ];
        let times = vec![0.0, back, 1.5 * back, 2.5 * back];
        for save_at in [SaveAt::End, SaveAt::Steps, SaveAt::Dense, SaveAt::Times(times.clone())] {
            let solver = tight(method).save_at(save_at.clone());
            let solution = solver
                .solve_with_events(&circle, &START, 0.0, back * 3.0, &events)
                .unwrap();
            assert_eq!(solution.outcome, Outcome::Event(1), "{method}");
            assert!(!solution.is_complete());
            let happened: Vec<usize> = solution.events.iter().map(|point| point.event).collect();
            assert_eq!(happened, [0, 1], "{method}");
            assert!(
                (solution.events[0].t - back * PI / 3.0).abs() < 1e-8,
                "{:?}",
                solution.events
            );
            assert!((solution.t - end).abs() < 1e-14);
            assert!(
                largest_difference(&solution.state, &[end.sin(), end.cos()]) < 1e-7,
                "{method}"
            );
            match save_at {
                SaveAt::Steps => assert_eq!(solution.saved.last().unwrap().t, solution.t),
                SaveAt::Times(_) => assert_eq!(solution.saved.len(), 3),
                SaveAt::Dense => {
                    let dense = solution.dense.unwrap();
                    assert!(dense.at(1.001 * end).is_err());
                    let inside = 0.99 * end;
                    let error = largest_difference(&dense.at(inside).unwrap(), &[inside.sin(), inside.cos()]);
                    assert!(error < 1e-7, "{method}: {error:e}");
                    assert!(largest_difference(&dense.at(solution.t).unwrap(), &solution.state) < 1e-14);
                }
                _ => assert!(solution.saved.is_empty()),
            }
        }
    }
}

#[test]
fn a_zero_at_the_start_counts_only_when_it_returns() {
    let events = [Event::new(|_, y: &[f64; 2]| y[0]).terminal()];
    let solution = tight(Method::Tsit5)
        .solve_with_events(&circle, &START, 0.0, 10.0, &events)
        .unwrap();
    assert!((solution.t - PI).abs() < 1e-8, "{}", solution.t);
}

#[test]
fn functions_that_jump_or_touch_are_located_with_few_evaluations() {
    let calls = Cell::new(0);
    let events = [Event::new(|t: f64, _: &[f64; 2]| {
        calls.set(calls.get() + 1);
        if t < 1.2345 { -1e-9 } else { 1e9 }
    })];
    let solution = tight(Method::Dopri5)
        .solve_with_events(&circle, &START, 0.0, 2.0, &events)
        .unwrap();
    assert!((solution.events[0].t - 1.2345).abs() < 1e-14);
    assert!(calls.get() < 400, "{}", calls.get());
}

#[test]
fn a_nan_is_an_error() {
    let events = [Event::new(|t: f64, _: &[f64; 2]| (0.5 - t).sqrt() - 2.0)];
    let error = tight(Method::Dopri5)
        .solve_with_events(&circle, &START, 0.0, 2.0, &events)
        .unwrap_err();
    assert!(
        matches!(error, SolveError::EventNotANumber { event: 0, t } if t > 0.5),
        "{error}"
    );
}

#[test]
fn a_terminal_event_at_the_very_end_is_reported() {
    let line = |_: f64, _: &[f64; 1], dy: &mut [f64; 1]| dy[0] = 1.0;
    for method in Method::ALL {
        let solver = if method.has_fixed_order() {
            Solver::new(method).fixed_steps(4)
        } else {
            tight(method)
        };
        for (crossing, counts) in [
            (Crossing::Rising, true),
            (Crossing::Either, true),
            (Crossing::Falling, false),
        ] {
            let events = [Event::new(|t, _: &[f64; 1]| t - 1.0).crossing(crossing).terminal()];
            let solution = solver.solve_with_events(&line, &[0.0], 0.0, 1.0, &events).unwrap();
            assert_eq!(solution.t, 1.0, "{method}");
            let expected = if counts { Outcome::Event(0) } else { Outcome::Complete };
            assert_eq!(solution.outcome, expected, "{method} {crossing:?}");
        }
    }
}

#[test]
fn a_function_that_is_zero_at_both_ends_of_a_step_counts_at_the_second() {
    // The stone lands after two units of time, which one step of a method of order 2 or more leads to exactly.
    let fall = |_t: f64, y: &[f64; 2], dy: &mut [f64; 2]| *dy = [y[1], -2.0];
    for method in [Method::Heun, Method::Rk4, Method::Dopri5, Method::Dopri8] {
        let events = [Event::new(|_, y: &[f64; 2]| y[0])
            .crossing(Crossing::Falling)
            .terminal()];
        for (end, steps) in [(2.0, 1), (2.0, 2), (2.5, 1)] {
            let solver = Solver::new(method).fixed_steps(steps);
            let solution = solver.solve_with_events(&fall, &[0.0, 2.0], 0.0, end, &events).unwrap();
            if end == 2.0 && solution.state[0] > 0.0 {
                // Rounding has left the stone in the air.
                continue;
            }
            assert_eq!(solution.outcome, Outcome::Event(0), "{method}, {end}, {steps}");
            assert!((solution.t - 2.0).abs() < 1e-12, "{method}: {}", solution.t);
        }
    }
}

#[test]
fn crossings_inside_one_step_are_seen_where_substeps_are_asked_for() {
    for back in [1.0, -1.0] {
        let wave = move |t: f64, _: &[f64; 2]| (9.0 * back * t).cos();
        let solver = Solver::new(Method::Dopri5).fixed_steps(2);
        let seen = |event| {
            solver
                .solve_with_events(&circle, &START, 0.0, 2.0 * back, &[event])
                .unwrap()
                .events
        };
        let all = seen(Event::new(wave).substeps(8));
        let times: Vec<f64> = all.iter().map(|point| back * point.t).collect();
        let exact: Vec<f64> = (0..6)
            .map(|k| (f64::from(k) + 0.5) * PI / 9.0)
            .take_while(|&t| t < 2.0)
            .collect();
        assert!(
            times.len() == 6 && largest_difference(&times, &exact) < 1e-12,
            "{times:?}"
        );
        assert_eq!(seen(Event::new(wave).substeps(8).crossing(Crossing::Falling)).len(), 3);
        assert!(seen(Event::new(wave)).len() < 3);
        let first = seen(Event::new(wave).substeps(8).terminal());
        assert!(first.len() == 1 && (back * first[0].t - exact[0]).abs() < 1e-12);
    }
}

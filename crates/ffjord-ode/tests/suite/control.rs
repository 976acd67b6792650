//! Step control: grids, stop times, gains and bounds.

use ffjord_ode::{
    Adaptive, Attempt, Controller, ErrorNorm, Method, NextStep, Pid, PidController, SaveAt, Solver, Tolerance, Verdict,
};

use super::problems::{self, Problem};

fn step_times(problem: &Problem, solver: Solver) -> Vec<f64> {
    problem
        .solve(&solver.save_at(SaveAt::Steps))
        .unwrap()
        .saved
        .iter()
        .map(|point| point.t)
        .collect()
}

fn tolerance() -> Tolerance {
    Tolerance::new(1e-6, 1e-8).unwrap()
}

#[test]
fn fixed_grids_end_on_the_end_exactly() {
    for count in [1, 3, 7, 10, 49] {
        for (t0, t1) in [(0.0, 1.0), (0.1, 0.7), (1.0, -2.3), (-1e9, 1e9)] {
            let problem = Problem {
                span: (t0, t1),
                rhs: |_, _, dy| dy[0] = 0.0,
                ..problems::DECAY
            };
            let zero = Problem {
                exact: |_| vec![0.0],
                ..problem
            };
            let times = step_times(&zero, Solver::new(Method::Euler).fixed_steps(count));
            assert_eq!(times.len(), count + 1);
            assert_eq!((times[0], times[count]), (t0, t1));
            assert!(
                times.windows(2).all(|pair| (pair[1] - pair[0]) * (t1 - t0) > 0.0),
                "{times:?}"
            );
        }
    }
}

#[test]
fn steps_of_a_size_leave_a_shorter_last_one() {
    let times = |size: f64, span| {
        step_times(
            &Problem {
                span,
                ..problems::DECAY
            },
            Solver::new(Method::Rk4).fixed_size(size),
        )
    };
    assert_eq!(times(0.4, (0.0, 1.0)), [0.0, 0.4, 0.8, 1.0]);
    assert_eq!(times(0.4, (1.0, 0.0)), [1.0, 0.6, 1.0 - 0.8, 0.0]);
    // Ten steps of 0.1 are ten steps, whatever 10 · 0.1 rounds to.
    assert_eq!(times(0.1, (0.0, 1.0)).len(), 11);
    assert_eq!(times(5.0, (0.0, 1.0)), [0.0, 1.0]);
}

#[test]
fn steps_end_on_the_stop_times() {
    let stops = vec![0.3, 0.31, 2.0, 2.0, 4.5];
    for solver in [
        Solver::new(Method::Dopri5).adaptive(tolerance()),
        Solver::new(Method::Rk4).fixed_steps(13),
    ] {
        let times = step_times(&problems::DECAY, solver.clone().stop_at(stops.clone()));
        assert!(stops.iter().all(|stop| times.contains(stop)), "{times:?}");
        let free = step_times(&problems::DECAY, solver);
        assert!(
            times.len() <= free.len() + 4,
            "{} and {} steps",
            times.len(),
            free.len()
        );
    }
}

/// A jump of the slope costs many rejections unless a step ends on it.
#[test]
fn a_stop_time_saves_the_rejections_of_a_jump() {
    let jump = |t: f64, _: &[f64; 1], dy: &mut [f64; 1]| dy[0] = if t <= 1.0 { 0.0 } else { 100.0 };
    let solver = Solver::new(Method::Dopri5).adaptive_with(Adaptive::new(tolerance()).first_step(0.7));
    let blind = solver.solve(&jump, &[1.0], 0.0, 2.0).unwrap();
    let told = solver
        .clone()
        .stop_at(vec![1.0])
        .solve(&jump, &[1.0], 0.0, 2.0)
        .unwrap();
    assert!((blind.state[0] - 101.0).abs() < 1e-3, "{:?}", blind.state);
    assert!(told.stats.nfe < blind.stats.nfe, "{:?} {:?}", told.stats, blind.stats);
}

#[test]
fn gains_and_norms_keep_the_error_in_bounds() {
    for problem in problems::ALL {
        for pid in [Pid::I, Pid::PI, Pid::PID] {
            for norm in [ErrorNorm::Rms, ErrorNorm::Max] {
                let control = Adaptive::new(tolerance()).pid(pid).norm(norm);
                let solution = problem
                    .solve(&Solver::new(Method::Dopri5).adaptive_with(control))
                    .unwrap();
                let error = problem.error(solution.t, &solution.state);
                assert!(error < 3e-4, "{pid:?}, {norm:?} on {}: {error:e}", problem.name);
            }
        }
    }
}

/// At the edge of stability the elementary controller keeps bouncing off; proportional gain damps that.
#[test]
fn proportional_gain_saves_rejections_on_a_mildly_stiff_problem() {
    let rejected = |pid| {
        let control = Adaptive::new(Tolerance::new(1e-3, 1e-6).unwrap()).pid(pid);
        problems::TRACKING
            .solve(&Solver::new(Method::Dopri5).adaptive_with(control))
            .unwrap()
            .stats
            .rejected
    };
    assert!(
        rejected(Pid::PI) < rejected(Pid::I),
        "{} and {}",
        rejected(Pid::PI),
        rejected(Pid::I)
    );
}

#[test]
fn steps_stay_within_their_bounds() {
    let control = Adaptive::new(tolerance()).max_step(0.05).first_step(1.0);
    let times = step_times(&problems::DECAY, Solver::new(Method::Tsit5).adaptive_with(control));
    // The last step may be stretched by a hundredth.
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] <= 0.05 * 1.0101),
        "{times:?}"
    );

    let control = Adaptive::new(tolerance()).first_step(1e-3);
    let times = step_times(&problems::DECAY, Solver::new(Method::Tsit5).adaptive_with(control));
    assert_eq!(times[1], 1e-3);
    assert!(
        times.windows(3).all(|t| (t[2] - t[1]) <= (t[1] - t[0]) * 10.0 * 1.0101),
        "{times:?}"
    );
}

#[test]
fn a_larger_norm_takes_more_steps() {
    let nfe = |norm| {
        let control = Adaptive::new(tolerance()).norm(norm);
        problems::ORBIT
            .solve(&Solver::new(Method::Dopri5).adaptive_with(control))
            .unwrap()
            .stats
            .nfe
    };
    assert!(nfe(ErrorNorm::Max) > nfe(ErrorNorm::Rms));
}

#[test]
fn accepted_steps_shrink_where_they_may() {
    let sizes = |next_step| {
        let settings = Adaptive::new(tolerance()).first_step(1.0).next_step(next_step);
        let mut controller = PidController::new(settings).unwrap();
        controller.begin(0.0, 100.0, 1.0);
        // The end of the attempt, and its error; the fourth is cut short by a stop time.
        let mut judge = |t_next: f64, error_ratio| {
            let verdict = controller.judge(&Attempt {
                t: 0.0,
                t_next,
                error_ratio,
                error_order: 4,
            });
            (verdict, controller.next_time(0.0))
        };
        let first = judge(1.0, 0.9);
        let rejected = judge(first.1, 3.0);
        let after = judge(rejected.1, 1e-3);
        let cut = judge(0.5 * after.1, 0.9);
        assert_eq!(
            [first.0, rejected.0, after.0, cut.0],
            [Verdict::Accept, Verdict::Reject, Verdict::Accept, Verdict::Accept]
        );
        [first.1, rejected.1, after.1, cut.1]
    };
    let root = |ratio: f64| 0.9 * ratio.powf(-0.2);
    let [first, rejected, after, cut] = sizes(NextStep::ByError);
    assert_eq!((first, rejected), (root(0.9), root(0.9) * root(3.0)));
    // No growth right after a rejection, and none of the shrinking where the step was not the one planned.
    assert_eq!((after, cut), (rejected, rejected));
    let [first, rejected, after, cut] = sizes(NextStep::NotShorter);
    assert_eq!((first, rejected), (1.0, root(3.0)));
    assert_eq!((after, cut), (rejected * root(1e-3), after));
}

#[test]
fn predicted_steps_go_on_with_a_growing_error() {
    let settings = Adaptive::new(tolerance()).next_step(NextStep::Predicted);
    let mut controller = PidController::new(settings).unwrap();
    controller.begin(0.0, 100.0, 1.0);
    let mut next = |t_next: f64, error_ratio| {
        controller.judge(&Attempt {
            t: 0.0,
            t_next,
            error_ratio,
            error_order: 3,
        });
        controller.next_time(0.0)
    };
    let root = |ratio: f64| 0.9 * ratio.powf(-0.25);
    // Nothing is known before the first step.
    let first = next(1.0, 0.1);
    assert_eq!(first, root(0.1));
    // The error grows by more than that of a longer step does, and is taken to do so again.
    let second = next(first, 0.8);
    let expected = first * root(0.8) * (first * 8.0_f64.powf(-0.25));
    assert!(
        (second / expected - 1.0).abs() < 1e-14 && expected < first * root(0.8),
        "{second}, {expected}"
    );
    // A falling error is not taken to fall on.
    assert_eq!(next(second, 0.1), second * root(0.1));
}

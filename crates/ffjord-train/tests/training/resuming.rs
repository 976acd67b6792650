//! A run that was stopped anywhere and resumed is the run that was not stopped.

use crate::harness::{Moons, Remains, Session, flow, options, streams, two_steps};
use candle_core::DType;
use ffjord_data::ToyDensity;
use ffjord_train::{
    BatchSource, CheckpointStore, OptimizerKind, Purpose, ScheduleConfig, ShuffledRows, TrainError, TrainerOptions,
    TrainingEnd, read_metrics,
};
use std::io::Write;

const ITERATIONS: u64 = 8;

/// Options and data that together use everything that a checkpoint holds.
fn cases() -> Vec<(TrainerOptions, Box<dyn BatchSource>)> {
    let warm = ScheduleConfig::WarmupCosine {
        peak: 2e-2,
        floor: 1e-4,
        warmup: 3,
    };
    // Its rate depends on how validations went, and these improve and worsen at so large a rate.
    let plateau = ScheduleConfig::Plateau {
        rate: 0.3,
        factor: 0.5,
        after: vec![1, 2],
    };
    let table = ToyDensity::Moons.sample(50, &mut streams().rng(Purpose::Data, 7, 7));
    let adam = TrainerOptions {
        schedule: warm,
        average: Some(0.8),
        ..options(ITERATIONS)
    };
    let adamax = TrainerOptions {
        optimizer: OptimizerKind::Adamax,
        schedule: plateau,
        ..options(ITERATIONS)
    };
    vec![
        (adam.clone(), Box::new(Moons { poisoned: |i| i == 3 })),
        (TrainerOptions { average: None, ..adam }, Box::new(Moons::CLEAN)),
        (adamax, Box::new(ShuffledRows::new(table, 16, DType::F32).unwrap())),
    ]
}

fn uninterrupted(options: &TrainerOptions, source: &dyn BatchSource) -> Remains {
    let folder = tempfile::tempdir().unwrap();
    let model = flow(0, two_steps());
    let session = Session::new(folder.path(), options.clone()).source(source);
    assert_eq!(session.run(&model).unwrap().end, TrainingEnd::Finished);
    Remains::of(folder.path(), &model)
}

#[test]
fn interrupted_after_any_iteration() {
    for (options, source) in cases() {
        let source = source.as_ref();
        let expected = uninterrupted(&options, source);
        for stop in 1..ITERATIONS {
            let folder = tempfile::tempdir().unwrap();
            let session = || Session::new(folder.path(), options.clone()).source(source);
            let first = session().interrupt_after(stop).run(&flow(0, two_steps())).unwrap();
            assert_eq!((first.end, first.iterations), (TrainingEnd::Interrupted, stop));
            // Other initial weights, so that whatever were not restored would show.
            let model = flow(99, two_steps());
            let second = session().run(&model).unwrap();
            assert_eq!((second.end, second.iterations), (TrainingEnd::Finished, ITERATIONS));
            assert!(second.seconds > first.seconds);
            let remains = Remains::of(folder.path(), &model);
            assert!(remains == expected, "{options:?} stopped after {stop}");
        }
    }
}

#[test]
fn interrupted_after_every_iteration() {
    for (options, source) in cases() {
        let source = source.as_ref();
        let folder = tempfile::tempdir().unwrap();
        let model = flow(0, two_steps());
        for stop in 1..=ITERATIONS {
            let session = Session::new(folder.path(), options.clone()).source(source);
            session.interrupt_after(stop).run(&model).unwrap();
        }
        assert!(
            Remains::of(folder.path(), &model) == uninterrupted(&options, source),
            "{options:?}"
        );
    }
}

#[test]
fn killed_between_checkpoints() {
    for (options, source) in cases() {
        let source = source.as_ref();
        // Before the first checkpoint, between two, and in the iteration of one.
        for (killed, saved) in [(2, None), (5, Some(3)), (6, Some(3))] {
            let folder = tempfile::tempdir().unwrap();
            let metrics = folder.path().join("metrics.jsonl");
            let session = || Session::new(folder.path(), options.clone()).source(source);
            let error = session().kill_after(killed).run(&flow(0, two_steps())).unwrap_err();
            assert!(matches!(error, TrainError::MetricsLine { .. }), "{error}");
            let checkpoint = CheckpointStore::new(folder.path()).load().unwrap();
            assert_eq!(checkpoint.map(|checkpoint| checkpoint.iteration), saved);
            let last = read_metrics(&metrics).unwrap().pop().unwrap();
            assert_eq!(last["iteration"], killed);
            // The last line was being written.
            let mut file = std::fs::OpenOptions::new().append(true).open(&metrics).unwrap();
            file.write_all(b"{\"kind\":\"train\",\"iter").unwrap();

            let model = flow(0, two_steps());
            session().run(&model).unwrap();
            let remains = Remains::of(folder.path(), &model);
            assert!(
                remains == uninterrupted(&options, source),
                "{options:?} killed after {killed}"
            );
        }
    }
}

#[test]
fn a_finished_run_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let model = flow(0, two_steps());
    let first = Session::new(folder.path(), options(5)).run(&model).unwrap();
    let expected = Remains::of(folder.path(), &model);
    let model = flow(99, two_steps());
    let again = Session::new(folder.path(), options(5)).run(&model).unwrap();
    assert_eq!(again, first);
    assert_eq!(Remains::of(folder.path(), &model), expected);
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    Session::new(folder.path(), options(3))
        .run(&flow(0, two_steps()))
        .unwrap();
    let others = [
        TrainerOptions {
            optimizer: OptimizerKind::Adamax,
            ..options(3)
        },
        TrainerOptions {
            average: Some(0.9),
            ..options(3)
        },
    ];
    for options in others {
        let model = flow(99, two_steps());
        let before = crate::harness::bits(&model);
        let error = Session::new(folder.path(), options).run(&model).unwrap_err();
        assert!(matches!(error, TrainError::StateMismatch { .. }), "{error}");
        assert_eq!(crate::harness::bits(&model), before);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let folder = tempfile::tempdir().unwrap();
            let model = flow(0, two_steps());
            let options = TrainerOptions {
                average: Some(0.8),
                ..options(6)
            };
            Session::new(folder.path(), options).run(&model).unwrap();
            Remains::of(folder.path(), &model)
        })
    };
    let one = run(1);
    assert!(one == run(2));
    assert!(one == run(2));
}

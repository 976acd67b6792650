//! A run that was stopped anywhere and resumed is the run that was not stopped.

use crate::harness::{Moons, Remains, Session, bits, flow, flow_of_separate_rows, options, streams, two_steps};
use candle_core::DType;
use ffjord_data::ToyDensity;
use ffjord_train::{
    BatchSource, CheckpointStore, Model, OptimizerKind, Purpose, Resume, ScheduleConfig, ShuffledRows, Streams,
    TrainError, TrainerOptions, TrainingEnd, read_metrics,
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

/// A folder with a finished run of three iterations.
fn finished() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    Session::new(folder.path(), options(3))
        .run(&flow(0, two_steps()))
        .unwrap();
    folder
}

#[test]
fn a_checkpoint_of_another_run_is_refused_and_changes_nothing() {
    let folder = finished();
    let rate = ScheduleConfig::Constant { rate: 1e-3 };
    let others = [
        ("options.optimizer", options(3).optimizer(OptimizerKind::Adamax), 11),
        ("options.average", options(3).average(0.9), 11),
        ("options.schedule.rate", options(3).schedule(rate), 11),
        ("options.weight_decay", options(3).weight_decay(0.0), 11),
        ("seed", options(3), 12),
    ];
    let before = Remains::of(folder.path(), &flow(99, two_steps()));
    for (name, options, seed) in others {
        for resume in [Resume::IfSame, Resume::Require] {
            let model = flow(99, two_steps());
            let mut session = Session::new(folder.path(), options.clone());
            (session.streams, session.resume) = (Streams::new(seed), resume);
            let error = session.run(&model).unwrap_err();
            assert!(matches!(error, TrainError::OtherRun { .. }), "{error}");
            assert!(error.to_string().contains(&format!("(`{name}` is ")), "{error}");
            assert_eq!(Remains::of(folder.path(), &model), before);
        }
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused_in_one_line() {
    let folder = finished();
    let model = flow_of_separate_rows(99);
    let before = bits(&model);
    let error = Session::new(folder.path(), options(3)).run(&model).unwrap_err();
    assert!(matches!(error, TrainError::OtherModel { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`chain.0.layers.0._layer.weight`") || text.contains("the model's `"),
        "{text}"
    );
    assert!(!text.contains('\n') && text.len() < 400, "{text}");
    assert_eq!(bits(&model), before);
}

#[test]
fn a_run_may_start_anew_over_another_one() {
    let folder = finished();
    let options = options(4).weight_decay(0.0);
    let (again, fresh) = (flow(5, two_steps()), flow(5, two_steps()));
    let mut session = Session::new(folder.path(), options.clone());
    session.resume = Resume::Never;
    assert_eq!(session.run(&again).unwrap().iterations, 4);
    let other = tempfile::tempdir().unwrap();
    Session::new(other.path(), options).run(&fresh).unwrap();
    assert_eq!(bits(&again), bits(&fresh));
    let stored = CheckpointStore::new(folder.path()).load().unwrap().unwrap();
    assert_eq!(stored.iteration, 4);
}

#[test]
fn a_run_is_made_longer_where_its_schedule_allows() {
    let model = flow(0, two_steps());
    let folder = tempfile::tempdir().unwrap();
    Session::new(folder.path(), options(4)).run(&model).unwrap();
    let session = Session::new(folder.path(), options(8));
    assert_eq!(session.run(&flow(99, two_steps())).unwrap().iterations, 8);

    let folder = tempfile::tempdir().unwrap();
    let falling = ScheduleConfig::Geometric {
        first: 1e-2,
        last: 1e-3,
    };
    let run = |iterations| Session::new(folder.path(), options(iterations).schedule(falling.clone())).run(&model);
    run(4).unwrap();
    let error = run(8).unwrap_err();
    assert!(error.to_string().contains("`options.iterations` is 4 in"), "{error}");
}

#[test]
fn checkpoints_from_before_runs_were_recorded_go_on() {
    for average in [None, Some(0.8)] {
        let options = TrainerOptions { average, ..options(6) };
        let folder = tempfile::tempdir().unwrap();
        let session = || Session::new(folder.path(), options.clone());
        session().interrupt_after(3).run(&flow(0, two_steps())).unwrap();
        let store = CheckpointStore::new(folder.path());
        let mut stored = store.load().unwrap().unwrap();
        let metadata = stored.metadata.as_object_mut().unwrap();
        assert!(metadata.remove("run").is_some());
        metadata.insert("ended_early".to_string(), false.into());
        let buffers = Model::buffers(&flow(0, two_steps()));
        for buffer in &buffers {
            let averaged = stored.tensors.remove(&format!("average.{}", buffer.name));
            assert_eq!(averaged.is_some(), average.is_some());
        }
        let tensors: Vec<_> = stored.tensors.into_iter().collect();
        store.save(3, &stored.metadata, &tensors).unwrap();

        let mut required = session();
        required.resume = Resume::Require;
        let error = required.run(&flow(99, two_steps())).unwrap_err();
        assert!(matches!(error, TrainError::NothingToResume { .. }), "{error}");

        let model = flow(99, two_steps());
        assert_eq!(session().run(&model).unwrap().iterations, 6);
        let (remains, expected) = (
            Remains::of(folder.path(), &model),
            uninterrupted(&options, &Moons::CLEAN),
        );
        // The average of running statistics alone starts anew.
        assert_eq!(remains == expected, average.is_none());
    }
}

#[test]
fn nothing_to_resume_is_an_error_where_it_is_required() {
    let folder = tempfile::tempdir().unwrap();
    let mut session = Session::new(folder.path(), options(3));
    session.resume = Resume::Require;
    let error = session.run(&flow(0, two_steps())).unwrap_err();
    assert!(matches!(error, TrainError::NothingToResume { .. }), "{error}");
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

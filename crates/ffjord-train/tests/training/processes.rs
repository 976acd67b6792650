//! Several processes, here threads, end with the bits of one.

use crate::harness::{
    Moons, Remains, Session, TinyFlow, bits, flow, flow_of_separate_rows, flow_with_act_norm, options, two_steps,
};
use ffjord_ode::{Method, Solver, Tolerance};
use ffjord_train::{
    Communicator, FailurePolicy, Resume, Streams, TcpCommunicator, TrainError, TrainerOptions, TrainingEnd,
    read_metrics,
};
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

/// Long enough for a machine that has much else to do.
const LIMIT: Duration = Duration::from_secs(60);

/// What `work` comes to in so many processes that are connected with each other, each of so many threads, in their order.
fn in_processes<T: Send>(count: usize, threads: usize, work: impl Fn(&dyn Communicator) -> T + Sync) -> Vec<T> {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let address = place.unwrap().to_string();
    let process = |rank: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| work(&TcpCommunicator::join(&address, rank, count, LIMIT).unwrap()))
    };
    let process = &process;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..count).map(|rank| scope.spawn(move || process(rank))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

/// All weights and buffers, bit by bit.
type Weights = Vec<(String, Vec<u32>)>;
/// How a session ended, after how many iterations, how many of which failed; or why it failed.
type Ended = Result<(TrainingEnd, u64, u64), String>;

/// Four shards, one of which any of up to four processes has.
fn in_shards(iterations: u64) -> TrainerOptions {
    options(iterations).shards(NonZeroUsize::new(4).unwrap())
}

/// A flow with an activation normalisation that the first shard sets, and a solve whose steps depend on the shard.
fn adaptive() -> TinyFlow {
    flow_with_act_norm(Solver::new(Method::Dopri5).adaptive(Tolerance::new(1e-3, 1e-3).unwrap()))
}

/// Goes on with the run in a folder, in so many processes of so many threads, until `stop` iterations are done; all must
/// have the same weights, which it returns.
fn go_on(folder: &Path, processes: usize, threads: usize, stop: Option<u64>) -> Weights {
    let mut weights = in_processes(processes, threads, |communicator| {
        let model = adaptive();
        let mut session = Session::new(folder, in_shards(8));
        session.communicator = communicator;
        if let Some(iteration) = stop {
            session = session.interrupt_after(iteration);
        }
        assert_eq!(session.run(&model).unwrap().failures, 0);
        bits(&model)
    });
    assert!(weights.iter().all(|other| *other == weights[0]));
    weights.swap_remove(0)
}

/// What a run leaves behind, without what each process did; of how many processes lines of training say something.
fn remains(folder: &Path, weights: Weights) -> (Remains, Vec<usize>) {
    let mut remains = Remains::of(folder, &adaptive());
    remains.model = weights;
    let mut told = Vec::new();
    for line in remains.metrics.iter_mut().filter(|line| line["kind"] == "train") {
        let line = line.as_object_mut().unwrap();
        let mut each = |key| line.remove(key).map_or(0, |value| value.as_array().unwrap().len());
        let evaluations = each("nfe_processes");
        assert_eq!(each("seconds_processes"), evaluations);
        told.push(evaluations);
    }
    (remains, told)
}

#[test]
fn any_number_of_processes_and_threads_ends_with_the_same_bits() {
    let run = |processes, threads| {
        let folder = tempfile::tempdir().unwrap();
        let weights = go_on(folder.path(), processes, threads, None);
        remains(folder.path(), weights)
    };
    let (alone, told) = run(1, 1);
    assert_eq!(told, [0; 8]);
    for (processes, threads) in [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)] {
        let (together, told) = run(processes, threads);
        assert_eq!(together, alone, "{processes} processes of {threads} threads");
        assert_eq!(told, [if processes > 1 { processes } else { 0 }; 8]);
    }
}

#[test]
fn a_run_goes_on_in_another_number_of_processes() {
    let folder = tempfile::tempdir().unwrap();
    let whole = go_on(folder.path(), 1, 1, None);
    let (whole, _) = remains(folder.path(), whole);
    let folder = tempfile::tempdir().unwrap();
    go_on(folder.path(), 3, 1, Some(2));
    go_on(folder.path(), 1, 1, Some(5));
    let weights = go_on(folder.path(), 2, 1, None);
    let (resumed, told) = remains(folder.path(), weights);
    assert_eq!(resumed, whole);
    // Several processes stop where all know of it, an iteration later.
    assert_eq!(told, [3, 3, 3, 0, 0, 2, 2, 2]);
}

#[test]
fn one_shard_is_a_batch_that_is_not_cut() {
    let weights = |options: TrainerOptions| {
        let folder = tempfile::tempdir().unwrap();
        let model = flow(0, two_steps());
        Session::new(folder.path(), options).run(&model).unwrap();
        bits(&model)
    };
    assert_eq!(weights(options(3)), weights(options(3).shards(NonZeroUsize::MIN)));
}

/// Runs a session in each of three processes that `change` may change, and says how it ended and with which weights.
fn sessions(
    folder: &Path,
    model: impl Fn() -> TinyFlow + Sync,
    change: impl for<'a> Fn(Session<'a>, usize) -> Session<'a> + Sync,
) -> Vec<(Ended, Weights)> {
    in_processes(3, 1, |communicator| {
        let model = model();
        let mut session = change(Session::new(folder, in_shards(6)), communicator.rank());
        session.communicator = communicator;
        let outcome = session.run(&model);
        let outcome = outcome.map(|summary| (summary.end, summary.iterations, summary.failures));
        (outcome.map_err(|error| error.to_string()), bits(&model))
    })
}

#[test]
fn what_fails_on_one_process_fails_on_all_alike() {
    // The NaN is in the last row, which the last process has.
    const POISONED: &Moons = &Moons {
        poisoned: |iteration| iteration == 3,
    };
    let folder = tempfile::tempdir().unwrap();
    let all = sessions(
        folder.path(),
        || flow_of_separate_rows(0),
        |session, _| session.source(POISONED),
    );
    assert_eq!(all[0].0, Ok((TrainingEnd::Finished, 6, 1)));
    assert!(all.iter().all(|other| *other == all[0]), "{all:?}");
    let causes = |folder: &Path| -> Vec<String> {
        let lines = read_metrics(folder.join("metrics.jsonl")).unwrap();
        let failures = lines.iter().filter(|line| line["kind"] == "failure");
        failures.map(|line| line["cause"].to_string()).collect()
    };
    let skipped = causes(folder.path());
    // Alone, the same cause is reported.
    let alone = tempfile::tempdir().unwrap();
    let session = Session::new(alone.path(), in_shards(6)).source(POISONED);
    let model = flow_of_separate_rows(0);
    session.run(&model).unwrap();
    assert_eq!(bits(&model), all[0].1);
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped, causes(alone.path()));

    let folder = tempfile::tempdir().unwrap();
    let stopped = sessions(
        folder.path(),
        || flow_of_separate_rows(0),
        |mut session, _| {
            session.options.on_failure = FailurePolicy::Stop;
            session.source(POISONED)
        },
    );
    let first = stopped[0].0.clone().unwrap_err();
    assert!(first.contains("iteration 4 failed"), "{first}");
    assert!(stopped.iter().all(|other| *other == stopped[0]));
}

#[test]
fn whoever_is_asked_to_stop_stops_all_after_the_same_iteration() {
    let folder = tempfile::tempdir().unwrap();
    let stopped = sessions(
        folder.path(),
        || flow_of_separate_rows(0),
        |session, rank| match rank {
            2 => session.interrupt_after(2),
            _ => session,
        },
    );
    // What a process is asked after an iteration, all know after the next.
    assert_eq!(stopped[0].0, Ok((TrainingEnd::Interrupted, 3, 0)));
    assert!(stopped.iter().all(|other| *other == stopped[0]));
    let resumed = sessions(folder.path(), || flow_of_separate_rows(0), |session, _| session);
    let whole = sessions(
        tempfile::tempdir().unwrap().path(),
        || flow_of_separate_rows(0),
        |session, _| session,
    );
    assert!(resumed == whole, "{resumed:?}, not {whole:?}");
}

#[test]
fn a_lost_process_ends_all_and_leaves_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let lost = sessions(
        folder.path(),
        || flow_of_separate_rows(0),
        |session, rank| match rank {
            1 => session.kill_after(4),
            _ => session,
        },
    );
    for rank in [0, 2] {
        let error = lost[rank].0.clone().unwrap_err();
        assert!(error.contains("does not answer"), "{error}");
    }
    let checkpoint = ffjord_train::CheckpointStore::new(folder.path()).load().unwrap();
    assert_eq!(checkpoint.map(|checkpoint| checkpoint.iteration), Some(3));
    let resumed = sessions(folder.path(), || flow_of_separate_rows(0), |session, _| session);
    let whole = sessions(
        tempfile::tempdir().unwrap().path(),
        || flow_of_separate_rows(0),
        |session, _| session,
    );
    assert_eq!(resumed, whole);
}

#[test]
fn processes_that_cannot_be_one_run_are_told_so() {
    let refusal = |change: &(dyn Fn(&mut Session<'_>, usize) + Sync)| -> String {
        let folder = tempfile::tempdir().unwrap();
        let all = sessions(
            folder.path(),
            || flow_of_separate_rows(0),
            |mut session, rank| {
                change(&mut session, rank);
                session
            },
        );
        let errors: Vec<String> = all.into_iter().map(|(outcome, _)| outcome.unwrap_err()).collect();
        assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
        errors[0].clone()
    };
    let unset = refusal(&|session, _| session.options.shards = None);
    assert!(unset.contains("shards is 1 for 3 processes"), "{unset}");
    let few = refusal(&|session, _| session.options.shards = NonZeroUsize::new(2));
    assert!(few.contains("shards is 2 for 3 processes"), "{few}");
    let other = refusal(&|session, rank| session.streams = Streams::new(rank as u64 / 2));
    assert!(other.contains("process 2 has other settings or weights"), "{other}");
    let small = refusal(&|session, _| session.options.shards = NonZeroUsize::new(32));
    assert!(small.contains("16 rows cannot be cut into 32 shards"), "{small}");

    let folder = tempfile::tempdir().unwrap();
    let mut options = options(1);
    options.shards = NonZeroUsize::new(3);
    let error = Session::new(folder.path(), options.clone()).run(&flow_of_separate_rows(0));
    assert!(matches!(
        error,
        Err(TrainError::InvalidSetting { setting: "shards", .. })
    ));
    options.shards = NonZeroUsize::new(2);
    let error = Session::new(folder.path(), options)
        .run(&flow(0, two_steps()))
        .unwrap_err();
    assert!(error.to_string().contains("`shards` is 2"), "{error}");
}

#[test]
fn a_checkpoint_that_one_process_lacks_ends_all() {
    let folder = tempfile::tempdir().unwrap();
    sessions(folder.path(), || flow_of_separate_rows(0), |session, _| session);
    let other = tempfile::tempdir().unwrap();
    let all = in_processes(2, 1, |communicator| {
        let place = if communicator.rank() == 0 { &folder } else { &other };
        let mut session = Session::new(place.path(), in_shards(8));
        session.communicator = communicator;
        session.resume = Resume::IfSame;
        session.run(&flow_of_separate_rows(0)).unwrap_err().to_string()
    });
    assert!(all[0].contains("process 1 has other settings or weights"), "{all:?}");
    assert_eq!(all[0], all[1]);
}

#[test]
fn those_who_do_not_come_are_named() {
    let meet = |rank, size, limit| {
        let address = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        TcpCommunicator::join(&address.to_string(), rank, size, limit)
            .unwrap_err()
            .to_string()
    };
    let short = Duration::from_millis(50);
    let error = meet(0, 3, short);
    assert!(error.contains("not there in time: process 1, 2"), "{error}");
    let error = meet(1, 2, short);
    assert!(error.contains("not there in time: process 0"), "{error}");
    assert!(meet(2, 2, short).contains("no process 2 of 2"));
    assert!(meet(0, 2, Duration::ZERO).contains("time limit"));
}

#[test]
fn a_process_that_says_nothing_is_given_up_after_the_time_limit() {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let limit = Duration::from_millis(500);
    let join = |rank| TcpCommunicator::join(&address, rank, 2, limit).unwrap();
    std::thread::scope(|scope| {
        let silent = scope.spawn(|| join(1));
        let waiting = join(0);
        let error = waiting.receive(1).unwrap_err();
        assert!(matches!(error, TrainError::LostProcess { rank: 1, .. }), "{error}");
        assert!(error.to_string().contains("silent for 500ms"), "{error}");
        drop(silent.join().unwrap());
        assert!(waiting.receive(1).unwrap_err().to_string().contains("it has ended"));
        assert!(waiting.receive(0).is_err() && waiting.send(7, b"").is_err());
    });
}

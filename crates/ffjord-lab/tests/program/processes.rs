//! `experiment` in several processes that meet over TCP.

use crate::harness::{Answer, Place, json, moons};
use crate::{autoencoders, images};
use std::fs;
use std::process::Stdio;

/// Cuts every batch in four.
const SHARDS: [&str; 2] = ["--set", "training.shards=4"];
/// An adaptive solve with estimated traces.
const ADAPTIVE: [&str; 6] = [
    "--set",
    "solver.train.method=dopri5",
    "--set",
    "solver.train.control={ kind = \"adaptive\", rtol = 1e-3, atol = 1e-3 }",
    "--set",
    "solver.train.trace=rademacher",
];
/// A discrete flow with parameters that the first batch sets.
const GLOW: [&str; 2] = [
    "--set",
    r#"model={ kind = "glow", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }"#,
];

/// What so many processes answer that run the same command, in their order.
fn together(place: &Place, processes: usize, arguments: &[&str]) -> Vec<Answer> {
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let (address, ranks) = (address.to_string(), processes.to_string());
    let children: Vec<_> = (0..processes)
        .map(|rank| {
            let mut command = place.command(arguments);
            command.args(["--meet", &address, "--ranks", &ranks, "--rank", &rank.to_string()]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    children
        .into_iter()
        .map(|child| Answer::new(&child.wait_with_output().unwrap()))
        .collect()
}

/// Runs in one process and in several, which leave the same bytes; the first one says everything.
fn same_bytes(arguments: &dyn Fn(&'static str) -> Vec<&'static str>) {
    let place = Place::new();
    place.succeed(&arguments("alone"));
    let answers = together(&place, 3, &arguments("together"));
    for (rank, answer) in answers.iter().enumerate() {
        assert_eq!(answer.code, Some(0), "process {rank}: {}", answer.stderr);
        assert_eq!(rank == 0, answer.stdout.contains("test N"), "{}", answer.stdout);
    }
    assert_eq!((answers[1].stdout.as_str(), answers[1].stderr.as_str()), ("", ""));
    let bytes = |run: &str| fs::read(place.path(run).join("model.safetensors")).unwrap();
    assert!(bytes("alone") == bytes("together"));
    let result = |run: &str| json(&place.path(run).join("result.json"));
    let (alone, together) = (result("alone"), result("together"));
    assert_eq!(alone["test"], together["test"]);
    let untimed = |result: &serde_json::Value| -> Vec<f64> {
        let curve = result["validation_curve"].as_array().unwrap();
        curve.iter().map(|point| point["nll"].as_f64().unwrap()).collect()
    };
    assert_eq!(untimed(&alone), untimed(&together));
    assert_eq!(
        (&alone["training"]["processes"], &together["training"]["processes"]),
        (&1.into(), &3.into())
    );
}

#[test]
fn several_processes_leave_the_bytes_of_one() {
    same_bytes(&|out| moons(out, &[&SHARDS[..], &ADAPTIVE].concat()));
}

#[test]
fn a_discrete_flow_is_set_by_its_first_shard_on_all_processes() {
    same_bytes(&|out| moons(out, &[&SHARDS[..], &GLOW].concat()));
}

#[test]
fn images_and_autoencoders_are_trained_and_evaluated_together() {
    same_bytes(&|out| images::digits(out, &["training.shards=4"], &[]));
    same_bytes(&|out| autoencoders::digits(out, &["training.shards=4"], &[]));
}

#[test]
fn rows_are_evaluated_together_and_those_without_a_likelihood_are_named() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    let rows: String = (0..25).map(|row| format!("{},{}\n", row as f64 * 0.1, 0.5)).collect();
    place.write("rows.csv", format!("{rows}inf,0.5\n0.2,0.1\n"));
    let arguments = |out| ["eval", "run", "--data", "rows.csv", "--batch", "4", "--out", out];
    let alone = place.run(&arguments("alone.csv"));
    let answers = together(&place, 3, &arguments("together.csv"));
    assert!(
        answers.iter().all(|answer| answer.code == Some(3)),
        "{}",
        answers[0].stderr
    );
    assert_eq!(answers[0].stdout.replace("together.csv", "alone.csv"), alone.stdout);
    assert_eq!((&answers[0].stderr, answers[1].stdout.as_str()), (&alone.stderr, ""));
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("alone.csv") == bytes("together.csv"));
}

#[test]
fn samples_are_drawn_together() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    // Two parts of 4,096 rows at most.
    let arguments = |out| ["sample", "run", "-n", "4100", "--out", out];
    let alone = place.run(&arguments("alone.csv"));
    let answers = together(&place, 2, &arguments("together.csv"));
    assert!(
        answers.iter().all(|answer| answer.code == Some(0)),
        "{}",
        answers[0].stderr
    );
    assert_eq!(answers[0].stdout.replace("together.csv", "alone.csv"), alone.stdout);
    assert_eq!(answers[1].stdout, "");
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("alone.csv") == bytes("together.csv"));
}

#[test]
fn settings_that_several_processes_cannot_share_are_refused() {
    let place = Place::new();
    let answers = together(&place, 2, &moons("run", &[]));
    assert!(answers.iter().all(|answer| answer.code == Some(1)));
    assert!(
        answers[0].stderr.contains("shards is 1 for 2 processes"),
        "{}",
        answers[0].stderr
    );

    let norm = ["--set", "model.batch_norm=true"];
    place.refuse(
        &moons("norm", &[&SHARDS[..], &norm].concat()),
        &["training.shards", "batch_norm"],
    );
    place.refuse(
        &moons("many", &["--set", "training.shards=32"]),
        &["training.shards", "16 rows"],
    );
    place.refuse(
        &moons("three", &["--set", "training.shards=3"]),
        &["training.shards", "power of two"],
    );
    place.refuse(&moons("nobody", &["--meet", "127.0.0.1:1"]), &["--rank", "mpirun"]);
    let few = ["--meet", "127.0.0.1:1", "--rank", "2", "--ranks", "2"];
    place.refuse(&moons("few", &few), &["no process 2 of 2"]);
}

#[test]
fn a_folder_that_holds_a_run_is_told_to_all_processes() {
    let place = Place::new();
    place.succeed(&moons("run", &SHARDS));
    let answers = together(&place, 2, &moons("run", &SHARDS));
    assert!(answers.iter().all(|answer| answer.code == Some(1)));
    assert!(
        answers[0].stderr.contains("holds a run already"),
        "{}",
        answers[0].stderr
    );
    // The first process has told of it.
    assert_eq!(answers[1].stderr, "");
}

/// One process of several is interrupted or killed in the middle of a run; another number of them goes on with it.
#[cfg(unix)]
fn end_one(signal: &str, code: i32) {
    use std::process::Command;
    use std::time::{Duration, Instant};

    let place = Place::new();
    let long = [
        "--set",
        "training.iterations=600",
        "--set",
        "training.validate_every=200",
    ];
    let long = [&long[..], &SHARDS, &["--set", "training.checkpoint_every=50"]].concat();
    place.succeed(&moons("whole", &long));

    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let mut children: Vec<_> = ["0", "1", "2"]
        .iter()
        .map(|rank| {
            let mut command = place.command(&moons("cut", &long));
            command.args(["--meet", &address, "--ranks", "3", "--rank", rank]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let (checkpoint, start) = (place.path("cut/checkpoint.json"), Instant::now());
    while !checkpoint.exists() {
        let ended = children.iter_mut().find_map(|child| child.try_wait().unwrap());
        assert!(
            ended.is_none() && start.elapsed() < Duration::from_secs(120),
            "{ended:?}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
    let sent = Command::new("kill")
        .args([signal, &children[1].id().to_string()])
        .status()
        .unwrap();
    assert!(sent.success());
    let mut answers: Vec<_> = children
        .into_iter()
        .map(|child| Answer::new(&child.wait_with_output().unwrap()))
        .collect();
    if signal == "-KILL" {
        answers.remove(1);
        assert!(
            answers[0].stderr.contains("process 1 of this run does not answer"),
            "{}",
            answers[0].stderr
        );
    }
    for answer in answers {
        assert_eq!(answer.code, Some(code), "{}", answer.stderr);
    }
    assert!(!place.path("cut/model.safetensors").exists());
    let resumed = together(&place, 2, &moons("cut", &[&long[..], &["--resume"]].concat()));
    assert!(
        resumed.iter().all(|answer| answer.code == Some(0)),
        "{}",
        resumed[0].stderr
    );
    let bytes = |name: &str| fs::read(place.path(name)).unwrap();
    assert!(bytes("cut/model.safetensors") == bytes("whole/model.safetensors"));
}

#[cfg(unix)]
#[test]
fn an_interrupt_of_one_process_stops_all_with_everything_saved() {
    end_one("-INT", 130);
}

#[cfg(unix)]
#[test]
fn a_process_that_is_killed_ends_all_with_the_last_checkpoint() {
    end_one("-KILL", 1);
}

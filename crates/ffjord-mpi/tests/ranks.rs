//! Runs under `mpirun` leave the bytes of one process, with any number of ranks and threads, and when resumed.
//!
//! `MPIRUN` names another `mpirun` than that on the path, for a build with another MPI.

use std::path::Path;
use std::process::Command;

const SETTINGS: &[&str] = &[
    "training.shards=8",
    "training.iterations=6",
    "training.batch=40",
    "training.validate_every=2",
    "training.schedule={ kind = \"constant\", rate = 1e-3 }",
    "training.checkpoint_every=2",
];
/// A continuous flow, a discrete one that its first shard sets, and one of images.
const RUNS: [(&str, &[&str]); 3] = [
    (
        "toy-moons-fast",
        &[
            "training.validation_rows=50",
            "evaluation.toy_rows=60",
            "evaluation.grid=10",
            "evaluation.frames=0",
        ],
    ),
    (
        "toy-moons-fast",
        &[
            r#"model={ kind = "glow", blocks = 2, hidden = [8], activation = "relu", precision = "f32" }"#,
            "training.validation_rows=50",
            "evaluation.toy_rows=60",
            "evaluation.grid=10",
            "evaluation.frames=0",
        ],
    ),
    (
        "digits-quick",
        &[
            "data.train_images=80",
            "data.test_images=12",
            "training.validation_rows=20",
            "evaluation.tighter_rows=0",
        ],
    ),
];

/// The weights that a run leaves in `out`, of so many ranks and threads a rank.
fn run(
    mpirun: &str,
    out: &Path,
    (preset, settings): (&str, &[&str]),
    ranks: usize,
    threads: usize,
    more: &[&str],
) -> Vec<u8> {
    let mut command = Command::new(mpirun);
    // More ranks than cores, and as root in a container: Open MPI wants to be told, MPICH does not look.
    command
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("OMPI_MCA_rmaps_base_oversubscribe", "1")
        .env("OMPI_MCA_hwloc_base_binding_policy", "none")
        .env("RAYON_NUM_THREADS", threads.to_string());
    command.args([
        "-n",
        &ranks.to_string(),
        env!("CARGO_BIN_EXE_ffjord-mpi"),
        "experiment",
        preset,
        "--out",
    ]);
    command.arg(out);
    command.args(SETTINGS.iter().chain(settings).flat_map(|setting| ["--set", setting]));
    let output = command.args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        said.matches("test NLL").count(),
        usize::from(!more.contains(&"--quiet")),
        "{said}"
    );
    std::fs::read(out.join("model.safetensors")).unwrap()
}

#[test]
fn ranks_and_threads_change_no_byte() {
    let mpirun = std::env::var("MPIRUN").unwrap_or("mpirun".to_string());
    if Command::new(&mpirun).arg("--version").output().is_err() {
        println!("skipped: there is no {mpirun}");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    for (index, preset) in RUNS.into_iter().enumerate() {
        let out = |name: String| place.path().join(format!("{index}-{name}"));
        let alone = run(&mpirun, &out("alone".to_string()), preset, 1, 1, &[]);
        for (ranks, threads) in [(1, 2), (2, 1), (2, 2), (3, 1), (3, 2), (4, 1), (4, 2)] {
            let weights = run(&mpirun, &out(format!("{ranks}x{threads}")), preset, ranks, threads, &[]);
            assert!(weights == alone, "{preset:?}: {ranks} ranks of {threads} threads");
        }
        // A run of three ranks goes on in two.
        let folder = out("resumed".to_string());
        run(&mpirun, &folder, preset, 3, 1, &["--set", "training.iterations=4"]);
        std::fs::remove_file(folder.join("model.safetensors")).unwrap();
        let resumed = run(
            &mpirun,
            &folder,
            preset,
            2,
            1,
            &["--set", "training.iterations=6", "--resume"],
        );
        assert!(resumed == alone, "{preset:?}: resumed");
    }
}

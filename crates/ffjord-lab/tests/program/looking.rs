//! `runs`, `report`, `watch` and `cite`: what is seen of run folders, without a change to them.

use crate::harness::{Place, csv, json, moons, table};
use std::fs;

/// A finished run, one without a result, one whose configuration is damaged.
fn three_runs() -> Place {
    let place = Place::new();
    place.succeed(&moons("runs/whole", &["--seed", "3"]));
    for cut in ["runs/cut", "runs/figure/damaged"] {
        fs::create_dir_all(place.path(cut)).unwrap();
        for file in ["config.json", "started.json", "data.json", "metrics.jsonl"] {
            fs::copy(place.path("runs/whole").join(file), place.path(cut).join(file)).unwrap();
        }
    }
    let metrics = fs::read_to_string(place.path("runs/cut/metrics.jsonl")).unwrap();
    let end = metrics.match_indices('\n').nth(2).unwrap().0;
    // Three whole lines, the second iteration's validation last, and a part of the fourth.
    place.write("runs/cut/metrics.jsonl", &metrics[..end + 30]);
    place.write("runs/figure/damaged/config.json", "{");
    place
}

#[test]
fn runs_are_listed_whatever_state_they_are_in() {
    let place = three_runs();
    let said = place.succeed(&["runs"]);
    let line = |name: &str| said.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    let whole = line("runs/whole");
    for word in ["toy-moons", "cnf", "moons", "finished", "4/4", "±", "nats"] {
        assert!(whole.contains(word), "{word}: {whole}");
    }
    let cut = line("runs/cut");
    assert!(
        cut.contains("interrupted") && cut.contains("2/4") && !cut.contains("nats"),
        "{cut}"
    );
    // The commit is known before there is a result.
    let commit = json(&place.path("runs/whole/result.json"))["provenance"]["commit"].clone();
    if let Some(commit) = commit.as_str() {
        assert!(cut.contains(commit), "{cut}");
    }
    let damaged = line("runs/figure/damaged");
    assert!(
        damaged.contains("cannot be read") && damaged.contains("config.json"),
        "{damaged}"
    );

    let list = place.succeed(&["runs", "runs/whole", "runs/figure", "--csv"]);
    let mut reader = ::csv::Reader::from_reader(list.as_bytes());
    let headers = reader.headers().unwrap().clone();
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let field = |row: usize, name: &str| {
        let column = headers.iter().position(|header| header == name).unwrap();
        rows[row][column].to_string()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (field(0, "state"), field(0, "unit")),
        ("finished".into(), "nats".into())
    );
    let nll = json(&place.path("runs/whole/result.json"))["test"]["likelihood"]["nll"].clone();
    assert_eq!(field(0, "value").parse::<f64>().ok(), nll.as_f64());
    assert_eq!(field(1, "state"), "unreadable");
    assert!(field(1, "problem").contains("config.json"));

    place.refuse(&["runs", "nowhere"], &["nowhere"]);
    let said = Place::new().succeed(&["runs"]);
    assert!(said.contains("no run folders"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_run_at_work_is_running() {
    let place = Place::new();
    place.succeed(&moons("run", &[]));
    let lock = fs::File::options()
        .read(true)
        .write(true)
        .open(place.path("run/run.lock"))
        .unwrap();
    lock.lock().unwrap();
    place.write(
        "run/run.lock",
        r#"{"process":7,"host":"there","since":"2026-01-01T00:00:00Z"}"#,
    );
    let said = place.succeed(&["runs", "run"]);
    assert!(said.contains("running") && !said.contains("finished"), "{said}");
    drop(lock);
    let said = place.succeed(&["runs", "run"]);
    assert!(said.contains("finished"), "{said}");
}

/// A page that holds all that it shows.
fn page(place: &Place, name: &str) -> String {
    let page = fs::read_to_string(place.path(name)).unwrap();
    assert!(
        page.starts_with("<!DOCTYPE html>") && page.contains("name=\"viewport\""),
        "{name}"
    );
    for outside in ["<script", "src=\"http", "<link", "@import", "src=\"plots"] {
        assert!(!page.contains(outside), "{outside} in {name}");
    }
    page
}

#[test]
fn a_run_has_a_page_whatever_state_it_is_in() {
    let place = three_runs();
    place.succeed(&["check", "runs/whole"]);
    let said = place.succeed(&["report", "runs/whole"]);
    assert!(said.contains("report.html"), "{said}");
    let whole = page(&place, "runs/whole/report.html");
    let nll = json(&place.path("runs/whole/result.json"))["test"]["likelihood"]["nll"].clone();
    for part in [
        format!("{:.4} ± ", nll.as_f64().unwrap()).as_str(),
        "cargo xtask experiment toy-moons --seed 3",
        "training.iterations=4",
        "energy distance",
        "data:image/png;base64,",
        "trajectories",
        "solver.train.method",
        "grathwohl2019ffjord",
    ] {
        assert!(whole.contains(part), "{part}");
    }
    // Curves by iterations and by seconds, the norm, the check's picture and three pictures of the density.
    assert!(whole.matches("<img").count() >= 9, "{}", whole.matches("<img").count());

    place.succeed(&["report", "runs/cut", "--out", "pages/cut.html"]);
    let cut = page(&place, "pages/cut.html");
    for part in ["interrupted", "2 of 4", "There is no result yet", "cargo xtask check"] {
        assert!(cut.contains(part), "{part}");
    }
    place.refuse(&["report", "runs/figure/damaged"], &["config.json"]);
    place.refuse(&["report", "nowhere"], &["nowhere", "no run folder"]);

    place.succeed(&["report", "runs/whole", "runs/cut"]);
    let both = page(&place, "comparison.html");
    assert!(both.contains("All runs have one configuration") && both.contains("2 runs side by side"));
    place.succeed(&["report", "--results", "runs"]);
    let all = page(&place, "runs/report.html");
    assert!(all.contains("damaged") && all.contains("interrupted") && all.contains("whole: density"));
}

#[test]
fn names_are_never_markup() {
    let place = Place::new();
    place.write("<b>&.csv", csv(200));
    let settings = ["--set", "data.path=<b>&.csv", "--set", "evaluation.samples=0"];
    place.succeed(&table("<i>run", &settings));
    place.succeed(&["report", "<i>run", "--out", "page.html"]);
    let page = page(&place, "page.html");
    assert!(page.contains("&lt;b&gt;&amp;.csv") && page.contains("&lt;i&gt;run"));
    assert!(!page.contains("<b>&amp;.csv") && !page.contains("<i>"));
}

#[test]
fn the_page_of_the_project_has_the_papers_tables() {
    let place = Place::new();
    place.succeed(&["report"]);
    let page = page(&place, "report.html");
    for part in ["Table 2", "Table 3", "BSDS300", "OMNIGLOT", "power-quick", "figure8"] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_run_is_watched_by_one_picture_of_text() {
    let place = three_runs();
    let said = place.succeed(&["watch", "runs/cut", "--once"]);
    for part in [
        "toy-moons, seed 3",
        "interrupted",
        "2 of 4 iterations",
        "evaluations",
        "gradient norm",
        "NLL",
        "best so far",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = place.succeed(&["watch", "runs/whole", "--once"]);
    assert!(said.contains("finished: test NLL") && said.contains("100%"), "{said}");
    // A run that has just begun.
    fs::remove_file(place.path("runs/cut/metrics.jsonl")).unwrap();
    let said = place.succeed(&["watch", "runs/cut", "--once"]);
    assert!(said.contains("nothing yet") && said.contains("0 of 4"), "{said}");
    place.refuse(&["watch", "runs/whole"], &["no terminal", "--once"]);
    place.refuse(&["watch", "nowhere", "--once"], &["nowhere"]);
}

#[test]
fn a_run_is_cited_by_what_it_used() {
    let place = three_runs();
    let said = place.succeed(&["cite", "runs/cut"]);
    for part in [
        "% ",
        "@inproceedings{grathwohl2019ffjord,",
        "kingma2015adam",
        "model=cnf",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // It takes one step of the classical method, and learns from a toy density.
    for part in ["dormand1980", "lipman2023", "hebrail2012"] {
        assert!(!said.contains(part), "{part}: {said}");
    }
    place.refuse(&["cite", "nowhere"], &["nowhere"]);
}

#[test]
fn steps_are_run_once_and_one_that_fails_stops_no_other() {
    let place = Place::new();
    let moons = moons("{out}/moons", &["--resume"]);
    let step = |name: &str, arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|argument| format!("{argument:?}")).collect();
        format!(
            "[[steps]]\nname = \"{name}\"\nabout = \"{name}\"\narguments = [{}]\n",
            arguments.join(", ")
        )
    };
    let list = |table: &str| {
        let steps = [
            step("none", &["cite", "{out}/none"]),
            step("moons", &moons),
            step("table", &["table", "2", "--results", table, "--out", "{out}"]),
        ];
        place.write("steps.toml", steps.concat());
    };
    list("{out}");
    let run = |place: &Place| place.run(&["reproduce", "--steps", "steps.toml", "--out", "all"]);
    let first = run(&place);
    assert_eq!(first.code, Some(1), "{}", first.stdout);
    assert!(
        first.stdout.contains("failed: none") && first.stderr.contains("no run folder"),
        "{}",
        first.stdout
    );
    let report = page(&place, "all/report.html");
    for part in ["What was run", "failed with exit code 1", "Table 2", "moons: density"] {
        assert!(report.contains(part), "{part}");
    }
    page(&place, "all/moons/report.html");
    // What is done is left alone, what failed is tried again.
    fs::create_dir(place.path("all/none")).unwrap();
    fs::copy(place.path("all/moons/config.json"), place.path("all/none/config.json")).unwrap();
    let before = fs::metadata(place.path("all/moons/result.json"))
        .unwrap()
        .modified()
        .unwrap();
    let second = run(&place);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    assert_eq!(second.stdout.matches("done before").count(), 2, "{}", second.stdout);
    assert_eq!(
        fs::metadata(place.path("all/moons/result.json"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
    let said = place.succeed(&["reproduce", "--steps", "steps.toml", "--out", "all", "--list"]);
    assert_eq!(said.matches("done").count(), 3, "{said}");
    // Another command under the same name is another step.
    list("all/moons");
    let said = place.succeed(&["reproduce", "--steps", "steps.toml", "--out", "all", "--list"]);
    assert_eq!(said.matches("done").count(), 2, "{said}");
    place.write("all/reproduce.json", "{");
    place.refuse(
        &["reproduce", "--steps", "steps.toml", "--out", "all"],
        &["reproduce.json", "Remove it"],
    );
    assert_eq!(place.run(&["reproduce"]).code, Some(2));
}

#[test]
fn event_files_for_tensorboard_are_written_and_gone_on_with() {
    let place = Place::new();
    place.succeed(&moons("run", &["--tensorboard"]));
    let files = || fs::read_dir(place.path("run/tensorboard")).unwrap().count();
    assert_eq!(files(), 1);
    // Two more iterations, without asking for it again.
    place.succeed(&moons("run", &["--resume", "--set", "training.iterations=6"]));
    assert_eq!(files(), 2);
    let bytes: Vec<u8> = fs::read_dir(place.path("run/tensorboard"))
        .unwrap()
        .flat_map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect();
    let count = |tag: &[u8]| bytes.windows(tag.len()).filter(|window| *window == tag).count();
    assert_eq!((count(b"train/loss"), count(b"validation/nll")), (6, 3));
}

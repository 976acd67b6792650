//! Variational autoencoders: runs, their evaluation and samples, and settings that they do not have.

use crate::harness::{Place, json};

/// A run of the digits of a second, with `settings` besides.
pub fn digits<'a>(out: &'a str, settings: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    let tiny = [
        "data.train_images=40",
        "data.test_images=12",
        "model.hidden=[4]",
        "vae.latent=2",
        "vae.widths=[8]",
        "vae.warm_up_epochs=1",
        "vae.importance={ samples = 6, at_a_time = 4, images = 5 }",
        "solver.train.control={ kind = \"fixed\", steps = 1 }",
        "solver.test.control={ kind = \"adaptive\", rtol = 1e-2, atol = 1e-2 }",
        "training.schedule={ kind = \"constant\", rate = 1e-3 }",
        "training.iterations=4",
        "training.batch=16",
        "training.validate_every=2",
        "training.validation_rows=10",
        "training.checkpoint_every=2",
        "evaluation.samples=20",
    ];
    let mut arguments = vec!["experiment", "vae-digits-quick", "--out", out];
    let all = tiny.into_iter().chain(settings.iter().copied());
    arguments.extend(all.flat_map(|setting| ["--set", setting]));
    arguments.extend(more);
    arguments
}

#[test]
fn digits_are_trained_resumed_evaluated_and_sampled() {
    let place = Place::new();
    let said = place.succeed(&digits("run", &[], &[]));
    assert!(
        said.contains("test negative ELBO") && said.contains("of 2 latent dimensions"),
        "{said}"
    );
    let result = json(&place.path("run/result.json"));
    let bound = &result["test"]["bound"];
    let number = |name: &str| bound[name].as_f64().unwrap();
    assert!((number("negative_elbo") - number("reconstruction") - number("divergence")).abs() < 1e-4);
    assert_eq!(
        (
            bound["images"].as_u64(),
            result["test"]["importance"]["images"].as_u64()
        ),
        (Some(12), Some(5))
    );
    assert_eq!(result["split"]["published"], true);
    for picture in ["training", "samples", "reconstructions", "traversals", "interpolations"] {
        let bytes = std::fs::read(place.path(&format!("run/plots/{picture}.png"))).unwrap();
        assert!(bytes.starts_with(b"\x89PNG"), "{picture}");
    }

    // Two halves come to the bits of the whole.
    place.succeed(&digits("halves", &["training.iterations=2"], &[]));
    std::fs::remove_file(place.path("halves/model.safetensors")).unwrap();
    place.succeed(&digits("halves", &[], &["--resume"]));
    let weights = |run: &str| std::fs::read(place.path(&format!("{run}/model.safetensors"))).unwrap();
    assert!(weights("run") == weights("halves"));

    // Estimates that are there are taken; those that are missing come to the same.
    let estimates = place.path("run/importance.jsonl");
    let whole = std::fs::read_to_string(&estimates).unwrap();
    let part: String = whole.lines().take(3).map(|line| format!("{line}\n")).collect();
    std::fs::write(&estimates, part).unwrap();
    let again = place.succeed(&["eval", "run"]);
    assert_eq!(std::fs::read_to_string(&estimates).unwrap(), whole);
    assert!(said.contains(again.lines().next().unwrap()), "{again}");

    place.succeed(&["sample", "run", "-n", "3", "--out", "drawn.npy"]);
    let said = place.succeed(&["eval", "run", "--data", "drawn.npy", "--out", "values.csv"]);
    assert!(said.contains("(3 images)"), "{said}");
    let values = std::fs::read_to_string(place.path("values.csv")).unwrap();
    assert!(
        values.starts_with("elbo,log_likelihood,") && values.lines().count() == 4,
        "{values}"
    );
    place.write("narrow.csv", "1,2\n3,4\n");
    place.refuse(
        &["eval", "run", "--data", "narrow.csv"],
        &["2 columns", "trained on 64"],
    );
    place.succeed(&["plot", "run"]);
    place.refuse(&["gradcheck", "run"], &["variational autoencoder", "`eval`"]);
}

#[test]
fn every_posterior_and_likelihood_runs() {
    let place = Place::new();
    for (name, settings) in [
        (
            "gaussian",
            vec![
                "vae.posterior=gaussian",
                "vae.samples=3",
                "vae.warm_up_epochs=0",
                "vae.gradient=doubly-reparametrised",
            ],
        ),
        ("planar", vec!["vae.posterior=planar", "vae.free_nats=0.1"]),
        ("iaf", vec!["vae.posterior=iaf"]),
        ("sylvester", vec!["vae.posterior=sylvester-orthogonal", "vae.columns=1"]),
        (
            "householder",
            vec!["vae.posterior=sylvester-householder", "vae.reflections=1"],
        ),
        (
            "triangular",
            vec!["vae.posterior=sylvester-triangular", "vae.samples=2"],
        ),
        ("cnf", vec!["vae.posterior=cnf"]),
        ("bias", vec!["vae.posterior=cnf-bias"]),
        ("low-rank", vec!["vae.posterior=cnf-low-rank", "vae.rank=1"]),
        ("last", vec!["vae.posterior=cnf-last-layer", "model.layer=concat"]),
        ("all", vec!["vae.posterior=cnf-all-layers", "model.layer=concat"]),
    ] {
        let settings: Vec<&str> = settings.into_iter().chain(["evaluation.samples=0"]).collect();
        place.succeed(&digits(name, &settings, &[]));
        assert!(json(&place.path(&format!("{name}/result.json")))["test"]["bound"]["negative_elbo"].is_f64());
    }
    // Weights of one run begin another, and those of another architecture do not.
    place.succeed(&digits(
        "more",
        &["vae.posterior=gaussian", "evaluation.samples=0"],
        &["--from", "gaussian"],
    ));
    place.refuse(
        &digits(
            "other",
            &["vae.posterior=gaussian", "vae.latent=3"],
            &["--from", "gaussian"],
        ),
        &["q_z_mean"],
    );
}

#[test]
fn settings_that_do_not_fit_autoencoders_are_named() {
    let place = Place::new();
    for (setting, words) in [
        ("vae.latent=0", ["vae.latent", "from 1"]),
        ("vae.posterior=glow", ["vae.posterior", "`planar`"]),
        ("vae.widths=[]", ["vae.widths", "hidden layers"]),
        ("vae.beta=-1.0", ["vae.beta", "not negative"]),
        (
            "vae.gradient=doubly-reparametrised",
            ["vae.gradient", "vae.posterior=gaussian"],
        ),
        ("vae.likelihood=categorical", ["17 levels", "bernoulli"]),
        ("objective=maximum-likelihood", ["objective", "elbo"]),
        ("data={ kind = \"toy\", name = \"moons\" }", ["data.kind", "images"]),
        ("model.kind=cnf", ["model", "missing field"]),
        ("model.batch_norm=true", ["model.batch_norm", "`cnf`"]),
    ] {
        place.refuse(&digits("run", &[setting], &[]), &words);
    }
    place.refuse(
        &["experiment", "toy-moons", "--set", "objective=elbo", "--out", "run"],
        &["objective", "`vae`"],
    );
    place.refuse(
        &["experiment", "vae-caltech", "--set", "data.path=absent"],
        &["data fetch caltech101-silhouettes"],
    );
}

#[test]
fn table_3_and_figure_5_are_made_of_runs() {
    let place = Place::new();
    for latent in [16, 32, 48, 64] {
        let settings = [format!("vae.latent={latent}"), "evaluation.samples=0".to_string()];
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        place.succeed(&digits(&format!("figure/latent{latent}"), &settings, &[]));
    }
    // What is trained already is only drawn.
    let said = place.succeed(&["figure", "5", "--quick", "--out", "figure"]);
    assert!(said.contains("64 latent dimensions: NFE 7.0 at first"), "{said}");
    let report = json(&place.path("figure/figure5.json"));
    assert_eq!(report["runs"].as_array().map(Vec::len), Some(4));
    assert_eq!(report["runs"][1]["iterations"], 4);
    assert!(place.path("figure/figure5.png").is_file() && place.path("figure/figure5.md").is_file());

    let mut result = json(&place.path("figure/latent16/result.json"));
    result["preset"] = "vae-caltech-planar".into();
    place.write("figure/one.json", result.to_string());
    let table = ["table", "3", "--results", "figure", "--out", "tables"];
    let said = place.succeed(&table);
    assert!(
        said.contains("## FREY (bits per dimension)") && said.contains("4.39 ± 0.01 | not run"),
        "{said}"
    );
    let row = place.succeed(&[
        "table",
        "3",
        "--results",
        "figure",
        "--row",
        "planar",
        "--column",
        "caltech",
    ]);
    assert!(
        row.contains("109.66 ± 0.42") && row.contains("`vae-caltech-planar`") && !row.contains("FREY"),
        "{row}"
    );
    let cells = json(&place.path("tables/table3.json"))["cells"].clone();
    let run = cells
        .as_array()
        .unwrap()
        .iter()
        .filter(|cell| cell["ours"][0].is_object());
    assert_eq!((cells.as_array().unwrap().len(), run.count()), (20, 1));
    place.refuse(&["table", "3", "--row", "maf"], &["`maf`", "sylvester, ffjord"]);
    place.refuse(&["table", "4"], &["accepted are 2", "3"]);
}

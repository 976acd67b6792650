//! Every value that a configuration can have is cited, or needs no reference; and nothing else stands in the table.

use super::{Table, references};
use crate::error::Result;
use ffjord_data::{Benchmark, ImageSet};
use ffjord_flow::PathIntegral;
use ffjord_nn::{ActivationKind, LayerKind};
use ffjord_ode::Method;
use ffjord_run::config::{
    AdjointKind, BoundGradient, ImageField, LikelihoodKind, ModelKind, ObjectiveConfig, PosteriorKind, Preset,
    StartMap, VaeNetworks, resolve,
};
use ffjord_trace::ProbeDistribution;
use ffjord_train::{OptimizerKind, ScheduleConfig};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};

/// The names that a type has in configurations, as its own error lists them: a variant that is added later is among them.
fn names<T: DeserializeOwned>(wrong: &serde_json::Value) -> Vec<String> {
    let error = serde_json::from_value::<T>(wrong.clone())
        .err()
        .map(|error| error.to_string());
    let error = error.unwrap_or_default();
    let (_, list) = error.split_once("expected ").unwrap_or_default();
    let names: Vec<String> = list.split('`').skip(1).step_by(2).map(String::from).collect();
    assert!(!names.is_empty(), "{error}");
    names
}

fn all<T: std::fmt::Display>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// All uses that there can be.
fn known() -> BTreeSet<String> {
    let (word, table) = (serde_json::json!("?"), serde_json::json!({ "kind": "?" }));
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let of_data = ["toy", "image", "table", "folder"].map(String::from).to_vec();
    let keys: [(&str, Vec<String>); 19] = [
        ("data", of_data),
        ("data", all(Benchmark::ALL.map(Benchmark::name))),
        ("data", all(ImageSet::ALL.map(ImageSet::name))),
        ("model", names::<ModelKind>(&word)),
        ("model.start", names::<StartMap>(&word)),
        ("model.activation", all(ActivationKind::ALL)),
        ("model.layer", all(LayerKind::ALL)),
        ("model.image.field", names::<ImageField>(&word)),
        ("model.image.dequantization", words(&["uniform", "variational"])),
        ("vae.posterior", names::<PosteriorKind>(&word)),
        ("vae.networks", names::<VaeNetworks>(&word)),
        ("vae.likelihood", names::<LikelihoodKind>(&word)),
        ("vae.gradient", names::<BoundGradient>(&word)),
        ("objective", names::<ObjectiveConfig>(&word)),
        ("training.optimizer", all(OptimizerKind::ALL)),
        ("training.schedule", names::<ScheduleConfig>(&table)),
        ("regularisation", all(PathIntegral::ALL)),
        ("solver", all(Method::ALL)),
        (
            "trace",
            [all(ProbeDistribution::ALL), words(&["exact", "bottleneck"])].concat(),
        ),
    ];
    let mut known: BTreeSet<String> = keys
        .iter()
        .flat_map(|(key, values)| values.iter().map(move |value| format!("{key}={value}")))
        .collect();
    let adjoints = [names::<AdjointKind>(&word), words(&["semi-norm"])].concat();
    known.extend(adjoints.iter().map(|value| format!("adjoint={value}")));
    let flags = [
        "model.start.noise",
        "model.batch_norm",
        "model.image.multiscale",
        "model.image.logit",
        "vae.samples",
        "vae.importance",
        "vae.warm_up_epochs",
        "vae.beta",
        "vae.free_nats",
        "training.average",
        "training.spectral_norm",
        "training.clip_norm",
        "training.end_time_spread",
    ];
    known.extend(flags.map(String::from));
    known
}

#[test]
fn every_value_is_cited_or_needs_no_reference() -> Result<()> {
    let table = Table::read()?;
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for value in table.works.iter().flat_map(|work| &work.of) {
        counts.entry(value).or_default().0 += 1;
    }
    for value in &table.none {
        counts.entry(value).or_default().1 += 1;
    }
    let known = known();
    for value in &known {
        let (cited, none) = counts.remove(value.as_str()).unwrap_or_default();
        assert!(
            (cited > 0) != (none > 0) && none < 2,
            "{value}: {cited} works, {none} times `none`"
        );
    }
    assert!(counts.is_empty(), "no configuration has {counts:?}");
    Ok(())
}

#[test]
fn what_presets_use_is_known() -> Result<()> {
    let known = known();
    for preset in Preset::listed()? {
        let settings = match preset.name() {
            "table" | "toy-image" => vec!["data.path=file.csv".to_string()],
            _ => Vec::new(),
        };
        let uses = super::uses::uses(&resolve(&preset, &settings, None)?);
        let unknown: Vec<_> = uses.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", preset.name());
    }
    Ok(())
}

#[test]
fn entries_are_bibtex_with_keys_of_their_own() -> Result<()> {
    let mut keys = BTreeSet::new();
    for work in Table::read()?.works {
        let entry = work.bibtex.trim();
        let head = entry.strip_prefix('@').and_then(|entry| entry.split_once('{'));
        let key = head
            .and_then(|(_, rest)| rest.split_once(','))
            .map(|(key, _)| key.to_string());
        assert!(
            entry.ends_with("\n}") && key.clone().is_some_and(|key| keys.insert(key)),
            "{entry}"
        );
        let depth = entry.chars().try_fold(0i32, |depth, character| match character {
            '{' => Some(depth + 1),
            '}' => (depth > 0).then_some(depth - 1),
            _ => Some(depth),
        });
        assert_eq!(depth, Some(0), "{entry}");
        for field in ["author = {", "title = {", "year = {"] {
            assert!(entry.contains(field), "{entry}");
        }
    }
    Ok(())
}

#[test]
fn a_run_cites_what_it_used_and_nothing_else() -> Result<()> {
    let cited = |preset: &str, settings: &[&str]| -> Result<String> {
        let settings: Vec<String> = settings.iter().copied().map(String::from).collect();
        let all = references(&resolve(&Preset::find(preset)?, &settings, None)?)?;
        Ok(all.iter().map(|reference| reference.bibtex.clone() + "\n").collect())
    };
    let check = |text: &str, with: &[&str], without: &[&str]| {
        with.iter()
            .for_each(|key| assert!(text.contains(key), "{key} in {text}"));
        without
            .iter()
            .for_each(|key| assert!(!text.contains(key), "{key} in {text}"));
    };
    check(
        &cited("power-quick", &[])?,
        &[
            "grathwohl2019",
            "chen2018",
            "finlay2020",
            "dormand1980",
            "hebrail2012",
            "papamakarios2017",
            "kingma2015adam",
        ],
        &["lipman2023", "kingma2018glow", "kidger2021", "mnist", "germain2015"],
    );
    check(
        &cited("power-glow", &[])?,
        &["kingma2018glow", "hebrail2012"],
        &["grathwohl2019", "chen2018", "dormand1980", "hutchinson1989"],
    );
    check(
        &cited("power-flow-matching", &["solver.adjoint=backsolve"])?,
        &["lipman2023", "grathwohl2019"],
        // Flow matching solves nothing in training.
        &["kidger2021", "finlay2020", "hutchinson1989"],
    );
    check(
        &cited(
            "toy-moons",
            &["solver.adjoint=backsolve", "solver.train.trace=rademacher"],
        )?,
        &["hutchinson1989", "kidger2021hey"],
        &["papamakarios2017", "hebrail2012"],
    );
    check(
        &cited("vae-mnist-iaf", &[])?,
        &["kingma2014auto", "kingma2016improved", "germain2015", "lecun1998"],
        &["grathwohl2019", "dormand1980", "theis2016"],
    );
    Ok(())
}

//! The presets: a dataset, by itself or with a variant, both readable files that come with the program.
//!
//! `DATASET` is the file `presets/datasets/DATASET.toml`, for images `presets/images/DATASET.toml`, and for variational
//! autoencoders `presets/vae/DATASET.toml`, whose variants are in `presets/vae-variants/`; `VARIANT-fast` there lays
//! `vae-variants/fast.toml` over `DATASET-VARIANT`. `DATASET-VARIANT` lays `presets/variants/VARIANT.toml` over it,
//! and last the dataset's own table `with.VARIANT`, for what only this pair needs; images have no variants but such tables. A file's or a table's values lie over
//! those of the files that it `extends`; a variant that builds `onto` another lies over the dataset with that one.
//! `{title}`, `{note}` and `{width}` in a description are the dataset's title, the pair's note and the width of the hidden
//! layers.

use super::resolve::overlay;
use crate::error::{Result, RunError};
use serde_json::{Map, Value};

/// Every file under `presets/`, by its path there without the extension.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/presets.rs"));

/// What a file may say besides a configuration: what composition itself reads.
const OWN_KEYS: [&str; 5] = ["title", "note", "listed", "with", "onto"];

/// A named configuration.
///
/// ```
/// use ffjord_run::config::{Preset, resolve};
///
/// let config = resolve(&Preset::find("toy-moons-maf")?, &["training.iterations=500".to_string()], None)?;
/// assert_eq!(config.training.options.iterations, 500);
/// # Ok::<(), ffjord_run::RunError>(())
/// ```
///
/// Its name, and what it is for:
///
/// ```
/// use ffjord_run::config::Preset;
/// let preset = Preset::find("toy-moons-maf")?;
/// assert_eq!(preset.name(), "toy-moons-maf");
/// assert!(preset.description()?.contains("the moons density"));
/// assert_eq!(preset.value()?["data"]["name"], "moons");
/// assert!(Preset::listed()?.iter().any(|listed| listed.name() == "toy-moons"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    name: String,
    dataset: &'static str,
    variant: Option<String>,
}

impl Preset {
    /// The preset of this name.
    ///
    /// # Errors
    /// [`RunError::UnknownPreset`] lists the names.
    pub fn find(name: &str) -> Result<Self> {
        // One dataset's name may begin with another's.
        let candidates = datasets().filter_map(|dataset| Some((dataset, name.strip_prefix(dataset)?)));
        for (dataset, rest) in candidates {
            let variant = match rest.strip_prefix('-') {
                None if rest.is_empty() => None,
                Some(variant) if has_variant(dataset, variant)? => Some(variant.to_string()),
                _ => continue,
            };
            return Ok(Self {
                name: name.to_string(),
                dataset,
                variant,
            });
        }
        let listed: Vec<String> = Self::listed()?.into_iter().map(|preset| preset.name).collect();
        Err(RunError::UnknownPreset {
            given: name.to_string(),
            accepted: listed.join(", "),
            variants: in_folder("variants").collect::<Vec<_>>().join(", "),
        })
    }

    /// The datasets, and the variants that they say they are tried with, in the order of their names.
    ///
    /// # Errors
    /// When a file is not TOML.
    pub fn listed() -> Result<Vec<Self>> {
        let mut presets = Vec::new();
        for dataset in datasets() {
            presets.push(Self {
                name: dataset.to_string(),
                dataset,
                variant: None,
            });
            for variant in strings(layers(&file_of(dataset))?.get("listed")) {
                presets.push(Self {
                    name: format!("{dataset}-{variant}"),
                    dataset,
                    variant: Some(variant),
                });
            }
        }
        presets.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(presets)
    }

    /// Its name on the command line.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The values of all its files, laid over each other.
    ///
    /// # Errors
    /// When a file is not TOML, or builds on an unknown one.
    pub fn value(&self) -> Result<Value> {
        let mut value = composed(self.dataset, self.variant.as_deref())?;
        let description = described(&value);
        if let Some(map) = value.as_object_mut() {
            OWN_KEYS.iter().for_each(|key| drop(map.shift_remove(*key)));
            map.insert("description".to_string(), description.into());
        }
        Ok(value)
    }

    /// The preset's one-sentence description.
    ///
    /// # Errors
    /// As [`Preset::value`].
    pub fn description(&self) -> Result<String> {
        Ok(described(&composed(self.dataset, self.variant.as_deref())?))
    }
}

/// The names of a folder's files.
fn in_folder(folder: &'static str) -> impl Iterator<Item = &'static str> {
    FILES
        .iter()
        .filter_map(move |(name, _)| name.strip_prefix(folder)?.strip_prefix('/'))
}

/// The datasets of all kinds.
fn datasets() -> impl Iterator<Item = &'static str> {
    in_folder("datasets").chain(in_folder("images")).chain(in_folder("vae"))
}

/// Whether a dataset is one of variational autoencoders.
fn has_vae(dataset: &str) -> bool {
    in_folder("vae").any(|name| name == dataset)
}

/// Whether a dataset is one of images.
fn has_images(dataset: &str) -> bool {
    in_folder("images").any(|name| name == dataset)
}

/// A dataset's file.
fn file_of(dataset: &str) -> String {
    let folder = match (has_images(dataset), has_vae(dataset)) {
        (true, _) => "images",
        (_, true) => "vae",
        _ => "datasets",
    };
    format!("{folder}/{dataset}")
}

/// Whether a dataset can be had with a variant.
fn has_variant(dataset: &str, variant: &str) -> Result<bool> {
    if has_vae(dataset) {
        // One that is complete by itself has no variants.
        let listed = strings(layers(&file_of(dataset))?.get("listed"));
        return Ok(listed.iter().any(|listed| listed == variant));
    }
    Ok(
        (!has_images(dataset) && in_folder("variants").any(|name| name == variant))
            || layers(&file_of(dataset))?["with"].get(variant).is_some(),
    )
}

/// The values of a dataset with a variant, and what composition itself reads.
fn composed(dataset: &str, variant: Option<&str>) -> Result<Value> {
    let Some(variant) = variant else {
        return layers(&file_of(dataset));
    };
    if let Some(slow) = variant.strip_suffix("-fast").filter(|_| has_vae(dataset)) {
        let value = composed(dataset, Some(slow))?;
        return with_variant(value, dataset, "fast");
    }
    with_variant(layers(&file_of(dataset))?, dataset, variant)
}

/// Values of a dataset with those of a variant over them.
fn with_variant(mut value: Value, dataset: &str, variant: &str) -> Result<Value> {
    let folder = if has_vae(dataset) { "vae-variants" } else { "variants" };
    let file = format!("{folder}/{variant}");
    let own = value["with"].get(variant).cloned();
    let over = match (FILES.iter().any(|(name, _)| *name == file), &own) {
        (true, _) => layers(&file)?,
        (false, Some(_)) => empty(),
        (false, None) => return Err(invalid(dataset, format!("it has no variant `{variant}`"))),
    };
    if let Some(onto) = over.get("onto").and_then(Value::as_str) {
        value = composed(dataset, Some(onto))?;
    }
    overlay(&mut value, over);
    if let Some(own) = own {
        overlay(&mut value, extended(own)?);
    }
    Ok(value)
}

/// A file's values over those of the files that it extends.
fn layers(name: &str) -> Result<Value> {
    let file = FILES.iter().find(|(file, _)| *file == name);
    let (_, text) = file.ok_or_else(|| invalid(name, "there is no such file".to_string()))?;
    let table: toml::Table = toml::from_str(text).map_err(|error| invalid(name, error.to_string()))?;
    extended(serde_json::to_value(table)?)
}

/// Values over those of the files that they extend, in their order.
fn extended(mut own: Value) -> Result<Value> {
    let extends = own.as_object_mut().and_then(|map| map.shift_remove("extends"));
    let mut value = empty();
    for name in strings(extends.as_ref()) {
        overlay(&mut value, layers(&name)?);
    }
    overlay(&mut value, own);
    Ok(value)
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn strings(list: Option<&Value>) -> Vec<String> {
    let values = list.and_then(Value::as_array).into_iter().flatten();
    values.filter_map(Value::as_str).map(String::from).collect()
}

/// The description with its placeholders filled in.
fn described(value: &Value) -> String {
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    text("description")
        .replace("{title}", text("title"))
        .replace("{note}", text("note"))
        .replace("{width}", &value["model"]["hidden"][0].to_string())
}

fn invalid(name: &str, reason: String) -> RunError {
    RunError::Config {
        origin: format!("preset {name}"),
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ModelKind, resolve};
    use sha2::{Digest, Sha256};

    /// Names and what their files come to, so that no change of one file changes a preset unseen: the first 16 digits of the
    /// SHA-256 of the values as JSON with sorted keys.
    const SNAPSHOT: &str = include_str!("preset_snapshot.txt");

    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                Value::Object(entries.into_iter().collect())
            }
            Value::Array(values) => Value::Array(values.iter().map(sorted).collect()),
            other => other.clone(),
        }
    }

    fn digest(value: &Value) -> String {
        let hash = Sha256::digest(sorted(value).to_string());
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A preset that is meant to change changes its line: the message has the whole file as it would be.
    #[test]
    fn every_name_means_what_the_snapshot_says() -> Result<()> {
        let names = SNAPSHOT.lines().filter_map(|line| line.split(' ').next());
        let lines = names.map(|name| Ok(format!("{name} {}\n", digest(&Preset::find(name)?.value()?))));
        let present = lines.collect::<Result<String>>()?;
        assert!(present == SNAPSHOT, "the presets come to\n{present}");
        Ok(())
    }

    #[test]
    fn the_list_has_the_names_that_it_had() -> Result<()> {
        let presets = Preset::listed()?.into_iter();
        let tables = presets.filter(|preset| !has_images(preset.dataset) && !has_vae(preset.dataset));
        let listed: Vec<String> = tables.map(|preset| preset.name).collect();
        let expected: Vec<&str> = SNAPSHOT.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(listed, expected);
        Ok(())
    }

    #[test]
    fn every_dataset_goes_with_every_variant() -> Result<()> {
        for dataset in in_folder("datasets") {
            for variant in in_folder("variants").chain(["fast"]) {
                let name = format!("{dataset}-{variant}");
                let config = resolve(&Preset::find(&name)?, &[], None)?;
                let plain = resolve(&Preset::find(dataset)?, &[], None)?;
                assert_eq!(
                    serde_json::to_value(&config.data)?["kind"],
                    serde_json::to_value(&plain.data)?["kind"],
                    "{name}"
                );
                let continuous = matches!(variant, "fast" | "flow-matching");
                assert_eq!(config.model.kind == ModelKind::Cnf, continuous, "{name}");
                assert!(!config.description.contains(['{', '}']), "{}", config.description);
            }
        }
        Ok(())
    }

    #[test]
    fn every_cell_of_table_3_is_a_preset_with_the_papers_settings() -> Result<()> {
        use crate::config::PosteriorKind;
        let variants = [
            ("", PosteriorKind::Gaussian),
            ("-planar", PosteriorKind::Planar),
            ("-iaf", PosteriorKind::Iaf),
            ("-sylvester", PosteriorKind::SylvesterOrthogonal),
            ("-ffjord", PosteriorKind::CnfLowRank),
        ];
        // Hidden layers, flow steps and rank of table 5.
        for (dataset, hidden, blocks, rank) in [
            ("mnist", vec![1024; 2], 2, 64),
            ("omniglot", vec![512; 2], 5, 20),
            ("frey", vec![512; 2], 2, 20),
            ("caltech", vec![2048], 1, 20),
        ] {
            for (variant, posterior) in &variants {
                for fast in ["", "-fast"] {
                    let name = format!("vae-{dataset}{variant}{fast}");
                    let config = resolve(&Preset::find(&name)?, &[], None)?;
                    let vae = config
                        .vae
                        .as_ref()
                        .ok_or_else(|| invalid(&name, "no `vae`".to_string()))?;
                    assert_eq!((vae.posterior, vae.latent), (*posterior, 64), "{name}");
                    assert!(!config.description.contains(['{', '}']), "{}", config.description);
                    if *variant == "-ffjord" {
                        assert_eq!(
                            (&config.model.hidden, config.model.blocks, vae.rank),
                            (&hidden, blocks, rank)
                        );
                    }
                    if fast.is_empty() {
                        assert_eq!((vae.warm_up_epochs, config.training.batch), (100, 100), "{name}");
                    }
                }
            }
        }
        assert!(Preset::find("vae-digits-quick-planar").is_err() && Preset::find("vae-mnist-maf").is_err());
        Ok(())
    }

    #[test]
    fn presets_of_images_are_what_they_say() -> Result<()> {
        let presets = Preset::listed()?
            .into_iter()
            .filter(|preset| has_images(preset.dataset));
        let names: Vec<String> = presets.clone().map(|preset| preset.name).collect();
        let known = [
            "digits-quick",
            "mnist-multiscale",
            "mnist-multiscale-fast",
            "mnist-encoder-decoder-fast",
        ];
        assert!(
            known.iter().all(|known| names.iter().any(|name| name == known)),
            "{names:?}"
        );
        for preset in presets {
            let config = resolve(&preset, &[], None)?;
            assert!(
                matches!(config.data, crate::config::DataConfig::Images(_)),
                "{}",
                preset.name
            );
            assert!(!config.description.contains(['{', '}']), "{}", config.description);
            // A fixed-step likelihood says nothing: few steps can make it absurdly good.
            let adaptive = matches!(config.solver.test.control, crate::config::StepConfig::Adaptive { .. });
            assert!(adaptive && config.model.image.is_some(), "{}", preset.name);
        }
        assert!(Preset::find("mnist-multiscale-glow").is_err());
        Ok(())
    }

    #[test]
    fn names_that_mean_nothing_are_answered_with_those_that_do() {
        for name in ["power-", "power-gas", "mnist", "glow", ""] {
            let answer = Preset::find(name).map_or_else(|error| error.to_string(), |preset| preset.name);
            assert!(
                answer.contains("power-quick") && answer.contains("flow-matching, glow"),
                "{name}: {answer}"
            );
        }
    }
}

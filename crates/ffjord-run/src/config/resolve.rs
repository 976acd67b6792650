//! From presets and `--set` to a checked configuration.

use super::RunConfig;
use super::preset::Preset;
use crate::error::{Result, RunError};
use serde_json::{Map, Value, json};

/// The configuration of a preset with the changes of `--set KEY=VALUE` and `--seed`.
///
/// ```
/// use ffjord_run::config::{Preset, resolve};
/// let moons = Preset::find("toy-moons")?;
/// let config = resolve(&moons, &["training.batch=32".to_string()], Some(5))?;
/// assert_eq!((config.training.batch, config.seed), (32, 5));
/// let refused = resolve(&moons, &["training.bach=32".to_string()], None).unwrap_err().to_string();
/// assert!(refused.contains("bach") && refused.contains("batch"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When a key or value is not accepted; the message says where and what is.
pub fn resolve(preset: &Preset, settings: &[String], seed: Option<u64>) -> Result<RunConfig> {
    let mut value = preset.value()?;
    // The one section that a preset may leave out: without it, `--set` would find no place to write to.
    overlay(&mut value, json!({ "regularisation": {} }));
    for setting in settings {
        apply(&mut value, setting)?;
    }
    if let (Some(seed), Some(map)) = (seed, value.as_object_mut()) {
        map.insert("seed".to_string(), seed.into());
    }
    check(value, &format!("preset {}", preset.name()))
}

/// A stored configuration with the changes of `--set KEY=VALUE`.
///
/// ```
/// use ffjord_run::config::{Preset, resolve, resolve_changed};
/// let stored = resolve(&Preset::find("toy-moons")?, &[], None)?;
/// let changed = resolve_changed(&stored, &["model.precision=f64".to_string()])?;
/// assert_eq!(changed.model.precision.name(), "f64");
/// assert_eq!(changed.training, stored.training);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`resolve`].
pub fn resolve_changed(stored: &RunConfig, settings: &[String]) -> Result<RunConfig> {
    let mut value = serde_json::to_value(stored)?;
    overlay(&mut value, json!({ "regularisation": {} }));
    for setting in settings {
        apply(&mut value, setting)?;
    }
    check(value, "the run's, with the settings given")
}

/// The configuration stored in a run folder.
///
/// ```
/// use ffjord_run::config::{Preset, resolve, resolve_stored};
/// let config = resolve(&Preset::find("toy-moons")?, &[], None)?;
/// assert_eq!(resolve_stored(&serde_json::to_string(&config)?, "config.json")?, config);
/// let refused = resolve_stored("{}", "config.json").unwrap_err().to_string();
/// assert!(refused.starts_with("the configuration (config.json) cannot be used"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the text is not a configuration.
pub fn resolve_stored(text: &str, origin: &str) -> Result<RunConfig> {
    let mut value: Value = serde_json::from_str(text).map_err(|error| RunError::Config {
        origin: origin.to_string(),
        reason: error.to_string(),
    })?;
    // Older programs split tables as they stand, and did not say so.
    if value["data"]["kind"] == "table"
        && let Some(data) = value["data"].as_object_mut()
    {
        data.entry("split").or_insert_with(|| "ordered".into());
    }
    check(value, origin)
}

fn check(value: Value, origin: &str) -> Result<RunConfig> {
    let fail = |reason| RunError::Config {
        origin: origin.to_string(),
        reason,
    };
    let config: RunConfig = serde_path_to_error::deserialize(value).map_err(|error| {
        fail(match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("at `{path}`: {}", error.inner()),
        })
    })?;
    super::check::check(&config).map_err(fail)?;
    Ok(config)
}

/// Lays `over` on `under`: tables merge, everything else is replaced.
pub(super) fn overlay(under: &mut Value, over: Value) {
    match (under, over) {
        // A table with another `kind` describes another thing: none of the old keys belong to it.
        (Value::Object(under), Value::Object(over)) if same_kind(under, &over) => {
            for (key, value) in over {
                overlay(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn same_kind(under: &Map<String, Value>, over: &Map<String, Value>) -> bool {
    match (under.get("kind"), over.get("kind")) {
        (Some(under), Some(over)) => under == over,
        _ => true,
    }
}

/// Applies one `section.key=value`.
fn apply(config: &mut Value, setting: &str) -> Result<()> {
    let bad = |reason: String| RunError::Setting {
        setting: setting.to_string(),
        reason,
    };
    let (key, text) = setting
        .split_once('=')
        .ok_or_else(|| bad("it has no `=`: write KEY=VALUE".to_string()))?;
    let mut path: Vec<&str> = key.trim().split('.').collect();
    let last = path
        .pop()
        .filter(|last| !last.is_empty())
        .ok_or_else(|| bad("the key is empty".to_string()))?;
    let mut table = config;
    for part in path {
        let accepted = accepted_keys(table);
        table = table
            .get_mut(part)
            .filter(|value| value.is_object())
            .ok_or_else(|| bad(format!("there is no section `{part}`: accepted are {accepted}")))?;
    }
    let mut over = Map::new();
    over.insert(last.to_string(), parse_value(text.trim()).map_err(bad)?);
    overlay(table, Value::Object(over));
    Ok(())
}

/// The sections of a table, in the order of the alphabet.
fn accepted_keys(table: &Value) -> String {
    let entries = table.as_object().into_iter().flatten();
    let mut sections: Vec<&str> = entries
        .filter(|(_, value)| value.is_object())
        .map(|(key, _)| key.as_str())
        .collect();
    sections.sort_unstable();
    sections.join(", ")
}

/// A TOML value if the text is one (`3`, `1e-5`, `[64, 64]`, `{ kind = "constant", rate = 1e-3 }`), else the text itself.
fn parse_value(text: &str) -> std::result::Result<Value, String> {
    let parsed = toml::from_str::<toml::Table>(&format!("value = {text}"));
    match (parsed.ok().and_then(|mut table| table.remove("value")), text) {
        // JSON has no such numbers: they would turn into `none` unseen.
        (Some(value), _) if !is_finite(&value) => Err("NaN and infinity are not accepted".to_string()),
        (Some(value), _) => serde_json::to_value(value).map_err(|error| error.to_string()),
        (None, "none" | "null") => Ok(Value::Null),
        (None, text) => Ok(Value::String(text.to_string())),
    }
}

/// Whether all numbers of a value are.
fn is_finite(value: &toml::Value) -> bool {
    match value {
        toml::Value::Float(number) => number.is_finite(),
        toml::Value::Array(values) => values.iter().all(is_finite),
        toml::Value::Table(table) => table.values().all(is_finite),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AdjointKind, ModelKind, TraceConfig};
    use ffjord_flow::{PathIntegral, SolveSettings};
    use ffjord_ode::Method;

    fn preset(name: &str) -> Result<Preset> {
        Preset::find(name)
    }

    #[test]
    fn every_preset_is_a_configuration() -> Result<()> {
        for preset in Preset::listed()? {
            resolve(&preset, &[], None).map_err(|error| RunError::Config {
                origin: preset.name().to_string(),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }

    #[test]
    fn tabular_presets_are_the_papers_table() -> Result<()> {
        // Dimension, hidden layers, multiplier, flow steps, batch size.
        for (name, dimension, layers, multiplier, steps, batch) in [
            ("power", 6, 3, 10, 5, 10_000),
            ("gas", 8, 3, 20, 5, 1_000),
            ("hepmass", 21, 2, 10, 10, 10_000),
            ("miniboone", 43, 2, 20, 1, 1_000),
            ("bsds300", 63, 3, 20, 2, 10_000),
        ] {
            let config = resolve(&preset(name)?, &[], None)?;
            assert_eq!(config.model.hidden, vec![dimension * multiplier; layers], "{name}");
            assert_eq!((config.model.blocks, config.training.batch), (steps, batch), "{name}");
            let kind = serde_json::to_value(&config.data)?["kind"].clone();
            assert_eq!(kind, name);
        }
        let settings = ["data.kind=miniboone-reduced".to_string(), "data.path=here".to_string()];
        let reduced = resolve(&preset("miniboone")?, &settings, None)?;
        assert_eq!(serde_json::to_value(&reduced.data)?["kind"], "miniboone-reduced");
        Ok(())
    }

    #[test]
    fn what_stands_behind_the_start_has_its_bounds_and_is_no_matter_of_images() -> Result<()> {
        for (name, setting, at) in [
            ("power-quick", "noise=-0.1", "`model.start.noise`: -0.1"),
            ("power-quick", "noise=1.5", "accepted is a number from 0 to 1"),
            ("digits-flow-matching-quick", "noise=0.1", "images have none"),
            (
                "power-quick",
                "learned_bins=1",
                "0 for none, or a whole number from 2 to 500",
            ),
            ("digits-flow-matching-quick", "learned_bins=8", "images have none"),
        ] {
            let error = resolve(&preset(name)?, &[format!("model.start.{setting}")], None).err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert!(text.contains(at), "{name}: {text}");
        }
        Ok(())
    }

    #[test]
    fn fast_presets_keep_the_data_and_leave_the_papers_settings() -> Result<()> {
        for name in ["power", "gas", "hepmass", "miniboone", "bsds300"] {
            let paper = resolve(&preset(name)?, &[], None)?;
            let fast = resolve(&preset(&format!("{name}-fast"))?, &[], None)?;
            let kind = serde_json::to_value(&fast.data)?["kind"].clone();
            assert_eq!(kind, name);
            assert!(paper.model.start.is_none() && fast.model.start.is_some(), "{name}");
            assert_eq!(fast.solver.adjoint, AdjointKind::Checkpointed, "{name}");
            let weight = |integral| fast.regularisation.get(integral);
            assert!(weight(PathIntegral::Kinetic) > 0.0 && weight(PathIntegral::Jacobian) > 0.0);
            assert!(fast.training.options.tolerance.is_some() && fast.training.options.average.is_some());
            assert_eq!(fast.solver.test.trace, TraceConfig::Exact, "{name}");
        }
        Ok(())
    }

    #[test]
    fn settings_change_values_and_keep_the_rest() -> Result<()> {
        let base = resolve(&preset("toy-8gaussians")?, &[], None)?;
        let settings = [
            "model.hidden=[8, 8]",
            "solver.train.method=tsit5",
            "training.patience=none",
        ]
        .map(String::from);
        let changed = resolve(&preset("toy-8gaussians")?, &settings, Some(7))?;
        assert_eq!(changed.model.hidden, [8, 8]);
        assert_eq!(changed.solver.train.method, Method::Tsit5);
        assert_eq!(changed.training.options.patience, None);
        assert_eq!(changed.seed, 7);
        assert_eq!(changed.solver.test, base.solver.test);
        Ok(())
    }

    #[test]
    fn wrong_settings_are_answered_with_what_is_accepted() -> Result<()> {
        let answer = |setting: &str| -> Result<String> {
            Ok(
                match resolve(&preset("toy-8gaussians")?, &[setting.to_string()], None) {
                    Ok(_) => String::new(),
                    Err(error) => error.to_string(),
                },
            )
        };
        assert!(answer("model.hiden=[8]")?.contains("expected one of `kind`, `blocks`, `hidden`"));
        assert!(answer("modell.hidden=[8]")?.contains("accepted are data, evaluation, model"));
        assert!(answer("model.blocks=many")?.contains("model.blocks"));
        assert!(answer("model.blocks")?.contains("KEY=VALUE"));
        for (setting, accepted) in [
            ("training.iterations=0", "a whole number from 1"),
            ("training.patience=0", "a whole number from 1"),
            ("training.average=1.0", "below 1"),
            ("training.clip_norm=-1.0", "positive"),
            ("training.clip_norm=nan", "NaN and infinity"),
            (
                "training.schedule={ kind = \"constant\", rate = inf }",
                "NaN and infinity",
            ),
            ("training.schedule.rate=-1e-3", "positive"),
            (
                "solver.train.control={ kind = \"fixed\", steps = 0 }",
                "a whole number from 1",
            ),
            ("evaluation.grid=1", "a whole number from 2"),
            ("model.bins=8", "only models of kind `spline`"),
            ("model.kind=flow", "`real-nvp`, `glow`, `maf`, `made`, `spline`"),
            ("objective=matching", "`flow-matching`"),
            ("solver.train.block_rows=rows", "`per-row` or `whole-batch`"),
            (
                "solver.backward={ rtol = 1e-7, atol = 1e-7 }",
                "`backsolve` and `interpolated`",
            ),
            ("solver.backward={ snapshots = 4 }", "the adjoint `binomial`"),
        ] {
            let answer = answer(setting)?;
            assert!(answer.contains(accepted), "{setting}: {answer}");
        }
        Ok(())
    }

    #[test]
    fn another_kind_of_model_replaces_the_old_one_whole() -> Result<()> {
        let maf = r#"model={ kind = "maf", blocks = 5, hidden = [64], activation = "relu", precision = "f32" }"#;
        let config = resolve(&preset("power-quick")?, &[maf.to_string()], None)?;
        assert_eq!((config.model.kind, config.model.layer), (ModelKind::Maf, None));
        let matching = [maf.to_string(), "objective=flow-matching".to_string()];
        let answer = resolve(&preset("power-quick")?, &matching, None).map_err(|error| error.to_string());
        assert!(answer.is_err_and(|text| text.contains("at `objective`")));
        assert_eq!(
            resolve(&preset("power")?, &[maf.to_string()], None)?.model,
            config.model
        );
        for objective in ["flow-matching", "optimal-transport-flow-matching"] {
            resolve(&preset("power-quick")?, &[format!("objective={objective}")], None)?;
        }
        Ok(())
    }

    #[test]
    fn a_configuration_without_a_kind_is_of_a_continuous_flow() -> Result<()> {
        let config = resolve(&preset("power-quick")?, &[], None)?;
        let mut stored = serde_json::to_value(&config)?;
        let older = stored.as_object_mut().and_then(|stored| {
            stored.remove("objective")?;
            stored.get_mut("model")?.as_object_mut()?.remove("kind")
        });
        assert!(older.is_some());
        assert_eq!(resolve_stored(&stored.to_string(), "test")?, config);
        Ok(())
    }

    #[test]
    fn adjoints_and_shared_steps_have_names() -> Result<()> {
        let settings = [
            "solver.train.block_rows=per-row",
            "solver.test.block_rows=whole-batch",
            "solver.adjoint=interpolated",
            "solver.backward={ rtol = 1e-7, atol = 1e-8, full_norm = true }",
        ]
        .map(String::from);
        let solver = resolve(&preset("toy-8gaussians")?, &settings, None)?.solver;
        assert_eq!(
            (solver.train.block_rows, solver.test.block_rows),
            (SolveSettings::PER_ROW, SolveSettings::WHOLE_BATCH)
        );
        assert_eq!((solver.backward.rtol, solver.backward.full_norm), (Some(1e-7), true));
        Ok(())
    }

    /// What older programs wrote for the whole batch.
    #[test]
    fn zero_rows_of_a_block_in_old_files_are_the_whole_batch() -> Result<()> {
        let config = resolve(&preset("power-quick")?, &[], None)?;
        let mut stored = serde_json::to_value(&config)?;
        stored["solver"]["train"]["block_rows"] = 0.into();
        let mut named = stored.clone();
        named["solver"]["train"]["block_rows"] = "whole-batch".into();
        let (old, new) = (
            resolve_stored(&stored.to_string(), "test")?,
            resolve_stored(&named.to_string(), "test")?,
        );
        assert_eq!(old, new);
        assert_eq!(old.solver.train.block_rows, SolveSettings::WHOLE_BATCH);
        assert_eq!(serde_json::to_value(&old)?, named);
        Ok(())
    }

    #[test]
    fn training_settings_are_the_trainers_and_named_by_their_keys() -> Result<()> {
        let answer = |setting: &str| -> Result<String> {
            let resolved = resolve(&preset("toy-8gaussians")?, &[setting.to_string()], None);
            Ok(resolved.map_or_else(|error| error.to_string(), |_| String::new()))
        };
        for (setting, expected) in [
            ("training.iterations=many", "at `training.iterations`: invalid type"),
            ("training.batch=many", "at `training.batch`: invalid type"),
            (
                "training.optimizer=sgd",
                "at `training.optimizer`: unknown optimizer `sgd`",
            ),
            (
                "training.iteration=3",
                "unknown field `iteration`, expected one of `iterations`",
            ),
            ("training.weight_decay=-1.0", "at `training.weight_decay`"),
            ("regularisation.l2=-1.0", "at `regularisation.l2`: -1 is given"),
            ("solver.train.method=magic", "at `solver.train.method`: "),
            ("model.layer=magic", "at `model.layer`: "),
        ] {
            let answer = answer(setting)?;
            assert!(answer.contains(expected), "{setting}: {answer}");
        }
        Ok(())
    }

    #[test]
    fn a_configuration_survives_its_own_file() -> Result<()> {
        let config = resolve(&preset("power-quick")?, &[], Some(3))?;
        let text = serde_json::to_string(&config)?;
        assert_eq!(resolve_stored(&text, "test")?, config);
        Ok(())
    }
}

//! The presets: readable files that come with the program.

use super::resolve::overlay;
use crate::error::{Result, RunError};
use serde_json::Value;

/// A named configuration file.
#[derive(Debug)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    text: &'static str,
}

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        &[$(Preset { name: $name, text: include_str!(concat!("../../presets/", $name, ".toml")) }),*]
    };
}

/// Files that presets build on; not runs by themselves.
const PARTS: &[Preset] = presets![
    "parts/discrete",
    "parts/flow-matching",
    "parts/glow",
    "parts/made",
    "parts/maf",
    "parts/real-nvp",
    "parts/spline",
    "parts/tabular",
    "parts/tabular-fast",
    "parts/toy",
    "parts/toy-fast",
];

/// Every preset that can be run.
pub const PRESETS: &[Preset] = presets![
    "bsds300",
    "bsds300-fast",
    "bsds300-flow-matching",
    "bsds300-glow",
    "bsds300-made",
    "bsds300-maf",
    "bsds300-real-nvp",
    "bsds300-spline",
    "gas",
    "gas-fast",
    "gas-flow-matching",
    "gas-glow",
    "gas-made",
    "gas-maf",
    "gas-real-nvp",
    "gas-spline",
    "hepmass",
    "hepmass-fast",
    "hepmass-flow-matching",
    "hepmass-glow",
    "hepmass-made",
    "hepmass-maf",
    "hepmass-real-nvp",
    "hepmass-spline",
    "miniboone",
    "miniboone-fast",
    "miniboone-flow-matching",
    "miniboone-glow",
    "miniboone-made",
    "miniboone-maf",
    "miniboone-real-nvp",
    "miniboone-spline",
    "power",
    "power-fast",
    "power-flow-matching",
    "power-glow",
    "power-made",
    "power-maf",
    "power-quick",
    "power-real-nvp",
    "power-spline",
    "toy-2spirals",
    "toy-2spirals-fast",
    "toy-8gaussians",
    "toy-8gaussians-fast",
    "toy-checkerboard",
    "toy-checkerboard-fast",
    "toy-circles",
    "toy-circles-fast",
    "toy-cos",
    "toy-cos-fast",
    "toy-image",
    "toy-line",
    "toy-line-fast",
    "toy-moons",
    "toy-moons-fast",
    "toy-pinwheel",
    "toy-pinwheel-fast",
    "toy-rings",
    "toy-rings-fast",
    "toy-swissroll",
    "toy-swissroll-fast",
    "table",
];

impl Preset {
    /// The preset of this name.
    ///
    /// # Errors
    /// [`RunError::UnknownPreset`] lists the names.
    pub fn find(name: &str) -> Result<&'static Self> {
        PRESETS
            .iter()
            .find(|preset| preset.name == name)
            .ok_or_else(|| RunError::UnknownPreset {
                given: name.to_string(),
                accepted: PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>().join(", "),
            })
    }

    /// The file's values laid over those of the files it extends, in their order.
    ///
    /// # Errors
    /// When a file is not TOML or extends an unknown one.
    pub fn value(&self) -> Result<Value> {
        let invalid = |reason: String| RunError::Config {
            origin: format!("preset {}", self.name),
            reason,
        };
        let table: toml::Table = toml::from_str(self.text).map_err(|error| invalid(error.to_string()))?;
        let mut own = serde_json::to_value(table)?;
        let extends = own.as_object_mut().and_then(|map| map.shift_remove("extends"));
        let mut value = Value::Object(serde_json::Map::new());
        for name in extends
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let part = PARTS
                .iter()
                .chain(PRESETS)
                .find(|part| part.name == name)
                .ok_or_else(|| invalid(format!("it extends `{name}`, which does not exist")))?;
            overlay(&mut value, part.value()?);
        }
        overlay(&mut value, own);
        Ok(value)
    }

    /// The preset's one-sentence description.
    ///
    /// # Errors
    /// As [`Preset::value`].
    pub fn description(&self) -> Result<String> {
        Ok(self
            .value()?
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_benchmark_has_every_kind_of_flow() -> Result<()> {
        for dataset in ["power", "gas", "hepmass", "miniboone", "bsds300"] {
            for kind in ["real-nvp", "glow", "made", "maf", "spline"] {
                let value = Preset::find(&format!("{dataset}-{kind}"))?.value()?;
                assert_eq!(
                    (&value["data"]["kind"], &value["model"]["kind"]),
                    (&dataset.into(), &kind.into())
                );
                assert_eq!(
                    value["data"].get("test_rows"),
                    None,
                    "{dataset}-{kind} is tested on all rows"
                );
            }
            let matching = Preset::find(&format!("{dataset}-flow-matching"))?.value()?;
            assert_eq!(matching["data"]["kind"], dataset);
            assert_eq!(matching["objective"], "flow-matching");
        }
        Ok(())
    }
}

//! How a run is trained: the trainer's own options, and what else a run has to say.

use ffjord_train::TrainerOptions;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How the flow is trained.
///
/// ```
/// use ffjord_run::config::{Preset, resolve};
/// let settings = ["training.batch=64", "training.clip_norm=10.0"].map(str::to_string);
/// let training = resolve(&Preset::find("toy-moons")?, &settings, None)?.training;
/// assert_eq!((training.batch, training.options.clip_norm, training.end_time_spread), (64, Some(10.0), 0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingConfig {
    /// Rows of a batch.
    pub batch: usize,
    /// Rows of the validation data, from the first and at most all; for toy data, fresh samples.
    pub validation_rows: usize,
    /// The half-width of the random end time of training solves, as a fraction of T (STEER).
    pub end_time_spread: f64,
    /// Flow matching looks at its paths where a uniform number to this power says: above 1, more often near the data.
    #[serde(skip_serializing_if = "is_one")]
    pub toward_data: f64,
    /// Everything else of the same table.
    #[serde(flatten)]
    pub options: TrainerOptions,
}

fn is_one(number: &f64) -> bool {
    *number == 1.0
}

/// serde's own flattening reads a table into memory first, and errors then no longer name the key.
impl<'de> Deserialize<'de> for TrainingConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = TrainingConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of training settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TrainingConfig, A::Error> {
        let mut rest = Rest {
            map,
            batch: None,
            validation_rows: None,
            end_time_spread: None,
            toward_data: None,
        };
        let options = TrainerOptions::deserialize(MapAccessDeserializer::new(&mut rest)).map_err(|error| {
            // The trainer's list of its keys lacks those that were put aside.
            let text = error.to_string();
            match text.starts_with("unknown field") {
                true => A::Error::custom(format!(
                    "{text}, `batch`, `validation_rows`, `end_time_spread`, `toward_data`"
                )),
                false => error,
            }
        })?;
        Ok(TrainingConfig {
            batch: rest.batch.ok_or_else(|| A::Error::missing_field("batch"))?,
            validation_rows: rest
                .validation_rows
                .ok_or_else(|| A::Error::missing_field("validation_rows"))?,
            end_time_spread: rest.end_time_spread.unwrap_or(0.0),
            toward_data: rest.toward_data.unwrap_or(1.0),
            options,
        })
    }
}

/// The entries of a table that are the trainer's; the others are put aside as they pass by.
struct Rest<A> {
    map: A,
    batch: Option<usize>,
    validation_rows: Option<usize>,
    end_time_spread: Option<f64>,
    toward_data: Option<f64>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        while let Some(key) = self.map.next_key::<String>()? {
            match key.as_str() {
                "batch" => self.batch = Some(self.map.next_value()?),
                "validation_rows" => self.validation_rows = Some(self.map.next_value()?),
                "toward_data" => self.toward_data = Some(self.map.next_value()?),
                "end_time_spread" => self.end_time_spread = Some(self.map.next_value()?),
                _ => return seed.deserialize(key.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

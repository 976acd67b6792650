//! Weights of path integrals in a loss.

use crate::integral::PathIntegral;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// The weight of every path integral in a loss; 0 leaves it out. In files a table with a key for each, words parted by
/// `_`; keys that are absent have the weight 0.
///
/// ```
/// use ffjord_flow::PathIntegral;
/// use ffjord_flow::config::IntegralWeights;
///
/// let weights: IntegralWeights = serde_json::from_str(r#"{"kinetic": 0.01, "off_diagonal": 0.1}"#)?;
/// assert_eq!(weights.weights(), [(PathIntegral::Kinetic, 0.01), (PathIntegral::OffDiagonal, 0.1)]);
/// assert_eq!(weights.get(PathIntegral::L2), 0.0);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntegralWeights(BTreeMap<PathIntegral, f64>);

impl IntegralWeights {
    /// The weight of an integral.
    #[must_use]
    pub fn get(&self, integral: PathIntegral) -> f64 {
        self.0.get(&integral).copied().unwrap_or(0.0)
    }

    /// The integrals with weights other than 0.
    #[must_use]
    pub fn weights(&self) -> Vec<(PathIntegral, f64)> {
        let weights = PathIntegral::ALL.map(|integral| (integral, self.get(integral)));
        weights.into_iter().filter(|(_, weight)| *weight != 0.0).collect()
    }
}

/// The key of an integral in files.
fn key(integral: PathIntegral) -> String {
    integral.to_string().replace('-', "_")
}

impl Serialize for IntegralWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(PathIntegral::ALL.map(|integral| (key(integral), self.get(integral))))
    }
}

impl<'de> Deserialize<'de> for IntegralWeights {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = IntegralWeights;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table of weights of path integrals")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<IntegralWeights, A::Error> {
        let mut weights = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let integral = PathIntegral::ALL.into_iter().find(|integral| key(*integral) == name);
            let integral = integral.ok_or_else(|| {
                let accepted = PathIntegral::ALL
                    .map(|integral| format!("`{}`", key(integral)))
                    .join(", ");
                A::Error::custom(format!("unknown field `{name}`, expected one of {accepted}"))
            })?;
            let Weight(weight) = map.next_value()?;
            weights.insert(integral, weight);
        }
        // A weight of 0 and none are the same.
        weights.retain(|_, weight| *weight != 0.0);
        Ok(IntegralWeights(weights))
    }
}

/// A number that is checked as a value, so that the error is that of its key.
struct Weight(f64);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let weight = f64::deserialize(deserializer)?;
        if weight >= 0.0 && weight.is_finite() {
            return Ok(Self(weight));
        }
        Err(D::Error::custom(format!(
            "{weight} is given: accepted is a finite number, not negative"
        )))
    }
}

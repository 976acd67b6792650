//! Names in files: serde's view of types that have a name, as `Display` writes it and `FromStr` reads it.
//!
//! ```
//! use ffjord_nn::{ActivationKind, LayerKind};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Layers {
//!     #[serde(with = "ffjord_nn::text")]
//!     activation: ActivationKind,
//!     #[serde(with = "ffjord_nn::text::option", default)]
//!     layer: Option<LayerKind>,
//! }
//!
//! let layers: Layers = serde_json::from_str(r#"{"activation": "softplus"}"#)?;
//! assert_eq!((layers.activation, layers.layer), (ActivationKind::Softplus, None));
//! assert_eq!(serde_json::to_string(&layers)?, r#"{"activation":"softplus","layer":null}"#);
//! # Ok::<(), serde_json::Error>(())
//! ```

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;
use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

/// Writes the name.
///
/// ```
/// use ffjord_nn::{ActivationKind, text};
/// assert_eq!(text::serialize(&ActivationKind::Softplus, serde_json::value::Serializer)?, "softplus");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When the serializer fails.
pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// Reads a name.
///
/// ```
/// use ffjord_nn::{ActivationKind, text};
/// let read = |json| text::deserialize::<ActivationKind, _>(&mut serde_json::Deserializer::from_str(json));
/// assert_eq!(read(r#""softplus""#)?, ActivationKind::Softplus);
/// let refused = read(r#""gelu""#).unwrap_err().to_string();
/// assert!(refused.contains("unknown") && refused.contains("softplus"), "{refused}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When there is no text, or the type does not know the name; the message is the type's own.
pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    Cow::<str>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// Names that may be absent.
pub mod option {
    use super::{Cow, Deserialize, Deserializer, Display, Error, FromStr, Serializer};

    /// Writes the name, or nothing.
    ///
    /// # Errors
    /// When the serializer fails.
    pub fn serialize<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.serialize_some(&value.to_string()),
            None => serializer.serialize_none(),
        }
    }

    /// Reads a name if there is one.
    ///
    /// # Errors
    /// As [`deserialize`](super::deserialize).
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let name = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        name.map(|name| name.parse().map_err(D::Error::custom)).transpose()
    }
}

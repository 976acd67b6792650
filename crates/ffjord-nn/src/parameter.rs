//! Named, trainable tensors: how networks create, list and load them.

use crate::error::{NnError, Result};
use candle_core::{DType, Device, Shape, Tensor, Var};
use rand::{Rng, RngCore};
use rand_distr::{Distribution, StandardNormal};
use std::collections::BTreeMap;

/// A trainable tensor under the path it has in checkpoints, for example `layers.0._layer.weight`.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::Parameter;
/// let bias = Parameter::constant("bias", 2, 0.5, DType::F32, &Device::Cpu)?;
/// let inside = bias.under("layers.0");
/// assert_eq!(inside.name, "layers.0.bias");
/// // The same tensor under another name.
/// bias.var.set(&bias.var.zeros_like()?)?;
/// assert_eq!(inside.var.to_vec1::<f32>()?, [0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Parameter {
    /// The path, as in the state dictionaries of the original implementation.
    pub name: String,
    /// The tensor.
    pub var: Var,
}

impl Parameter {
    /// A new parameter whose entries all are `value`.
    ///
    /// # Errors
    /// When the device cannot hold the tensor.
    pub fn constant(name: &str, shape: impl Into<Shape>, value: f64, dtype: DType, device: &Device) -> Result<Self> {
        let tensor = Tensor::full(value, shape, &Device::Cpu)?.to_dtype(dtype)?;
        Ok(Self {
            name: name.to_string(),
            var: Var::from_tensor(&tensor.to_device(device)?)?,
        })
    }

    /// The same parameter one level further down: `prefix.name`.
    #[must_use]
    pub fn under(&self, prefix: &str) -> Self {
        Self {
            name: format!("{prefix}.{}", self.name),
            var: self.var.clone(),
        }
    }
}

/// Creates parameters in a fixed order, with PyTorch's default distributions, from a caller's generator.
///
/// Values are always drawn in `f64` and then rounded, so that a seed gives the same network in both precisions.
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::ParameterBuilder;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F32, &Device::Cpu);
/// let weight = builder.uniform("weight", (3, 2), 0.5)?;
/// assert_eq!(weight.dims(), &[3, 2]);
/// assert_eq!(builder.finish()[0].name, "weight");
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// Names tell where a parameter stands:
///
/// ```
/// use candle_core::{DType, Device};
/// use ffjord_nn::ParameterBuilder;
/// use rand::SeedableRng;
///
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// let mut builder = ParameterBuilder::new(&mut rng, DType::F64, &Device::Cpu);
/// builder.scoped("layers", |builder| {
///     builder.scoped("0", |builder| {
///         builder.normal("weight", (2, 2), 0.1)?;
///         builder.constant("bias", 2, 0.0)
///     })
/// })?;
/// let names: Vec<String> = builder.finish().into_iter().map(|parameter| parameter.name).collect();
/// assert_eq!(names, ["layers.0.weight", "layers.0.bias"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ParameterBuilder<'a> {
    rng: &'a mut dyn RngCore,
    dtype: DType,
    device: Device,
    path: Vec<String>,
    parameters: Vec<Parameter>,
}

impl<'a> ParameterBuilder<'a> {
    /// A builder without parameters.
    pub fn new(rng: &'a mut dyn RngCore, dtype: DType, device: &Device) -> Self {
        Self {
            rng,
            dtype,
            device: device.clone(),
            path: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// The floating-point type of the parameters.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The device of the parameters.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Runs `build` with every name put under `name.`.
    ///
    /// # Errors
    /// Those of `build`.
    pub fn scoped<T>(&mut self, name: impl Into<String>, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.path.push(name.into());
        let built = build(self);
        self.path.pop();
        built
    }

    /// A parameter with entries uniform on `[-bound, bound]`.
    ///
    /// # Errors
    /// When the device cannot hold the tensor.
    pub fn uniform(&mut self, name: &str, shape: impl Into<Shape>, bound: f64) -> Result<Var> {
        self.fill(name, shape.into(), |rng| {
            if bound > 0.0 {
                rng.random_range(-bound..=bound)
            } else {
                0.0
            }
        })
    }

    /// A parameter with normal entries of mean 0.
    ///
    /// # Errors
    /// When the device cannot hold the tensor.
    pub fn normal(&mut self, name: &str, shape: impl Into<Shape>, standard_deviation: f64) -> Result<Var> {
        self.fill(name, shape.into(), |rng| {
            let draw: f64 = StandardNormal.sample(rng);
            standard_deviation * draw
        })
    }

    /// A parameter whose entries all are `value`.
    ///
    /// # Errors
    /// When the device cannot hold the tensor.
    pub fn constant(&mut self, name: &str, shape: impl Into<Shape>, value: f64) -> Result<Var> {
        self.fill(name, shape.into(), |_| value)
    }

    /// The parameters created so far, in the order of their creation.
    #[must_use]
    pub fn finish(self) -> Vec<Parameter> {
        self.parameters
    }

    fn fill(&mut self, name: &str, shape: Shape, mut draw: impl FnMut(&mut dyn RngCore) -> f64) -> Result<Var> {
        let values: Vec<f64> = (0..shape.elem_count()).map(|_| draw(self.rng)).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(self.dtype)?
            .to_device(&self.device)?;
        let var = Var::from_tensor(&tensor)?;
        let mut name_parts = self.path.clone();
        name_parts.push(name.to_string());
        self.parameters.push(Parameter {
            name: name_parts.join("."),
            var: var.clone(),
        });
        Ok(var)
    }
}

/// Loads stored tensors into parameters of the same names, converting their floating-point type.
///
/// Nothing is changed unless everything fits.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use ffjord_nn::{Parameter, load_parameters};
/// use std::collections::BTreeMap;
///
/// let bias = Parameter::constant("bias", 2, 0.0, DType::F32, &Device::Cpu)?;
/// let stored = BTreeMap::from([("bias".to_string(), Tensor::new(&[1f32, 2.0], &Device::Cpu)?)]);
/// load_parameters(&[bias.clone()], &stored)?;
/// assert_eq!(bias.var.to_vec1::<f32>()?, [1.0, 2.0]);
/// assert!(load_parameters(&[bias], &BTreeMap::new()).is_err());
/// # Ok::<(), ffjord_nn::NnError>(())
/// ```
///
/// # Errors
/// [`NnError::ParameterMismatch`] lists every missing, unexpected and misshapen name.
pub fn load_parameters(parameters: &[Parameter], stored: &BTreeMap<String, Tensor>) -> Result<()> {
    let missing: Vec<String> = parameters
        .iter()
        .filter(|p| !stored.contains_key(&p.name))
        .map(|p| p.name.clone())
        .collect();
    let unexpected: Vec<String> = stored
        .keys()
        .filter(|name| !parameters.iter().any(|p| &p.name == *name))
        .cloned()
        .collect();
    let misshapen: Vec<String> = parameters
        .iter()
        .filter_map(|p| stored.get(&p.name).map(|tensor| (p, tensor)))
        .filter(|(p, tensor)| p.var.shape() != tensor.shape())
        .map(|(p, tensor)| format!("{} (stored {:?}, model {:?})", p.name, tensor.dims(), p.var.dims()))
        .collect();
    if !(missing.is_empty() && unexpected.is_empty() && misshapen.is_empty()) {
        return Err(NnError::ParameterMismatch {
            missing,
            unexpected,
            misshapen,
        });
    }
    for parameter in parameters {
        if let Some(tensor) = stored.get(&parameter.name) {
            let tensor = tensor
                .to_dtype(parameter.var.dtype())?
                .to_device(parameter.var.device())?;
            parameter.var.set(&tensor)?;
        }
    }
    Ok(())
}

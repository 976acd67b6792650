//! Maps of images without a path against the reference.

use super::{Case, Comparison, ReferenceFile};
use crate::error::Result;
use candle_core::{DType, Device, Tensor, Var};
use ffjord_flow::{Bijection, Chain, Logit, MovingBatchNorm, Pass, Squeeze, ZeroMean};
use ffjord_nn::{Parameter, load_parameters};
use ffjord_train::{Purpose, Streams};

/// The largest relative error accepted.
const LIMIT: f64 = 1e-9;

/// Compares images, log-determinants, their gradients, inverses and what a pass leaves behind.
///
/// # Errors
/// When the case cannot be built or a tensor is missing.
pub(super) fn compare_transform(file: &ReferenceFile) -> Result<Vec<Comparison>> {
    let shape = file.row_shape("x")?;
    let map: Box<dyn Bijection> = match file.case {
        Case::Squeeze { factor, times } => squeezes(&shape, factor, times)?,
        Case::Logit { alpha } => Box::new(Logit::new(&shape, alpha)?),
        Case::Zeromean => Box::new(ZeroMean::new(&shape)?),
        Case::Batchnorm { bn_lag, .. } if bn_lag > 0.0 => {
            Box::new(MovingBatchNorm::with_lag(&shape, bn_lag, DType::F64, &Device::Cpu)?)
        }
        Case::Batchnorm { .. } => Box::new(MovingBatchNorm::new(&shape, DType::F64, &Device::Cpu)?),
        _ => return Err(file.refuse("it describes no map of images")),
    };
    let all: Vec<Parameter> = map.parameters().into_iter().chain(map.buffers()).collect();
    load_parameters(&all, &file.under("before."))?;
    let mut comparisons = Vec::new();
    let mut compare = |name: &str, ours: &Tensor, reference: &str| -> Result<()> {
        comparisons.push(Comparison::new(name, ours, file.get(reference)?, LIMIT)?);
        Ok(())
    };

    let x = Var::from_tensor(file.get("x")?)?;
    let mut rng = Streams::new(0).rng(Purpose::Probe, 0, 0);
    let image = match file.case {
        Case::Batchnorm { training: true, .. } => map.forward(&x, &mut Pass::training(&mut rng))?,
        _ => map.forward(&x, &mut Pass::evaluation(&mut rng))?,
    };
    compare("y", &image.value.detach(), "y")?;
    let dlogp = image.log_det()?.neg()?;
    if file.has("dlogp") {
        compare("dlogp", &dlogp.detach(), "dlogp")?;
    }
    for parameter in all
        .iter()
        .filter(|parameter| file.has(&format!("after.{}", parameter.name)))
    {
        let name = format!("after.{}", parameter.name);
        compare(&name, &parameter.var.as_detached_tensor(), &name)?;
    }
    if file.has("a") {
        let mut loss = (&image.value * file.get("a")?)?.sum_all()?;
        if file.has("b") {
            loss = (loss + (dlogp * file.get("b")?)?.sum_all()?)?;
        }
        let store = loss.backward()?;
        let gradient = |var: &Var| -> Result<Tensor> {
            Ok(match store.get(var) {
                Some(gradient) => gradient.clone(),
                None => var.zeros_like()?,
            })
        };
        compare("gx", &gradient(&x)?, "gx")?;
        for parameter in map.parameters() {
            let name = format!("gparam.{}", parameter.name);
            compare(&name, &gradient(&parameter.var)?, &name)?;
        }
    }
    let back = map.inverse(file.get("y")?, &mut Pass::evaluation(&mut rng))?;
    if file.has("reverse_x") {
        compare("reverse_x", &back.value, "reverse_x")?;
        compare("reverse_dlogp", &back.log_det()?.neg()?, "reverse_dlogp")?;
    } else {
        compare("x from y", &back.value, "x")?;
    }
    Ok(comparisons)
}

fn squeezes(shape: &[usize], factor: usize, times: usize) -> Result<Box<dyn Bijection>> {
    let (mut parts, mut shape) = (Vec::<Box<dyn Bijection>>::new(), shape.to_vec());
    for _ in 0..times {
        let squeeze = Squeeze::new(&shape, factor)?;
        shape = squeeze.output_shape().to_vec();
        parts.push(Box::new(squeeze));
    }
    Ok(Box::new(Chain::new(parts)?))
}

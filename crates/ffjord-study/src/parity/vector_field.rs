//! A vector field's value, traces and gradients against the reference.

use super::network::field;
use super::{Case, Comparison, Path, ReferenceFile, Subject};
use crate::error::Result;
use candle_core::{Device, Tensor};
use ffjord_nn::{Linearization, NnError, OutputCotangents, Request, Tangents, VectorField, load_parameters};
use ffjord_trace::Probes;

/// The largest relative errors accepted, in double and in single precision.
const LIMITS: (f64, f64) = (1e-9, 1e-4);

/// Compares `f`, both traces, and the gradients of `Σ a·f + Σ b·(eᵀ J e)`.
///
/// # Errors
/// When the case cannot be built or a tensor is missing.
pub fn compare_field(file: &ReferenceFile, subject: Subject) -> Result<Vec<Comparison>> {
    let (field, path) = (field(file, subject.dtype)?, subject.path);
    let limit = subject.in_precision(LIMITS.0, LIMITS.1);
    load_parameters(field.parameters(), &file.under_as("param.", subject.dtype)?)?;
    let t: f64 = file
        .get("t")?
        .flatten_all()?
        .to_vec1::<f64>()?
        .first()
        .copied()
        .unwrap_or(f64::NAN);
    let y = &file.get("y")?.to_dtype(subject.dtype)?;
    let e = &file.get("e")?.to_dtype(subject.dtype)?;
    let probes = e.unsqueeze(0)?;
    let mut comparisons = Vec::new();
    let mut compare = |name: &str, ours: &Tensor, reference: &Tensor| -> Result<()> {
        comparisons.push(Comparison::new(name, ours, reference, limit)?);
        Ok(())
    };

    let cut = matches!(file.case, Case::Autoencoder { .. });
    let (value, products) = match cut {
        // These products are the field's own, on both paths.
        true => {
            let products = through_bottleneck(field.as_ref(), t, y, &probes)?.products();
            let products = products.ok_or_else(|| file.refuse("its field has no products"))?;
            (path.jvp(field.as_ref(), t, y, &y.unsqueeze(0)?)?.0, products)
        }
        false => path.jvp(field.as_ref(), t, y, &probes)?,
    };
    compare("f", &value, file.get("f")?)?;
    compare("hutch", &row_sums(&(products.get(0)? * e)?)?, file.get("hutch")?)?;
    compare("div", &exact_trace(path, field.as_ref(), t, y)?, file.get("div")?)?;

    let a = &file.get("a")?.to_dtype(subject.dtype)?;
    let b = &file.get("b")?.to_dtype(subject.dtype)?;
    let mut per_row = vec![1; probes.rank()];
    per_row[1] = b.elem_count();
    let product_cotangent = probes.broadcast_mul(&b.reshape(per_row)?)?;
    let gradients = match cut {
        true => {
            let outputs = OutputCotangents {
                value: a,
                products: Some(&product_cotangent),
                along: &[],
            };
            through_bottleneck(field.as_ref(), t, y, &probes)?.pullback(field.parameters(), &outputs)?
        }
        false => path.vjp(field.as_ref(), t, (y, &probes), (a, &product_cotangent))?,
    };
    compare("gy", &gradients.state, file.get("gy")?)?;
    compare("gt", &Tensor::new(gradients.time, &Device::Cpu)?, file.get("gt")?)?;
    for (parameter, gradient) in field.parameters().iter().zip(&gradients.parameters) {
        let name = format!("gparam.{}", parameter.name);
        compare(&name, gradient, file.get(&name)?)?;
    }
    Ok(comparisons)
}

/// The field and its products at the bottleneck.
fn through_bottleneck(field: &dyn VectorField, t: f64, y: &Tensor, probes: &Tensor) -> Result<Linearization, NnError> {
    let request = Request {
        tangents: Tangents::Bottleneck(probes),
        along: &[],
    };
    field.linearize(t, y, None, &request)
}

/// Sums over everything but the batch axis, `[B]`.
fn row_sums(tensor: &Tensor) -> Result<Tensor> {
    Ok(tensor.flatten_from(1)?.sum(1)?)
}

fn exact_trace(path: Path, field: &dyn VectorField, t: f64, y: &Tensor) -> Result<Tensor> {
    let rows = y.dim(0)?;
    let dimension = y.elem_count() / rows.max(1);
    let units = Probes::<f64>::unit_vectors(rows, dimension)?;
    let mut shape = vec![dimension];
    shape.extend_from_slice(y.dims());
    let units = Tensor::from_slice(units.vectors(), shape, &Device::Cpu)?.to_dtype(y.dtype())?;
    let (_, products) = path.jvp(field, t, y, &units)?;
    Ok((products * units)?.flatten_from(2)?.sum(2)?.sum(0)?)
}

//! Loss and gradient of a batch or a part of one, in memory and as bytes.

use crate::error::{Result, TrainError};
use crate::processes::{Reader, Writer};
use crate::slices::{Access, Real, read};
use crate::state::describe;
use candle_core::{DType, Device, Tensor, WithDType};
use ffjord_nn::Parameter;

/// What loss and gradient of some rows are, and what they took: each the mean over these rows, multiplied with their share
/// of the batch.
#[derive(Debug)]
pub(super) struct Descent {
    pub(super) loss: f64,
    pub(super) terms: Vec<(String, f64)>,
    /// That of the whole batch, before clipping; 0 until it is known.
    pub(super) gradient_norm: f64,
    /// In the parameters' order.
    pub(super) gradients: Vec<Tensor>,
    /// The share of the batch's rows.
    pub(super) share: f64,
    pub(super) forward_evaluations: f64,
    pub(super) backward_evaluations: f64,
}

impl Descent {
    /// The sum of two parts of a batch; every part has the same terms in the same order.
    pub(super) fn plus(mut self, part: Self) -> Result<Self> {
        self.loss += part.loss;
        for ((_, sum), (_, term)) in self.terms.iter_mut().zip(part.terms) {
            *sum += term;
        }
        for (sum, gradient) in self.gradients.iter_mut().zip(&part.gradients) {
            *sum = (&*sum + gradient)?;
        }
        self.share += part.share;
        self.forward_evaluations += part.forward_evaluations;
        self.backward_evaluations += part.backward_evaluations;
        Ok(self)
    }

    /// Appends it to a message.
    pub(super) fn write(&self, message: &mut Writer) -> Result<()> {
        message.float(self.loss).float(self.share);
        message.float(self.forward_evaluations).float(self.backward_evaluations);
        message.number(self.terms.len());
        for (name, term) in &self.terms {
            message.bytes(name.as_bytes()).float(*term);
        }
        for gradient in &self.gradients {
            match on_the_cpu(gradient)?.dtype() {
                DType::F64 => append::<f64>(gradient, message)?,
                _ => append::<f32>(gradient, message)?,
            }
        }
        Ok(())
    }

    /// Reads one with gradients of these parameters; nothing if the message is of another kind.
    pub(super) fn read(message: &mut Reader<'_>, parameters: &[Parameter]) -> Option<Self> {
        let (loss, share) = (message.float()?, message.float()?);
        let (forward_evaluations, backward_evaluations) = (message.float()?, message.float()?);
        let mut terms = Vec::new();
        for _ in 0..message.number()? {
            terms.push((message.text()?, message.float()?));
        }
        let gradients = parameters.iter().map(|parameter| match parameter.var.dtype() {
            DType::F64 => taken::<f64>(message, &parameter.var),
            _ => taken::<f32>(message, &parameter.var),
        });
        Some(Self {
            loss,
            terms,
            gradient_norm: 0.0,
            gradients: gradients.collect::<Option<_>>()?,
            share,
            forward_evaluations,
            backward_evaluations,
        })
    }
}

/// The gradient, if it is one that is sent.
fn on_the_cpu(gradient: &Tensor) -> Result<&Tensor> {
    match Access::of(gradient) {
        Access::Operations => Err(TrainError::invalid(
            "the type of a gradient that several processes add up",
            format!("{} on {:?}", describe(gradient), gradient.device().location()),
            "f32 or f64, on the CPU",
        )),
        Access::F32 | Access::F64 => Ok(gradient),
    }
}

/// A number that is sent as its bytes, little-endian.
trait Sent: Real {
    fn extend(values: &[Self], bytes: &mut Vec<u8>);
    fn parse(bytes: &[u8]) -> Vec<Self>;
}

macro_rules! sent {
    ($($type:ty),*) => {$(
        impl Sent for $type {
            fn extend(values: &[Self], bytes: &mut Vec<u8>) {
                bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
            }

            fn parse(bytes: &[u8]) -> Vec<Self> {
                let (words, _) = bytes.as_chunks();
                words.iter().map(|word| Self::from_le_bytes(*word)).collect()
            }
        }
    )*};
}
sent!(f32, f64);

fn append<T: Sent>(tensor: &Tensor, message: &mut Writer) -> Result<()> {
    let mut bytes = Vec::with_capacity(tensor.elem_count() * size_of::<T>());
    read(tensor, |values: &[T]| T::extend(values, &mut bytes))?;
    message.bytes(&bytes);
    Ok(())
}

/// The next tensor, which has the shape of `like`.
fn taken<T: Sent + WithDType>(message: &mut Reader<'_>, like: &Tensor) -> Option<Tensor> {
    let values = T::parse(message.bytes()?);
    Tensor::from_vec(values, like.shape(), &Device::Cpu).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Var;

    #[test]
    fn a_descent_arrives_with_the_same_bits() -> Result<()> {
        let tensors = [
            Tensor::new(&[[1.5f32, -0.0], [f32::MIN_POSITIVE / 2.0, 3.0]], &Device::Cpu)?.t()?,
            Tensor::new(&[0.1f64], &Device::Cpu)?,
        ];
        let parameters: Vec<Parameter> = tensors
            .iter()
            .map(|tensor| {
                Ok(Parameter {
                    name: "w".to_string(),
                    var: Var::from_tensor(tensor)?,
                })
            })
            .collect::<Result<_>>()?;
        let sent = Descent {
            loss: 0.1,
            terms: vec![("nll".to_string(), f64::INFINITY)],
            gradient_norm: 0.0,
            gradients: tensors.to_vec(),
            share: 0.25,
            forward_evaluations: 7.0,
            backward_evaluations: 9.0,
        };
        let mut message = Writer::default();
        sent.write(&mut message)?;
        let message = message.finish();
        let came = Descent::read(&mut Reader::new(&message), &parameters).ok_or(TrainError::EmptyBatch)?;
        assert_eq!(format!("{:?}", came.terms), format!("{:?}", sent.terms));
        assert_eq!((came.loss, came.share), (0.1, 0.25));
        let bits = |tensor: &Tensor| -> Result<Vec<u32>> {
            let values = tensor.flatten_all()?.to_vec1::<f32>()?;
            Ok(values.into_iter().map(f32::to_bits).collect())
        };
        assert_eq!(bits(&came.gradients[0])?, bits(&sent.gradients[0])?);
        assert_eq!(came.gradients[1].to_vec1::<f64>()?, [0.1]);
        // Of another model, or cut off.
        assert!(Descent::read(&mut Reader::new(&message), &parameters[1..]).is_none());
        assert!(Descent::read(&mut Reader::new(&message[..message.len() - 1]), &parameters).is_none());
        Ok(())
    }
}

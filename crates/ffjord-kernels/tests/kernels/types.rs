//! What every type promises to threads, and how the names of kinds are read and written.

use ffjord_kernels::convolution::ConvKernel;
use ffjord_kernels::elementwise::Function;
use ffjord_kernels::linalg::{AlignedBuffer, PackedMatrix};
use ffjord_kernels::mlp::MlpKernel;
use ffjord_kernels::simd::SimdLevel;
use ffjord_kernels::{ActivationKind, Kernel, KernelError, LayerKind, MinusState, Opaque, SharedKernel, Stride};
use std::fmt::{Debug, Display};
use std::str::FromStr;

fn crosses_threads<T: Debug + Send + Sync>() {}
fn moves_between_threads<T: Debug + Send>() {}

#[test]
fn kernels_are_shared_by_threads_and_memory_moves_between_them() {
    crosses_threads::<MlpKernel<f32>>();
    crosses_threads::<ConvKernel<f64>>();
    crosses_threads::<MinusState<f32>>();
    crosses_threads::<SharedKernel<f64>>();
    crosses_threads::<<MlpKernel<f32> as Kernel<f32>>::Workspace>();
    crosses_threads::<<MlpKernel<f32> as Kernel<f32>>::Tape>();
    crosses_threads::<<ConvKernel<f64> as Kernel<f64>>::Workspace>();
    crosses_threads::<<ConvKernel<f64> as Kernel<f64>>::Tape>();
    crosses_threads::<PackedMatrix<f32>>();
    crosses_threads::<AlignedBuffer<f64>>();
    crosses_threads::<(LayerKind, ActivationKind, Stride, Function<f32>, SimdLevel, KernelError)>();
    moves_between_threads::<Opaque>();
}

fn names_are_read_back<T: FromStr<Err = KernelError> + Display + PartialEq + Debug>(all: &[T], kind: &str) {
    for value in all {
        assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(value));
    }
    let error = "tanhh".parse::<T>().unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("unknown {kind} `tanhh`: accepted are ")),
        "{error}"
    );
    assert!(all.iter().all(|value| error.contains(&value.to_string())), "{error}");
}

#[test]
fn names_of_kinds_are_read_back_and_others_refused() {
    names_are_read_back(&LayerKind::ALL, "layer type");
    names_are_read_back(&ActivationKind::ALL, "activation");
}

#[test]
fn strides_are_the_numbers_of_the_original() {
    assert_eq!(
        [1, 2, -2].map(Stride::try_from),
        [Stride::Keep, Stride::Halve, Stride::Double].map(Ok)
    );
    assert!(
        Stride::try_from(3)
            .unwrap_err()
            .to_string()
            .starts_with("unknown stride `3`")
    );
    assert_eq!(
        [Stride::Keep, Stride::Halve, Stride::Double].map(|stride| stride.output_size(6)),
        [6, 3, 12].map(Ok)
    );
    assert_eq!(Stride::Halve.output_size(7), Err(KernelError::OddSize(7)));
    assert_eq!(Stride::Halve.output_size(0), Err(KernelError::OddSize(0)));
}

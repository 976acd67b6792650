//! The numbers of a tensor's storage in row-major order, for custom operations.

use candle_core::backend::BackendStorage;
use candle_core::cpu_backend::unary_map;
use candle_core::{CpuStorage, Error, Layout, Result};
use std::borrow::Cow;

/// The elements of `layout` in `values`: a view where they lie side by side, else a copy.
pub(super) fn in_order<'a, T: Copy>(values: &'a [T], layout: &Layout) -> Cow<'a, [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Cow::Borrowed(&values[start..end]),
        None => Cow::Owned(unary_map(values, layout, |x| x)),
    }
}

/// The error of storages that hold other numbers than `f32` and `f64`, or not the same.
pub(super) fn unsupported(storage: &CpuStorage, name: &'static str) -> Error {
    Error::UnsupportedDTypeForOp(storage.dtype(), name).bt()
}

/// Runs `$map` with the slices of storages that all are `f32` or all are `f64`, and wraps the numbers that it returns.
macro_rules! on_slices {
    ($name:expr, [$(($storage:expr, $layout:expr)),+], $map:expr) => {
        on_slices!(@ $name, [$(($storage, $layout)),+], $map, F32, F64)
    };
    (@ $name:expr, [($first:expr, $layout:expr)], $map:expr, $($kind:ident),+) => {
        match $first {
            $(candle_core::CpuStorage::$kind(a) => {
                let result: candle_core::Result<Vec<_>> = $map(&$crate::ops::slices::in_order(a, $layout));
                Ok(candle_core::CpuStorage::$kind(result?))
            })+
            other => Err($crate::ops::slices::unsupported(other, $name)),
        }
    };
    (@ $name:expr, [($a:expr, $la:expr), ($b:expr, $lb:expr)], $map:expr, $($kind:ident),+) => {
        match ($a, $b) {
            $((candle_core::CpuStorage::$kind(a), candle_core::CpuStorage::$kind(b)) => {
                let result: candle_core::Result<Vec<_>> = $map(
                    &$crate::ops::slices::in_order(a, $la),
                    &$crate::ops::slices::in_order(b, $lb),
                );
                Ok(candle_core::CpuStorage::$kind(result?))
            })+
            (other, _) => Err($crate::ops::slices::unsupported(other, $name)),
        }
    };
    (@ $name:expr, [($a:expr, $la:expr), ($b:expr, $lb:expr), ($c:expr, $lc:expr)], $map:expr, $($kind:ident),+) => {
        match ($a, $b, $c) {
            $((
                candle_core::CpuStorage::$kind(a),
                candle_core::CpuStorage::$kind(b),
                candle_core::CpuStorage::$kind(c),
            ) => {
                let result: candle_core::Result<Vec<_>> = $map(
                    &$crate::ops::slices::in_order(a, $la),
                    &$crate::ops::slices::in_order(b, $lb),
                    &$crate::ops::slices::in_order(c, $lc),
                );
                Ok(candle_core::CpuStorage::$kind(result?))
            })+
            (other, _, _) => Err($crate::ops::slices::unsupported(other, $name)),
        }
    };
}
pub(super) use on_slices;

/// The last size of a shape, and the product of the others.
pub(super) fn rows_and_columns(layout: &Layout) -> Result<(usize, usize)> {
    layout.shape().dims2()
}

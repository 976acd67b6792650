//! Run-time choice of the instruction set.
//!
//! Every kernel is written once, as ordinary Rust over fixed-size arrays that the compiler vectorises, in the
//! [`Kernel::run`] of a small struct. [`SimdLevel::dispatch`] holds one copy of that code per instruction set; which
//! copy runs is decided by the [`SimdLevel`] value, which can only be made for instruction sets the processor has.

mod isa;
#[allow(
    unsafe_code,
    reason = "code compiled for an instruction set may only be called where that exists"
)]
mod level;

pub use isa::{Avx2, Avx512, Isa, Neon, Scalar};
pub use level::SimdLevel;

/// A computation that can be compiled for several instruction sets.
///
/// `run` must be `#[inline(always)]`, and so must everything hot that it calls: only code that is inlined into the
/// dispatching function is compiled with its instruction set.
///
/// ```
/// use ffjord_kernels::simd::{Isa, Kernel, SimdLevel};
///
/// struct Scale<'a>(&'a mut [f32], f32);
///
/// impl Kernel for Scale<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn run<S: Isa>(self) {
///         for x in self.0.iter_mut() {
///             *x *= self.1;
///         }
///     }
/// }
///
/// let mut x = [1.0, 2.0, 3.0];
/// SimdLevel::detect().dispatch(Scale(&mut x, 2.0));
/// assert_eq!(x, [2.0, 4.0, 6.0]);
/// ```
pub trait Kernel {
    /// What the computation returns.
    type Output;

    /// Runs the computation, compiled for the instruction set `S`.
    fn run<S: Isa>(self) -> Self::Output;
}

//! What a kernel may know at compile time about the instruction set it is compiled for.

/// An instruction set, as constants that a kernel's generic source can use.
///
/// ```
/// use ffjord_kernels::simd::{Isa, Kernel, SimdLevel};
///
/// /// How many numbers fit a vector register of the instruction set that the code is compiled for.
/// struct Lanes;
///
/// impl Kernel for Lanes {
///     type Output = usize;
///     #[inline(always)]
///     fn run<S: Isa>(self) -> usize {
///         S::VECTOR_BYTES / size_of::<f32>()
///     }
/// }
///
/// for level in SimdLevel::available() {
///     assert_eq!(level.dispatch(Lanes), level.vector_bytes() / 4);
/// }
/// ```
pub trait Isa: Copy + Send + Sync + 'static {
    /// Whether a fused multiply-add is one instruction. Without it `mul_add` would be a slow library call, so
    /// [`Real::fma`](crate::Real::fma) multiplies and adds separately.
    const FMA: bool;
    /// Bytes in the widest vector register.
    const VECTOR_BYTES: usize;
}

macro_rules! isa {
    ($(#[$meta:meta])* $name:ident, fma: $fma:expr, bytes: $bytes:expr) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name;

        impl Isa for $name {
            const FMA: bool = $fma;
            const VECTOR_BYTES: usize = $bytes;
        }
    };
}

isa!(
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512, fma: true, bytes: 64
);
isa!(
    /// x86-64 with AVX2 and FMA.
    Avx2, fma: true, bytes: 32
);
isa!(
    /// 64-bit Arm with Advanced SIMD.
    Neon, fma: true, bytes: 16
);
isa!(
    /// Whatever the compilation target guarantees (SSE2 on x86-64).
    Scalar, fma: false, bytes: 16
);

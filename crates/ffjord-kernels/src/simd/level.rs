//! The instruction sets of the running processor, and the call into the code compiled for one of them.

use super::{Isa, Kernel, Scalar};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Level {
    Scalar,
    #[cfg(target_arch = "aarch64")]
    Neon,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

/// An instruction set that the running processor has.
///
/// A value of this type is the proof that the processor has it: there is no way to make one for an instruction set
/// that was not detected. Levels are ordered, the fastest last.
///
/// ```
/// use ffjord_kernels::simd::SimdLevel;
///
/// let best = SimdLevel::detect();
/// assert!(SimdLevel::available().any(|level| level == best));
/// assert!(best >= SimdLevel::scalar());
/// println!("kernels run with {best}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimdLevel(Level);

impl SimdLevel {
    /// The fastest level of the running processor.
    #[must_use]
    pub fn detect() -> Self {
        Self::available().max().unwrap_or(Self::scalar())
    }

    /// The level every processor has.
    #[must_use]
    pub const fn scalar() -> Self {
        Self(Level::Scalar)
    }

    /// All levels of the running processor, the slowest first: what tests loop over.
    pub fn available() -> impl Iterator<Item = Self> {
        #[cfg(target_arch = "x86_64")]
        let vector = {
            let avx2 =
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("bmi2");
            let avx512 = avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            [avx2.then_some(Self(Level::Avx2)), avx512.then_some(Self(Level::Avx512))]
        };
        #[cfg(target_arch = "aarch64")]
        let vector = [std::arch::is_aarch64_feature_detected!("neon").then_some(Self(Level::Neon))];
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let vector: [Option<Self>; 0] = [];
        std::iter::once(Self::scalar()).chain(vector.into_iter().flatten())
    }

    /// Bytes in a vector register at this level.
    #[must_use]
    pub fn vector_bytes(self) -> usize {
        struct Bytes;
        impl Kernel for Bytes {
            type Output = usize;
            #[inline(always)]
            fn run<S: Isa>(self) -> usize {
                S::VECTOR_BYTES
            }
        }
        self.dispatch(Bytes)
    }

    /// Runs the copy of `kernel` that is compiled for this level.
    #[inline]
    pub fn dispatch<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            Level::Scalar => kernel.run::<Scalar>(),
            // SAFETY: a `Level::Neon` is only made in `available`, after NEON was detected.
            #[cfg(target_arch = "aarch64")]
            Level::Neon => unsafe { neon(kernel) },
            // SAFETY: a `Level::Avx2` is only made in `available`, after AVX2, FMA and BMI2 were detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { avx2(kernel) },
            // SAFETY: a `Level::Avx512` is only made in `available`, after every feature that `avx512` enables was
            // detected.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { avx512(kernel) },
        }
    }
}

impl std::fmt::Display for SimdLevel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Level::Scalar => "scalar",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "NEON",
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => "AVX2+FMA",
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => "AVX-512",
        })
    }
}

macro_rules! compiled_for {
    ($arch:literal, $name:ident, $isa:ident, $features:literal) => {
        #[cfg(target_arch = $arch)]
        #[target_feature(enable = $features)]
        fn $name<K: Kernel>(kernel: K) -> K::Output {
            kernel.run::<super::$isa>()
        }
    };
}

compiled_for!("aarch64", neon, Neon, "neon");
compiled_for!("x86_64", avx2, Avx2, "avx2,fma,bmi2");
compiled_for!(
    "x86_64",
    avx512,
    Avx512,
    "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2"
);

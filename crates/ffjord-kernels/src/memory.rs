//! Memory that a program frees and needs again.

/// Has the allocator of the C library (glibc) keep memory that is freed, up to 2 GB, instead of giving it back to the system,
/// which would hand it out again page by page and filled with zeros: that costs time where every iteration makes tensors of
/// megabytes anew.
///
/// Meant to be called once, when a program starts; a library leaves the choice to its program. Elsewhere nothing happens, and
/// the answer is `false`.
///
/// ```
/// let kept = ffjord_kernels::keep_freed_memory();
/// assert_eq!(kept, cfg!(all(target_os = "linux", target_env = "gnu")));
/// ```
pub fn keep_freed_memory() -> bool {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        /// What the heap grows by at least, in bytes.
        const GROWTH: i32 = 64 << 20;
        let settings = [
            (libc::M_MMAP_MAX, 0),
            (libc::M_TRIM_THRESHOLD, i32::MAX),
            (libc::M_TOP_PAD, GROWTH),
        ];
        settings.into_iter().all(|(setting, value)| {
            #[expect(unsafe_code, reason = "a call into the C library")]
            // SAFETY: `mallopt` takes two numbers and no memory of ours; it locks the allocator while it changes it.
            unsafe {
                libc::mallopt(setting, value) == 1
            }
        })
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    false
}

//! The process's largest resident memory, where the system tells (Linux).

/// Forgets the largest resident memory so far; where that is not possible, it stays that of the whole process.
pub(crate) fn reset_peak() {
    // Refused or missing, the number is an upper bound, which is what it claims to be.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The largest resident memory of this process so far in MB (10⁶ bytes), or since it was reset by a measurement; none where
/// the system does not tell.
///
/// ```
/// let megabytes = ffjord_study::bench::peak_mb();
/// assert!(megabytes.is_none_or(|megabytes| megabytes > 1.0));
/// ```
#[must_use]
pub fn peak_mb() -> Option<f64> {
    read("/proc/self/status")
}

/// The largest resident memory of another process, in MB.
pub(crate) fn peak_mb_of(process: u32) -> Option<f64> {
    read(&format!("/proc/{process}/status"))
}

fn read(path: &str) -> Option<f64> {
    let status = std::fs::read_to_string(path).ok()?;
    high_water_mark_kib(&status).map(|kib| kib * 1024e-6)
}

fn high_water_mark_kib(status: &str) -> Option<f64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_is_read_from_the_systems_text() {
        assert_eq!(
            high_water_mark_kib("VmPeak:\t  99 kB\nVmHWM:\t   5120 kB\nVmRSS:\t 1 kB\n"),
            Some(5120.0)
        );
        assert_eq!(high_water_mark_kib("VmRSS:\t 1 kB\n"), None);
        assert_eq!(high_water_mark_kib("VmHWM:\t many kB\n"), None);
    }
}

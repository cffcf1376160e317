//! How many descriptors this process may hold, raised as far as it may be raised without a right.

/// Raises the soft limit on open files to the hard one and returns what holds then; none where the kernel does not say.
pub(in crate::scan) fn raise_descriptors() -> Option<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    #[expect(unsafe_code, reason = "the standard library has no resource limits")]
    // SAFETY: the kernel writes one `rlimit`, which lives across the call.
    let read = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) };
    if read != 0 {
        return None;
    }
    if limit.rlim_cur < limit.rlim_max {
        let raised = libc::rlimit { rlim_cur: limit.rlim_max, ..limit };
        #[expect(unsafe_code, reason = "the standard library has no resource limits")]
        // SAFETY: the kernel reads one `rlimit`, which lives across the call.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
        if set == 0 {
            limit = raised;
        }
    }
    Some(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

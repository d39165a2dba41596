//! Memory that the allocator keeps for later, given back to the kernel.

/// Gives back what a round or a state that is gone took: the C library keeps most of it otherwise, a
/// multiple of what the agent needs while nothing happens.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function takes the allocator's own locks and touches free memory only.
    unsafe {
        libc::malloc_trim(0);
    }
}

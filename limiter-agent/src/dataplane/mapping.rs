//! Array maps as memory of the agent.

use std::os::fd::BorrowedFd;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::DataPlaneError;

/// Elements that kernel and agent may write at once.
///
/// # Safety
/// The type is `repr(C)`, of the map's element size, and made of atomics, so that every bit pattern
/// is a value and every access from here is atomic.
pub(super) unsafe trait Shared {}

/// A shared mapping of an array map.
pub(super) struct Mapping<T: Shared> {
    start: NonNull<T>,
    len: usize,
    bytes: usize,
}

impl<T: Shared> Mapping<T> {
    /// Maps `len` elements of the array behind `fd`.
    pub(super) fn new(map: &'static str, fd: BorrowedFd<'_>, len: usize) -> Result<Self, DataPlaneError> {
        let page = rustix::param::page_size();
        let bytes = (len * size_of::<T>()).next_multiple_of(page);
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, fd, 0)
        }
        .map_err(|error| DataPlaneError::syscall("mmap", map)(error.into()))?;
        let Some(start) = NonNull::new(start.cast()) else {
            return Err(DataPlaneError::syscall("mmap", map)(std::io::ErrorKind::OutOfMemory.into()));
        };
        Ok(Self { start, len, bytes })
    }

    /// Elements.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The element at `place`.
    ///
    /// # Panics
    /// Beyond the array: a slot number from elsewhere than this map would be a bug of ours.
    pub(super) fn get(&self, place: usize) -> &T {
        assert!(place < self.len, "slot {place} of {}", self.len);
        // SAFETY: inside the mapping, which lives as long as `self`; every bit pattern is a value of
        // `T`, and all access is atomic.
        unsafe { self.start.add(place).as_ref() }
    }
}

impl<T: Shared> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `new`; no reference outlives `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: the elements are atomics, so sharing and moving the mapping between threads is sound.
unsafe impl<T: Shared> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T: Shared> Sync for Mapping<T> {}

//! Whole maps in few calls: a hundred thousand entries take milliseconds instead of a syscall each.

use std::io;
use std::os::fd::BorrowedFd;

use aya::Pod;

use super::syscall::{self, Batch};

const BATCH_ENTRIES: usize = 4096;

/// All entries of a map. Entries that change meanwhile are seen before or after the change.
pub(super) fn entries<K: Pod, V: Pod>(map: BorrowedFd<'_>) -> io::Result<Vec<(K, V)>> {
    let mut found = Vec::new();
    let mut size = BATCH_ENTRIES;
    // The cursor of a hash map is a bucket number, that of a trie a key: 64 bytes hold both.
    let mut cursor = [0_u64; 8];
    let mut first = true;
    loop {
        let mut keys = Vec::<K>::with_capacity(size);
        let mut values = Vec::<V>::with_capacity(size);
        // SAFETY: both vectors have room for `size` entries of the map's key and value, whose sizes
        // were compared with the map's when it was opened; the cursor is longer than any key.
        let result = unsafe {
            syscall::map_batch(
                map,
                Batch::Lookup,
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                size as u32,
                Some((cursor.as_mut_ptr().cast(), first)),
            )
        };
        let (count, end) = match result {
            // A bucket holds more entries than the batch.
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) && size < BATCH_ENTRIES << 8 => {
                size *= 2;
                continue;
            }
            result => result?,
        };
        // SAFETY: the kernel wrote `count` entries, at most the capacity, and both types are plain data.
        unsafe {
            keys.set_len(count as usize);
            values.set_len(count as usize);
        }
        found.extend(keys.into_iter().zip(values));
        if end {
            return Ok(found);
        }
        first = false;
    }
}

/// Sets all of `entries`, new or not. On failure the entries before the failed one are set.
pub(super) fn update<K: Pod, V: Pod>(map: BorrowedFd<'_>, entries: &[(K, V)]) -> io::Result<()> {
    for chunk in entries.chunks(BATCH_ENTRIES) {
        let mut keys: Vec<K> = chunk.iter().map(|(key, _)| *key).collect();
        let mut values: Vec<V> = chunk.iter().map(|(_, value)| *value).collect();
        // SAFETY: as many keys and values as stated, of the map's sizes.
        unsafe {
            syscall::map_batch(
                map,
                Batch::Update,
                keys.as_mut_ptr().cast(),
                values.as_mut_ptr().cast(),
                chunk.len() as u32,
                None,
            )?;
        }
    }
    Ok(())
}

/// Removes all of `keys`, which the map holds.
pub(super) fn delete<K: Pod>(map: BorrowedFd<'_>, keys: &[K]) -> io::Result<()> {
    for chunk in keys.chunks(BATCH_ENTRIES) {
        let mut keys = chunk.to_vec();
        // SAFETY: as many keys as stated, of the map's size; a deletion reads no values.
        unsafe {
            syscall::map_batch(
                map,
                Batch::Delete,
                keys.as_mut_ptr().cast(),
                std::ptr::null_mut(),
                chunk.len() as u32,
                None,
            )?;
        }
    }
    Ok(())
}

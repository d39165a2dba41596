//! bpf(2) calls that aya lacks.

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use aya_obj::generated::{bpf_attach_type, bpf_attr, bpf_cmd};

/// One side of an interface's TCX chain.
#[derive(Clone, Copy)]
pub(super) struct Hook {
    pub(super) ifindex: u32,
    pub(super) attach_type: bpf_attach_type,
}

/// Where a program goes.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    First,
    Last,
    InsteadOf(BorrowedFd<'a>),
}

const BPF_F_REPLACE: u32 = 4;
const BPF_F_BEFORE: u32 = 8;
const BPF_F_AFTER: u32 = 16;

/// Attaches `program`, without a link: it stays until it is detached or the device is gone.
pub(super) fn prog_attach(hook: Hook, program: BorrowedFd<'_>, place: Place<'_>) -> io::Result<()> {
    let mut attr = zeroed();
    // SAFETY: plain integers of the variant that BPF_PROG_ATTACH reads.
    let attach = unsafe { &mut attr.__bindgen_anon_5 };
    attach.__bindgen_anon_1.target_ifindex = hook.ifindex;
    attach.attach_bpf_fd = program.as_raw_fd() as u32;
    attach.attach_type = hook.attach_type as u32;
    match place {
        Place::First => attach.attach_flags = BPF_F_BEFORE,
        Place::Last => attach.attach_flags = BPF_F_AFTER,
        Place::InsteadOf(old) => {
            attach.attach_flags = BPF_F_REPLACE;
            attach.replace_bpf_fd = old.as_raw_fd() as u32;
        }
    }
    call(bpf_cmd::BPF_PROG_ATTACH, &mut attr).map(drop)
}

/// Detaches `program`.
pub(super) fn prog_detach(hook: Hook, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr = zeroed();
    // SAFETY: plain integers of the variant that BPF_PROG_DETACH reads.
    let attach = unsafe { &mut attr.__bindgen_anon_5 };
    attach.__bindgen_anon_1.target_ifindex = hook.ifindex;
    attach.attach_bpf_fd = program.as_raw_fd() as u32;
    attach.attach_type = hook.attach_type as u32;
    call(bpf_cmd::BPF_PROG_DETACH, &mut attr).map(drop)
}

/// Ids of the programs at `hook`, in the order in which they run. EINVAL: the kernel has no TCX.
pub(super) fn prog_query(hook: Hook) -> io::Result<Vec<u32>> {
    let mut ids = [0_u32; 64];
    let mut attr = zeroed();
    // SAFETY: plain integers of the variant that BPF_PROG_QUERY reads; `ids` outlives the call and
    // has the length stated.
    let query = unsafe { &mut attr.query };
    query.__bindgen_anon_1.target_ifindex = hook.ifindex;
    query.attach_type = hook.attach_type as u32;
    query.prog_ids = ids.as_mut_ptr() as u64;
    query.__bindgen_anon_2.count = ids.len() as u32;
    call(bpf_cmd::BPF_PROG_QUERY, &mut attr)?;
    // SAFETY: the kernel wrote the count.
    let count = unsafe { attr.query.__bindgen_anon_2.count } as usize;
    Ok(ids.iter().take(count).copied().collect())
}

/// A descriptor of the program with `id`.
pub(super) fn prog_by_id(id: u32) -> io::Result<OwnedFd> {
    let mut attr = zeroed();
    attr.__bindgen_anon_6.__bindgen_anon_1.prog_id = id;
    let fd = call(bpf_cmd::BPF_PROG_GET_FD_BY_ID, &mut attr)?;
    // SAFETY: the kernel gave a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a batch call does.
#[derive(Clone, Copy)]
pub(super) enum Batch {
    Lookup,
    Update,
    Delete,
}

/// One batch call on `map`; returns how many entries it handled and whether the map's end was reached.
///
/// # Safety
/// `keys` and `values` point to `count` keys and values of the map's sizes (`values` may be null for
/// a deletion); `position` points to a cursor of the key's size, and to one from the last call
/// unless `first`.
pub(super) unsafe fn map_batch(
    map: BorrowedFd<'_>,
    what: Batch,
    keys: *mut u8,
    values: *mut u8,
    count: u32,
    cursor: Option<(*mut u8, bool)>,
) -> io::Result<(u32, bool)> {
    let mut attr = zeroed();
    // SAFETY: plain integers of the variant that the batch calls read; the pointers are as promised.
    let batch = unsafe { &mut attr.batch };
    batch.map_fd = map.as_raw_fd() as u32;
    batch.keys = keys as u64;
    batch.values = values as u64;
    batch.count = count;
    if let Some((position, first)) = cursor {
        batch.in_batch = if first { 0 } else { position as u64 };
        batch.out_batch = position as u64;
    }
    let command = match what {
        Batch::Lookup => bpf_cmd::BPF_MAP_LOOKUP_BATCH,
        Batch::Update => bpf_cmd::BPF_MAP_UPDATE_BATCH,
        Batch::Delete => bpf_cmd::BPF_MAP_DELETE_BATCH,
    };
    let result = call(command, &mut attr);
    // SAFETY: the kernel wrote the count.
    let done = unsafe { attr.batch.count };
    match result {
        Ok(_) => Ok((done, false)),
        // The last call of a lookup: ENOENT and a valid count.
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) && matches!(what, Batch::Lookup) => {
            Ok((done, true))
        }
        Err(error) => Err(error),
    }
}

fn zeroed() -> bpf_attr {
    // SAFETY: a union of plain integers, for which zero is a value.
    unsafe { std::mem::zeroed() }
}

fn call(command: bpf_cmd, attr: &mut bpf_attr) -> io::Result<i32> {
    // SAFETY: `attr` is a valid attribute union of the length stated; the kernel checks its content.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, command as libc::c_long, std::ptr::from_mut(attr), size_of::<bpf_attr>())
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as i32) }
}

//! The programs at the TCX hooks of an interface. They need no link and no pin: they stay until they
//! are detached or the device is gone, agent or not.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};

use aya::programs::loaded_programs;
use aya_obj::generated::bpf_attach_type::{BPF_TCX_EGRESS, BPF_TCX_INGRESS};
use limiter_common::meter::Direction;

use super::syscall::{self, Hook, Place};
use super::{DataPlaneError, Programs, object};

/// A program of ours that the kernel has loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The kernel's id.
    pub id: u32,
    /// What it is for.
    pub direction: Direction,
    /// It writes the meters that are pinned now; otherwise it is left over from removed pins.
    pub current: bool,
}

/// Programs of ours, by name; `meters_id` tells which write the pinned meters.
pub fn loaded(meters_id: Option<u32>) -> Vec<Loaded> {
    loaded_programs()
        .filter_map(Result::ok)
        .filter_map(|info| {
            let direction =
                Direction::ALL.into_iter().find(|&way| info.name_as_str() == Some(object::name(way)))?;
            let maps = info.map_ids().ok().flatten().unwrap_or_default();
            let current = meters_id.is_some_and(|id| maps.contains(&id));
            Some(Loaded { id: info.id(), direction, current })
        })
        .collect()
}

/// Ids of the programs at a hook, in the order in which they run; none where the device is gone.
pub fn chain(ifindex: u32, direction: Direction) -> Result<Vec<u32>, DataPlaneError> {
    match syscall::prog_query(hook(ifindex, direction)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(Vec::new()),
        result => result.map_err(DataPlaneError::syscall("bpf(BPF_PROG_QUERY)", device(ifindex, direction))),
    }
}

/// Puts the program of `direction` at the hook: instead of the program with id `old`, or first at
/// ingress and last at egress, where the packet is as the instance sent it or will get it.
pub fn attach(
    programs: &Programs,
    ifindex: u32,
    direction: Direction,
    old: Option<u32>,
) -> Result<(), DataPlaneError> {
    let failed = |call| DataPlaneError::syscall(call, device(ifindex, direction));
    let hook = hook(ifindex, direction);
    let result = match (old, direction) {
        (Some(id), _) => {
            let old = syscall::prog_by_id(id).map_err(failed("bpf(BPF_PROG_GET_FD_BY_ID)"))?;
            syscall::prog_attach(hook, programs.fd(direction), Place::InsteadOf(old.as_fd()))
        }
        (None, Direction::Up) => syscall::prog_attach(hook, programs.fd(direction), Place::First),
        (None, Direction::Down) => syscall::prog_attach(hook, programs.fd(direction), Place::Last),
    };
    result.map_err(failed("bpf(BPF_PROG_ATTACH)"))
}

/// Takes the program with `id` off the hook, which may be one of `own`; a device that is gone has none.
pub fn detach(
    own: Option<&Programs>,
    ifindex: u32,
    direction: Direction,
    id: u32,
) -> Result<(), DataPlaneError> {
    let failed = |call| DataPlaneError::syscall(call, device(ifindex, direction));
    let program = match descriptor(own, direction, id) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(()),
        result => result.map_err(failed("bpf(BPF_PROG_GET_FD_BY_ID)"))?,
    };
    match syscall::prog_detach(hook(ifindex, direction), program.as_fd()) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENODEV | libc::ENOENT)) => Ok(()),
        result => result.map_err(failed("bpf(BPF_PROG_DETACH)")),
    }
}

/// True where the kernel has TCX (6.6 and later).
pub fn has_tcx() -> bool {
    const LOOPBACK: u32 = 1;
    match syscall::prog_query(hook(LOOPBACK, Direction::Up)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::InvalidInput,
    }
}

/// A descriptor of a program. Without `CAP_SYS_ADMIN` the kernel gives none of a program that is not
/// our own.
fn descriptor(own: Option<&Programs>, direction: Direction, id: u32) -> io::Result<OwnedFd> {
    match own.filter(|own| own.ids()[direction as usize] == id) {
        Some(own) => own.fd(direction).try_clone_to_owned(),
        None => syscall::prog_by_id(id),
    }
}

fn hook(ifindex: u32, direction: Direction) -> Hook {
    let attach_type = match direction {
        Direction::Up => BPF_TCX_INGRESS,
        Direction::Down => BPF_TCX_EGRESS,
    };
    Hook { ifindex, attach_type }
}

fn device(ifindex: u32, direction: Direction) -> String {
    format!("device {ifindex} {}", direction.name())
}

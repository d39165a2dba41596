//! The kernel programs. They know ids, rates and counters; no names, plans or money.
//!
//! `limiter_up` sits at tc ingress and `limiter_down` at tc egress of the instance-facing interfaces. Read on in
//! [`limiter`] for the order of decisions.
#![no_std]
#![no_main]
#![feature(core_intrinsics)]
#![expect(internal_features, reason = "the BPF target has atomics as intrinsics only")]
#![expect(
    clippy::needless_pass_by_value,
    missing_docs,
    unreachable_pub,
    reason = "the classifier macro makes undocumented public functions"
)]

mod classify;
mod count;
mod limiter;
mod maps;
mod meter;
mod packet;
mod stamp;

use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use limiter_common::meter::Direction;

/// From the instance to the Internet.
#[classifier]
pub fn limiter_up(ctx: TcContext) -> i32 {
    limiter::run(&ctx, Direction::Up)
}

/// From the Internet to the instance.
#[classifier]
pub fn limiter_down(ctx: TcContext) -> i32 {
    limiter::run(&ctx, Direction::Down)
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

//! Finds what is missing on this machine and installs it: look, plan, apply.

mod apply;
mod kernel;
mod plan;
mod thing;

use anyhow::Result;

pub(crate) use kernel::image;
pub(crate) use thing::{Need, virtme_run};

/// The kernels that CI boots beside the one it runs on.
const VM_KERNELS: [&str; 2] = ["6.1", "6.12"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also what `test --vm` needs: an emulator and the kernels 6.1 and 6.12.
    #[arg(long)]
    vm: bool,
    /// Only say what would be installed.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut needs = vec![Need::Object, Need::Network, Need::Checks, Need::Tests];
    if args.vm {
        needs.extend(VM_KERNELS.map(|version| Need::Kernel(version.to_owned())));
    }
    if args.dry_run {
        print!("{}", plan::plan(&needs, thing::Thing::is_there));
        return Ok(());
    }
    ensure(&needs)
}

/// Installs what of `needs` is missing; says nothing when all is there.
pub(crate) fn ensure(needs: &[Need]) -> Result<()> {
    let plan = plan::plan(needs, thing::Thing::is_there);
    if plan.is_empty() {
        return Ok(());
    }
    eprint!("{plan}");
    let _lock = apply::lock()?;
    // Another setup may have finished while this one waited for the lock.
    apply::apply(&plan::plan(needs, thing::Thing::is_there))
}

//! Runs test binaries under another kernel: a virtual machine over this machine's file system, read-only.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::outcome::{self, Tally};
use crate::process::{self, End};
use crate::{setup, workspace};

/// What the traffic tests use of the kernel; loading it first keeps that time out of the tests.
const MODULES: &str = "veth dummy 8021q ifb tun sch_ingress sch_fq sch_netem sch_htb sch_tbf sch_cake sch_fq_codel \
                       cls_bpf cls_u32 cls_matchall act_police nf_tables nft_chain_nat nft_nat nft_ct nft_fib_inet \
                       nf_conntrack_netlink";

/// One test binary may take this long, starting and stopping the machine included in neither.
const BINARY_LIMIT: Duration = Duration::from_mins(15);

/// The whole run of one kernel.
const MACHINE_LIMIT: Duration = Duration::from_mins(30);

/// Starts a line that the script prints for us.
const MARK: &str = "limiter-vm:";

/// A test binary and the name that it has in Cargo.toml or in `tests/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TestBinary {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Boots the kernel of the series `version`, runs the tests of `binaries` that match `filter`, and counts.
pub(crate) fn run(version: &str, binaries: &[TestBinary], filter: Option<&str>) -> Result<Tally> {
    let image = setup::image(version)?;
    let folder = workspace::target().join("vm");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let (script_path, log_path) =
        (folder.join(format!("{version}.sh")), folder.join(format!("{version}.log")));
    // boot/vmlinuz-… lies in the folder that has lib/modules, too.
    let kernel = image.ancestors().nth(2).context("a kernel image lies in boot/")?;
    fs::write(&script_path, script(binaries, filter, kernel))
        .context("cannot write the script of the virtual machine")?;

    println!("kernel {version}: {}", image.display());
    let mut console = Console::default();
    let end = process::watch(machine(&image, &script_path), |line| {
        if console.hear(line) {
            println!("{version} | {line}");
        }
    })?;
    fs::write(&log_path, &console.log).context("cannot write the log of the virtual machine")?;
    let outcome = console.outcome(binaries, end);
    for problem in &outcome.problems {
        println!("kernel {version}: {problem} (the console is in {})", log_path.display());
    }
    println!("kernel {version}: {}", outcome.tally);
    Ok(outcome.tally)
}

/// One processor: with two, emulation without KVM breaks the kernel's patching of its own code.
///
/// Its clock counts instructions, two nanoseconds each, so that neither this machine's speed nor what else runs
/// on it decides how fast the path of a traffic test is.
fn machine(image: &Path, script: &Path) -> std::process::Command {
    let mut machine = process::limited(MACHINE_LIMIT, setup::virtme_run());
    machine.arg("--kimg").arg(image);
    machine.args(["--mods", "auto", "--name", "limiter", "--cpus", "1", "--memory", "2G"]);
    machine.args(["--disable-kvm", "--disable-microvm", "--force-9p", "--no-virtme-ng-init"]);
    machine.args(["--show-boot-console", "--verbose", "--script-sh"]).arg(format!("sh {}", script.display()));
    machine.args(["--qemu-opts", "-icount", "shift=1"]);
    machine
}

fn script(binaries: &[TestBinary], filter: Option<&str>, kernel: &Path) -> String {
    let folder = workspace::root().join("tests");
    let mut script = format!(
        "# Below this level only a dying kernel writes between our lines; the rest is shown at the end.\n\
         echo 1 > /proc/sys/kernel/printk\n\
         export TMPDIR=/run/limiter-tests RUST_BACKTRACE=1 PATH=$PATH:/usr/sbin:/sbin \
         MODPROBE_OPTIONS='--dirname={}'\n\
         mkdir -p $TMPDIR && ip link set lo up && modprobe --all {MODULES} && cd '{}' || exit 1\n\
         echo {MARK} up after $(cut -d' ' -f1 /proc/uptime) s, Linux $(uname -r)\n",
        kernel.display(),
        folder.display()
    );
    let filter = filter.map(|filter| format!(" '{}'", filter.replace('\'', "'\\''"))).unwrap_or_default();
    for TestBinary { name, path } in binaries {
        let _ = writeln!(script, "echo {MARK} start {name}");
        let limit = BINARY_LIMIT.as_secs();
        let _ = writeln!(script, "timeout -k 10 {limit} '{}' --test-threads=1{filter}", path.display());
        let _ = writeln!(script, "echo {MARK} end {name} $?");
    }
    script + "dmesg | grep -A 30 -e 'cut here' -e 'BUG:' -e 'Oops'\n" + &format!("echo {MARK} done\n")
}

/// What the machine said, and what was understood of it.
#[derive(Debug, Default)]
struct Console {
    log: String,
    is_up: bool,
    is_done: bool,
    running: Option<Tally>,
    ended: Vec<(String, Tally)>,
}

struct Outcome {
    tally: Tally,
    problems: Vec<String>,
}

impl Console {
    /// Takes one line; true when it is for the reader, false when it belongs to starting or stopping the machine.
    fn hear(&mut self, line: &str) -> bool {
        self.log.push_str(line);
        self.log.push('\n');
        let words = line.trim().strip_prefix(MARK).map(|rest| rest.split_whitespace().collect::<Vec<_>>());
        match words.as_deref() {
            Some(["up", ..]) => self.is_up = true,
            Some(["start", _]) => self.running = Some(Tally::default()),
            Some(["end", name, status]) => {
                let tally = self.running.take().unwrap_or_default();
                self.ended.push(((*name).to_owned(), tally.ended(*status == "0")));
            }
            Some(["done"]) => self.is_done = true,
            _ => {
                if let (Some(running), Some(tally)) = (&mut self.running, outcome::of_libtest(line)) {
                    *running = *running + tally;
                }
                return self.is_up && !self.is_done;
            }
        }
        true
    }

    /// A binary without a word about its end has failed, and so has a machine that never came to its end.
    fn outcome(&self, binaries: &[TestBinary], end: End) -> Outcome {
        let mut problems = Vec::new();
        if end == End::Cut {
            problems.push(format!("cut after {} minutes", MACHINE_LIMIT.as_secs() / 60));
        }
        if !self.is_up {
            problems.push("did not come up".to_owned());
        }
        for TestBinary { name, .. } in binaries {
            if !self.ended.iter().any(|(ended, _)| ended == name) {
                problems.push(format!("no outcome of {name}"));
            }
        }
        if problems.is_empty() && !self.is_done {
            problems.push("died after the last test".to_owned());
        }
        let failed = Tally { passed: 0, failed: problems.len() as u64 };
        Outcome { tally: self.ended.iter().map(|(_, tally)| *tally).sum::<Tally>() + failed, problems }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binaries() -> Vec<TestBinary> {
        let binary = |name: &str| TestBinary { name: name.to_owned(), path: PathBuf::from("/x").join(name) };
        vec![binary("kernel_verdict"), binary("vm_shape")]
    }

    fn hear(text: &str, end: End) -> (Tally, Vec<String>) {
        let mut console = Console::default();
        for line in text.lines() {
            console.hear(line);
        }
        let outcome = console.outcome(&binaries(), end);
        (outcome.tally, outcome.problems)
    }

    const GOOD: &str = "[ 1.0] Linux version 6.12\nlimiter-vm: up after 14.2 s, Linux 6.12\n\
        limiter-vm: start kernel_verdict\ntest a ... ok\n\
        test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
        limiter-vm: end kernel_verdict 0\nlimiter-vm: start vm_shape\n\
        test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s\n\
        limiter-vm: end vm_shape 0\nlimiter-vm: done\n";

    #[test]
    fn a_good_run_is_summed() {
        assert_eq!(hear(GOOD, End::Good), (Tally { passed: 5, failed: 0 }, vec![]));
    }

    #[test]
    fn silence_is_failure() {
        let (tally, problems) = hear("", End::Good);
        assert_eq!(tally, Tally { passed: 0, failed: 3 });
        assert_eq!(problems, ["did not come up", "no outcome of kernel_verdict", "no outcome of vm_shape"]);
    }

    #[test]
    fn a_hang_fails_the_binary_that_hangs() {
        let heard = GOOD.split("limiter-vm: end vm_shape").next().expect("a first part");
        let (tally, problems) = hear(heard, End::Cut);
        assert_eq!(tally, Tally { passed: 3, failed: 2 });
        assert_eq!(problems, ["cut after 30 minutes", "no outcome of vm_shape"]);
    }

    #[test]
    fn a_bad_status_is_failure_whatever_the_lines_say() {
        let (tally, problems) = hear(&GOOD.replace("end vm_shape 0", "end vm_shape 124"), End::Good);
        assert_eq!((tally, problems), (Tally { passed: 5, failed: 1 }, vec![]));
    }

    #[test]
    fn a_machine_that_dies_late_has_failed() {
        let (tally, problems) = hear(&GOOD.replace("limiter-vm: done", "Kernel panic"), End::Bad);
        assert_eq!((tally.failed, problems), (1, vec!["died after the last test".to_owned()]));
    }

    #[test]
    fn the_script_runs_each_binary_and_says_so() {
        let script = script(&binaries(), Some("it's"), Path::new("/kernel"));
        assert!(script.contains("'/x/vm_shape' --test-threads=1 'it'\\''s'\n"), "{script}");
        assert_eq!(script.matches("limiter-vm: start").count(), 2);
        assert!(script.ends_with("limiter-vm: done\n"));
    }
}

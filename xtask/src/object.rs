//! Compares the kernel object with its budget: instructions, stack, and that every atomic is the one meant.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::disassembly::{self, Program, Size};
use crate::{ebpf, process, setup, workspace};

const HEADER: &str = "\
# Budget of the kernel object: instructions and stack are upper limits, the atomics are exact.
# `cargo xtask object` compares, `cargo xtask object --bless` writes this file; read the difference before a commit.
# program  instructions  stack_bytes  fetch_adds  exchanges  plain
";

/// The stack that the kernel grants a program.
const STACK_LIMIT_BYTES: u64 = 512;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Take the object as it is for the new budget, with room for a tenth more instructions.
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Need::Object])?;
    let programs = read(&build()?)?;
    print!("{}", table(&programs));
    if args.bless {
        let path = budget_path();
        return fs::write(&path, bless(&programs))
            .with_context(|| format!("cannot write {}", path.display()));
    }
    hold(&programs)
}

/// Compares the object with the budget that is checked in.
pub(crate) fn compare() -> Result<()> {
    hold(&read(&build()?)?)
}

/// Compiles the kernel object of this machine's architecture and returns its path.
pub(crate) fn build() -> Result<PathBuf> {
    let object =
        ebpf::build(&workspace::root(), &workspace::target().join("bpf"), "limiter", env::consts::ARCH);
    object.map_err(anyhow::Error::msg)
}

/// The functions of the object in `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<Program>> {
    let objdump = workspace::find_program("llvm-objdump")
        .context("llvm-objdump is missing: run `cargo xtask setup`")?;
    let text =
        process::capture(Command::new(objdump).args(["--disassemble", "--no-show-raw-insn"]).arg(path))?;
    let programs = disassembly::parse(&text);
    if !programs.iter().any(is_entry) {
        bail!("{} holds no program", path.display());
    }
    Ok(programs)
}

/// One line for each program.
pub(crate) fn table(programs: &[Program]) -> String {
    let mut table = format!("{:12}{:>14}{:>14}\n", "program", "instructions", "stack bytes");
    for program in programs.iter().filter(|program| is_entry(program)) {
        let size = program.size();
        let _ = writeln!(table, "{:12}{:>14}{:>14}", program.name, size.instructions, size.stack_bytes);
    }
    table
}

fn hold(programs: &[Program]) -> Result<()> {
    let problems = check(programs, &budget()?);
    if !problems.is_empty() {
        bail!("the kernel object is not as agreed:\n  {}", problems.join("\n  "));
    }
    Ok(())
}

fn budget_path() -> PathBuf {
    workspace::root().join("xtask/object.txt")
}

fn budget() -> Result<String> {
    let path = budget_path();
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Every function outside `.text` is an entry point of its own.
fn is_entry(program: &Program) -> bool {
    program.section != ".text"
}

fn bless(programs: &[Program]) -> String {
    let mut budget = HEADER.to_owned();
    for program in programs.iter().filter(|program| is_entry(program)) {
        let Size { instructions, stack_bytes, fetch_adds, exchanges, plain } = program.size();
        let instructions = (instructions + instructions / 10).next_multiple_of(50);
        let name = &program.name;
        let _ = writeln!(budget, "{name}  {instructions}  {stack_bytes}  {fetch_adds}  {exchanges}  {plain}");
    }
    budget
}

fn check(programs: &[Program], budget: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for program in programs {
        for (operation, reader) in program.lost_results() {
            let name = &program.name;
            problems.push(format!(
                "{name}: `{operation}` has no result, but `{reader}` reads its operand as one"
            ));
        }
    }
    let entries: Vec<_> = programs.iter().filter(|program| is_entry(program)).collect();
    let limits: Vec<_> = budget.lines().filter_map(limit).collect();
    for program in &entries {
        match limits.iter().find(|(name, _)| *name == program.name) {
            Some((_, limit)) => problems.extend(over(&program.name, program.size(), *limit)),
            None => problems.push(format!("{} has no line in xtask/object.txt", program.name)),
        }
    }
    let gone = limits.iter().filter(|(name, _)| !entries.iter().any(|program| program.name == *name));
    problems.extend(
        gone.map(|(name, _)| format!("xtask/object.txt names {name}, which the object does not hold")),
    );
    problems
}

fn over(name: &str, size: Size, limit: Size) -> Vec<String> {
    let mut problems = Vec::new();
    if size.instructions > limit.instructions {
        problems.push(format!(
            "{name} has {} instructions, agreed are {}",
            size.instructions, limit.instructions
        ));
    }
    if size.stack_bytes > limit.stack_bytes.min(STACK_LIMIT_BYTES) {
        let allowed = limit.stack_bytes.min(STACK_LIMIT_BYTES);
        problems.push(format!("{name} uses {} bytes of stack, agreed are {allowed}", size.stack_bytes));
    }
    let atomics = |size: Size| (size.fetch_adds, size.exchanges, size.plain);
    if atomics(size) != atomics(limit) {
        let (is, agreed) = (atomics(size), atomics(limit));
        problems
            .push(format!("{name} has {is:?} atomics (fetch-add, exchange, plain), agreed are {agreed:?}"));
    }
    problems
}

fn limit(line: &str) -> Option<(&str, Size)> {
    let mut words = line.split_whitespace();
    let name = words.next().filter(|name| !name.starts_with('#'))?;
    let numbers = words.map(str::parse).collect::<Result<Vec<u64>, _>>().ok()?;
    let [instructions, stack_bytes, fetch_adds, exchanges, plain] = numbers.try_into().ok()?;
    Some((name, Size { instructions, stack_bytes, fetch_adds, exchanges, plain }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Disassembly of section classifier:\n\n0000000000000000 <up>:\n       \
        0:\tr5 = atomic_fetch_add((u64 *)(r1 + 0x0), r5)\n       1:\tr0 = r5\n       2:\texit\n";

    #[test]
    fn the_object_is_as_agreed() {
        compare().expect("the kernel object keeps its budget");
    }

    #[test]
    fn a_blessed_object_passes() {
        let programs = disassembly::parse(TEXT);
        assert_eq!(check(&programs, &bless(&programs)), [""; 0]);
    }

    #[test]
    fn each_excess_is_named() {
        let programs = disassembly::parse(TEXT);
        assert_eq!(check(&programs, "up 2 0 1 0 0"), ["up has 3 instructions, agreed are 2"]);
        let atomics = "up has (1, 0, 0) atomics (fetch-add, exchange, plain), agreed are (0, 0, 1)";
        assert_eq!(check(&programs, "up 3 0 0 0 1"), [atomics]);
        let gone = "xtask/object.txt names down, which the object does not hold";
        assert_eq!(check(&programs, "down 3 0 1 0 0"), ["up has no line in xtask/object.txt", gone]);
    }
}

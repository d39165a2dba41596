//! Reads the disassembly of a kernel object: size, stack and atomics of each program.

use std::collections::BTreeSet;

/// One instruction: its place in slots of eight bytes from the start of its section, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    slot: u64,
    text: String,
}

/// A function of the object, as `llvm-objdump --disassemble --no-show-raw-insn` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// The ELF section, which tells the program type.
    pub(crate) section: String,
    /// The name of the function.
    pub(crate) name: String,
    instructions: Vec<Instruction>,
}

/// What is counted of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    /// Instructions, in slots of eight bytes.
    pub(crate) instructions: u64,
    /// The deepest stack use, in bytes.
    pub(crate) stack_bytes: u64,
    /// Atomic additions that give the old value.
    pub(crate) fetch_adds: u64,
    /// Compare-and-exchange.
    pub(crate) exchanges: u64,
    /// Atomic operations without a result.
    pub(crate) plain: u64,
}

/// All functions of a disassembly.
pub(crate) fn parse(text: &str) -> Vec<Program> {
    let mut programs: Vec<Program> = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Disassembly of section ") {
            name.trim_end_matches(':').clone_into(&mut section);
        } else if let Some(name) = line.split_once(" <").and_then(|(_, rest)| rest.strip_suffix(">:")) {
            programs.push(Program {
                section: section.clone(),
                name: name.to_owned(),
                instructions: Vec::new(),
            });
        } else if let (Some(program), Some((slot, text))) = (programs.last_mut(), line.split_once(":\t"))
            && let Ok(slot) = slot.trim().parse()
        {
            program.instructions.push(Instruction { slot, text: text.trim().to_owned() });
        }
    }
    programs
}

impl Program {
    /// Counts instructions, stack and atomics.
    pub(crate) fn size(&self) -> Size {
        let count = |part: &str| self.texts().filter(|text| text.contains(part)).count() as u64;
        Size {
            instructions: self.slots(),
            stack_bytes: self.stack_bytes(),
            fetch_adds: count("atomic_fetch_add("),
            exchanges: count("cmpxchg"),
            plain: self.texts().filter(|text| plain_operand(text).is_some()).count() as u64,
        }
    }

    /// Atomic operations without a result whose operand is read afterwards, as (operation, reader).
    ///
    /// LLVM 22 turns an addition whose old value is wanted into one without a result, and then takes the operand for
    /// the old value (llvm-project#210280).
    pub(crate) fn lost_results(&self) -> Vec<(String, String)> {
        let mut lost = Vec::new();
        for (index, instruction) in self.instructions.iter().enumerate() {
            if let Some(operand) = plain_operand(&instruction.text) {
                let reader = self.first_reader(index + 1, operand);
                lost.extend(
                    reader.map(|reader| (instruction.text.clone(), self.instructions[reader].text.clone())),
                );
            }
        }
        lost
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.instructions.iter().map(|instruction| instruction.text.as_str())
    }

    fn slots(&self) -> u64 {
        let (Some(first), Some(last)) = (self.instructions.first(), self.instructions.last()) else {
            return 0;
        };
        last.slot + width(&last.text) - first.slot
    }

    fn stack_bytes(&self) -> u64 {
        let direct = self.texts().filter_map(|text| hex_after(text, "(r10 - 0x"));
        let copied = self.instructions.windows(2).filter_map(|pair| {
            let (register, source) = pair[0].text.split_once(" = ")?;
            let offset = hex_after(&pair[1].text, &format!("{register} += -0x"));
            offset.filter(|_| source == "r10")
        });
        direct.chain(copied).max().unwrap_or(0)
    }

    /// The first instruction on any way from `start` that reads `register` before it is written.
    fn first_reader(&self, start: usize, register: u8) -> Option<usize> {
        let mut seen = BTreeSet::new();
        let mut open = vec![start];
        while let Some(index) = open.pop() {
            let Some(instruction) = self.instructions.get(index).filter(|_| seen.insert(index)) else {
                continue;
            };
            let effect = effect(&instruction.text);
            if effect.reads.contains(&register) {
                return Some(index);
            }
            if effect.writes.contains(&register) {
                continue;
            }
            let target =
                jump(instruction).and_then(|slot| self.instructions.iter().position(|at| at.slot == slot));
            open.extend(target);
            let ends = instruction.text == "exit" || instruction.text.starts_with("goto");
            open.extend((!ends).then_some(index + 1));
        }
        None
    }
}

/// The registers that an instruction reads and writes; wide and half registers count as one.
#[derive(Debug, Default, PartialEq, Eq)]
struct Effect {
    reads: Vec<u8>,
    writes: Vec<u8>,
}

fn effect(text: &str) -> Effect {
    // A call leaves nothing in r0 to r5 that was there before; its arguments are always set on purpose.
    if text.starts_with("call") {
        return Effect { reads: Vec::new(), writes: (0..=5).collect() };
    }
    if text == "exit" {
        return Effect { reads: vec![0], writes: Vec::new() };
    }
    let assigned = text.split_once(" = ").and_then(|(left, right)| Some((register(left)?, right)));
    match assigned {
        Some((left, right)) => Effect { reads: registers(right), writes: vec![left] },
        None => Effect { reads: registers(text), writes: Vec::new() },
    }
}

fn plain_operand(text: &str) -> Option<u8> {
    let (_, operand) = text.strip_prefix("lock ")?.split_once("= ")?;
    register(operand)
}

fn registers(text: &str) -> Vec<u8> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter_map(register).collect()
}

fn register(word: &str) -> Option<u8> {
    word.strip_prefix(['r', 'w'])?.parse().ok().filter(|&number| number <= 10)
}

fn jump(instruction: &Instruction) -> Option<u64> {
    let (_, target) = instruction.text.split_once("goto ")?;
    let offset = target.split_whitespace().next()?;
    let next = instruction.slot + 1;
    match offset.strip_prefix("-0x") {
        Some(back) => next.checked_sub(u64::from_str_radix(back, 16).ok()?),
        None => Some(next + u64::from_str_radix(offset.strip_prefix("+0x")?, 16).ok()?),
    }
}

/// A load of a 64-bit constant takes two slots.
fn width(text: &str) -> u64 {
    if text.ends_with(" ll") { 2 } else { 1 }
}

fn hex_after(text: &str, prefix: &str) -> Option<u64> {
    let (_, rest) = text.split_once(prefix)?;
    let digits = rest.split(|c: char| !c.is_ascii_hexdigit()).next()?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    fn program(lines: &[&str]) -> Program {
        let mut text = "\nDisassembly of section classifier:\n\n0000000000000000 <up>:\n".to_owned();
        for (slot, line) in lines.iter().enumerate() {
            let _ = writeln!(text, "{slot:8}:\t{line}");
        }
        let [program] = parse(&text).try_into().expect("one program");
        program
    }

    #[test]
    fn a_program_is_measured() {
        let program = program(&[
            "*(u64 *)(r10 - 0x50) = r1",
            "r2 = r10",
            "r2 += -0x58",
            "lock *(u64 *)(r2 + 0x18) += r1",
            "r0 = cmpxchg_64(r9 + 0x0, r0, r2)",
            "r5 = atomic_fetch_add((u64 *)(r1 + 0x0), r5)",
            "r1 = 0x0 ll",
        ]);
        assert_eq!((program.section.as_str(), program.name.as_str()), ("classifier", "up"));
        let expected = Size { instructions: 8, stack_bytes: 0x58, fetch_adds: 1, exchanges: 1, plain: 1 };
        assert_eq!(program.size(), expected);
    }

    #[test]
    fn a_lost_result_is_found() {
        let lost = program(&["lock *(u64 *)(r2 + 0x0) += r1", "r3 = r4", "r3 -= r1", "exit"]).lost_results();
        assert_eq!(lost, [("lock *(u64 *)(r2 + 0x0) += r1".to_owned(), "r3 -= r1".to_owned())]);
    }

    #[test]
    fn a_lost_result_is_found_behind_a_jump() {
        let lines =
            ["lock *(u64 *)(r2 + 0x0) += r1", "if w3 > 0x4 goto +0x1 <up+0x18>", "exit", "w0 = w1", "exit"];
        assert_eq!(program(&lines).lost_results().len(), 1);
        let loops = ["r0 = r1", "r1 = 0x1", "lock *(u64 *)(r2 + 0x0) += r1", "goto -0x4 <up>"];
        assert_eq!(program(&loops).lost_results().len(), 1);
    }

    #[test]
    fn a_finished_operand_is_no_lost_result() {
        let set_again = ["lock *(u64 *)(r2 + 0x0) += r1", "r1 = 0x5", "r0 = r1", "exit"];
        assert_eq!(program(&set_again).lost_results(), []);
        let called = ["lock *(u64 *)(r2 + 0x0) += r1", "call 0x5", "exit"];
        assert_eq!(program(&called).lost_results(), []);
    }
}

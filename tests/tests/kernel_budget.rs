//! What the programs ask of the verifier and the JIT on this kernel.

use limiter_common::meter::Direction;
use limiter_tests::program::Fixture;

/// Instructions the verifier may look at, twice the most seen (6.18); the kernel allows a million.
const VERIFIED_MAX: u32 = 100_000;
/// Instructions of a program after the verifier's own additions.
const TRANSLATED_MAX_BYTES: u32 = 8 * 2_000;

#[test]
fn the_verifier_has_an_easy_task() {
    let mut fixture = Fixture::small();
    for direction in Direction::ALL {
        let info = fixture.programs.classifier(direction).info().expect("information on a loaded program");
        let verified = info.verified_instruction_count().expect("kernels since 5.16 count them");
        let translated = info.size_translated().expect("root may read it");
        let jitted = info.size_jitted();
        println!("{}: {verified} verified, {translated} B translated, {jitted} B native", direction.name());
        assert!(verified <= VERIFIED_MAX, "{}: {verified} instructions verified", direction.name());
        assert!(translated <= TRANSLATED_MAX_BYTES, "{}: {translated} bytes", direction.name());
        assert!(jitted > 0, "{}: the JIT is off (sysctl net.core.bpf_jit_enable=1)", direction.name());
    }
}

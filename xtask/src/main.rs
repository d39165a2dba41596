//! Build, check, test, bench and demo.

fn main() {}

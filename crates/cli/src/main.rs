//! The shuyuan binary: arguments in, exit code out.

fn main() {}

//! What a process uses of the machine's processors.

use std::fs;
use std::time::Duration;

/// The time it has run so far, on all of them together; panics if there is no such process.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its /proc entry");
    // The second field is a name in parentheses; user and system time are the 14th and 15th, in 1/100 s.
    let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
    let ticks = fields.split_ascii_whitespace().skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 10)
}

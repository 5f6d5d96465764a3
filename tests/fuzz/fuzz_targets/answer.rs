//! Any bytes as an answer: never a panic, the same outcome in any pieces. Seeds: `corpus/answer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::exchange::fuzz::answer(bytes));

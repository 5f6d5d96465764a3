//! A mode and up to three answers: what is merged is valid and keeps every value. Seeds: `corpus/merge`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::aggregate::json::fuzz::merge_keeps_values(bytes));

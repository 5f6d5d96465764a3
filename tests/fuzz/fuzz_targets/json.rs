//! Any bytes as JSON: accepted and read exactly as `serde_json` does. Seeds: `corpus/json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| gateway::aggregate::json::fuzz::parse_agrees(bytes));

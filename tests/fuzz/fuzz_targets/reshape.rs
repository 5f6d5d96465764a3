//! A template and a body: what is made of them is JSON and keeps every value. Seeds: `corpus/reshape`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    gateway::aggregate::fuzz::reshape_keeps_values(bytes);
});

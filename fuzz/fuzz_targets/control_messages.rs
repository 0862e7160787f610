#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| udpkit::fuzzing::control_messages(data));

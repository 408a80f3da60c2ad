//! Registries of workloads; what must hold of them is the property of that name.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tests::properties::registry::registry(data));

//! JSON held against RFC 8259 and `serde_json`. The rows of the tables are also the seeds of the fuzz targets.
#![allow(clippy::unwrap_used, clippy::panic)]

mod grammar;
mod look;
mod merging;
mod random;

use std::path::PathBuf;

fn corpus(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fuzz/corpus")
        .join(target)
}

/// With `UPDATE_CORPUS` set it writes the seed.
fn assert_is_seed(target: &str, name: &str, text: &[u8]) {
    let path = corpus(target).join(name);
    if std::env::var_os("UPDATE_CORPUS").is_some() {
        std::fs::create_dir_all(corpus(target)).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let seed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(seed, text, "{name}");
}

fn replay(target: &str, property: fn(&[u8])) {
    for seed in std::fs::read_dir(corpus(target)).unwrap() {
        let path = seed.unwrap().path();
        println!("{}", path.display());
        property(&std::fs::read(path).unwrap());
    }
}

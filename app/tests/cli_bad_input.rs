//! Wrong calls that are refused before the engine is asked. `cli_bad_models.rs` has those that it takes a model to refuse.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a broken fixture is a failed test")]

mod common;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use common::{Case, check_all, fails_with, run};

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Grammar.
    (&["paint", "a red apple"], 2, "see `imagen --help`"),
    (&["generate", "x", "--sed", "3"], 2, "see `imagen generate --help`"),
    (&["generate", "x", "y"], 2, "see `imagen generate --help`"),
    (&["generate", "x", "--steps"], 2, "see `imagen generate --help`"),
    (&["generate", "x", "--seed", "1", "--seed", "2"], 2, "see `imagen generate --help`"),
    (&["compare"], 2, "see `imagen compare --help`"),
    (&["settings"], 2, "see `imagen settings --help`"),
    // Values that cannot be read.
    (&["generate", "x", "--steps", "many"], 2, "give a whole number from 1 to 1000"),
    (&["generate", "x", "--steps", "smart51"], 2, "smart50"),
    (&["generate", "x", "--steps", "-3"], 2, "give a whole number from 1 to 1000"),
    (&["generate", "x", "--steps", "64=3,64=4"], 2, "give each stage one value"),
    (&["generate", "x", "--steps", "large=3"], 2, "name it by its pixels"),
    (&["generate", "x", "--sampler", "euler"], 2, "give ddpm, ddim or dpmpp_2m"),
    (&["generate", "x", "--threshold", "hard"], 2, "give none, static or dynamic"),
    (&["generate", "x", "--guidance", "four"], 2, "give one such as 4 or 0.5"),
    (&["generate", "x", "--guidance", ""], 2, "--guidance"),
    (&["generate", "x", "--percentile", "most"], 2, "give one such as"),
    (&["generate", "x", "--cap", "off"], 2, "give one such as"),
    (&["generate", "x", "--aug-level", "64="], 2, "give one such as"),
    (&["generate", "x", "--eta", "64:0.5"], 2, "give one such as"),
    (&["generate", "x", "--seed", "-1"], 2, "--seed"),
    (&["generate", "x", "--seed", "18446744073709551616"], 2, "--seed"),
    (&["generate", "x", "--count", "0.5"], 2, "--count"),
    (&["generate", "x", "--until", "big"], 2, "--until"),
    (&["generate", "x", "--device", "gpu"], 2, "give auto, cpu, or gpu:N"),
    (&["generate", "x", "--device", "gpu:-1"], 2, "give auto, cpu, or gpu:N"),
    (&["compare", "x", "--guidance", "1,,3"], 2, "give one such as"),
    (&["compare", "x", "--threshold", "none,soft"], 2, "give none, static or dynamic"),
    // Files with settings.
    (&["generate", "--settings", "{dir}/missing.png"], 1, "give a PNG made by imagen-wgpu"),
    (&["generate", "--settings", "{dir}/text.png"], 1, "give a PNG made by imagen-wgpu"),
    (&["generate", "--settings", "{dir}/empty.png"], 1, "give a PNG made by imagen-wgpu"),
    (&["generate", "--settings", "{dir}/truncated.png"], 1, "give a PNG made by imagen-wgpu"),
    (&["generate", "--settings", "{dir}/bare.png"], 1, "carries no settings"),
    (&["generate", "--settings", "{dir}/broken.png"], 1, "its settings cannot be read"),
    (&["generate", "--settings", "{dir}"], 1, "give a PNG made by imagen-wgpu"),
    (&["settings", "{dir}/bare.png"], 1, "carries no settings"),
    (&["settings", "{dir}/missing.png"], 1, "cannot be read"),
    (&["settings", "{dir}/missing\nerror: two"], 1, "cannot be read"),
];

fn png(texts: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 1, 1);
    encoder.set_color(png::ColorType::Rgb);
    for (keyword, text) in texts {
        encoder.add_itxt_chunk((*keyword).into(), (*text).into()).expect("a text");
    }
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[1, 2, 3]).expect("pixels");
    writer.finish().expect("an end");
    bytes
}

fn write_files(dir: &Path) {
    let put = |name: &str, bytes: &[u8]| fs::write(dir.join(name), bytes).expect("written");
    put("text.png", b"not a picture");
    put("empty.png", b"");
    put("truncated.png", &png(&[])[..20]);
    put("bare.png", &png(&[]));
    put("broken.png", &png(&[("imagen", "{\"format\":")]));
}

#[test]
fn each_wrong_call_is_one_line_that_says_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    write_files(dir.path());
    check_all(dir.path(), CASES);
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_unicode_are_refused() {
    use std::os::unix::ffi::OsStringExt as _;
    let dir = tempfile::tempdir().expect("a folder");
    let bad = || OsString::from_vec(b"\xff\xfe".to_vec());
    let lines = [vec!["generate".into(), bad()], vec![bad()], vec!["compare".into(), bad()]];
    for line in lines {
        fails_with(&run(dir.path(), &line), 2, "see `imagen").unwrap_or_else(|why| panic!("{line:?}: {why}"));
    }
    // A path need not be Unicode: it is looked for, and named in the message.
    fails_with(&run(dir.path(), &["settings".into(), bad()]), 1, "cannot be read").expect("a file that is missing");
}

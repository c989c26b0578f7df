//! Cards of the paper's own sizes: they load by shape, and their parameters are counted.

use burn::tensor::Device;
use imagen_engine::models::imagen::{Unet, UnetConfig};
use imagen_engine::models::weights::{Loader, WeightSource};
use imagen_tests::repo;

fn parameters(name: &str) -> u64 {
    let path = repo().join(format!("assets/cards/imagen-paper-{name}.json"));
    let card = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let config = UnetConfig::from_json(&card).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let device = Device::flex();
    let loader = Loader::new(WeightSource::Describe, &device);
    Unet::load(&config, &loader.root()).expect("describing needs no file");
    loader.parameters()
}

/// The paper says 2B, 600M and 400M. Appendix F fixes widths, depths and attention and leaves the rest to the reader (width of the
/// embedding, heads of the text pooling, where skips join), so counts of its own tables differ from its text: F.2 and F.3 describe
/// networks that differ by one self-attention only.
#[test]
fn the_papers_sizes_are_counted() {
    assert_eq!(parameters("base"), 2_399_827_971);
    assert_eq!(parameters("sr256"), 459_126_147);
    assert_eq!(parameters("sr1024"), 454_927_747);
}

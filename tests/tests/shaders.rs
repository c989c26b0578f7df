//! Every .wgsl file of the repository: known to the registry, valid in every specialisation, translated to what the three APIs take.

use std::collections::BTreeSet;
use std::path::PathBuf;

use imagen_shaders::{Kernel, Module, Specialisation, Target, demands, kernels, modules, specialisations, translate};
use imagen_tests::repo;

/// Every .wgsl file on disk, outside target/ and hidden folders, relative to the repository.
fn files() -> BTreeSet<PathBuf> {
    fn visit(folder: PathBuf, found: &mut BTreeSet<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                visit(path, found);
            } else if name.ends_with(".wgsl") {
                found.insert(path.strip_prefix(repo()).expect("inside the repository").to_owned());
            }
        }
    }
    let mut found = BTreeSet::new();
    for folder in ["app", "engine", "shaders", "assets", "tests"] {
        if repo().join(folder).is_dir() {
            visit(repo().join(folder), &mut found);
        }
    }
    found
}

#[test]
fn every_file_is_registered_and_every_registered_file_is_there() {
    let kernels = kernels().map(|k| PathBuf::from(format!("shaders/kernels/{}.wgsl", k.name)));
    let modules = modules().map(|m| PathBuf::from(format!("shaders/shared/{}.wgsl", m.name)));
    let registered: BTreeSet<_> = kernels.into_iter().chain(modules).collect();
    assert_eq!(files(), registered);
}

#[test]
fn no_file_has_template_holes() {
    for file in files() {
        let text = std::fs::read_to_string(repo().join(&file)).expect("readable");
        assert!(!text.contains("{{") && !text.contains("#import") && !text.contains("${"), "{}", file.display());
    }
}

#[test]
fn every_kernel_and_module_is_in_a_specialisation() {
    let all = specialisations();
    let launched: BTreeSet<&str> = all.iter().map(|s| s.kernel.name).collect();
    let imported: BTreeSet<&str> = all.iter().flat_map(Specialisation::imports).map(|m| m.name).collect();
    assert_eq!(launched, kernels().map(|k| k.name).into());
    assert_eq!(imported, modules().map(|m| m.name).into());
    let labels: BTreeSet<String> = all.iter().map(Specialisation::label).collect();
    assert_eq!(labels.len(), all.len(), "two specialisations of the same label would share a pipeline");
}

#[test]
fn every_specialisation_is_valid_and_translates() {
    for shader in specialisations() {
        for target in [Target::Vulkan, Target::Metal, Target::Dx12] {
            let text = translate(&shader, target).unwrap_or_else(|e| panic!("{e}"));
            assert!(text.len() > 500, "{} for {target:?} is only {} bytes", shader.label(), text.len());
        }
    }
}

#[test]
fn every_specialisation_has_one_entry_point_and_keeps_within_16_kib_and_256_invocations() {
    for shader in specialisations() {
        let demands = demands(&shader).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(demands.entry_points, [shader.kernel.name], "{}", shader.label());
        assert!(demands.workgroup_bytes <= 16 << 10, "{}: {demands:?}", shader.label());
        assert_eq!(demands.invocations, 256, "{}", shader.label());
    }
}

/// A shader with other imports or another source; leaked, as the registry's are static.
fn altered(shader: &Specialisation, imports: Vec<&'static Module>, source: &'static str) -> Specialisation {
    let imports: &'static [&'static Module] = imports.leak();
    let kernel: &'static Kernel = Box::leak(Box::new(Kernel { name: shader.kernel.name, source, imports }));
    Specialisation { kernel, ..shader.clone() }
}

#[test]
fn every_import_is_needed() {
    for shader in specialisations() {
        for left_out in shader.kernel.imports {
            let rest = shader.kernel.imports.iter().copied().filter(|m| m != left_out).collect();
            let without = altered(&shader, rest, shader.kernel.source);
            assert!(translate(&without, Target::Vulkan).is_err(), "{} is valid without {}", shader.label(), left_out.name);
        }
        if shader.storage.is_some() {
            let without = Specialisation { storage: None, ..shader.clone() };
            assert!(translate(&without, Target::Vulkan).is_err(), "{} is valid without a storage", shader.label());
        }
    }
}

#[test]
fn a_broken_shader_is_named_with_the_reason() {
    let shader = specialisations().into_iter().next().expect("a shader");
    let broken = altered(&shader, shader.kernel.imports.to_vec(), "fn attention( {");
    let error = translate(&broken, Target::Vulkan).expect_err("no WGSL").to_string();
    assert!(error.contains("attention") && error.contains("expected"), "{error}");
}

//! `imagen devices`.

use imagen_protocol::{Adapter, AdapterKind};
use serde::Serialize;

use crate::args::DevicesArgs;
use crate::output::Output;
use crate::runtime::Runtime;
use crate::units;

/// `imagen devices --json`.
#[derive(Serialize)]
struct Devices {
    /// What `--device auto` takes: "gpu:N" or "cpu".
    auto: String,
    adapters: Vec<Adapter>,
}

/// Lists what pictures can be computed on.
pub fn run(args: &DevicesArgs, runtime: Runtime<'_>, output: &mut Output<'_>) {
    let adapters = (runtime.adapters)();
    let auto = automatic(&adapters);
    if args.json {
        // Plain data: it has JSON.
        if let Ok(text) = serde_json::to_string_pretty(&Devices { auto, adapters }) {
            output.say(&text);
        }
        return;
    }
    for adapter in &adapters {
        lines(adapter).iter().for_each(|line| output.say(line));
    }
    output.say("cpu    the CPU backend: needs no adapter");
    output.say(&format!("--device auto takes {auto}"));
}

/// The engine's rule: the first adapter that is hardware and can run the kernels, else the CPU.
fn automatic(adapters: &[Adapter]) -> String {
    best(adapters).map_or_else(|| "cpu".into(), |a| format!("gpu:{}", a.index))
}

/// What the engine takes when it may choose; `None` is the CPU.
pub fn best(adapters: &[Adapter]) -> Option<&Adapter> {
    adapters.iter().find(|a| a.kind != AdapterKind::Software && a.unusable.is_none())
}

fn lines(adapter: &Adapter) -> Vec<String> {
    let id = format!("gpu:{}", adapter.index);
    let mut lines = vec![
        format!("{id:<7}{} ({}, {}) {}", adapter.name, adapter.api, kind(adapter.kind), adapter.driver).trim_end().to_owned(),
        format!(
            "       tensors up to {}, buffers up to {}, workgroups of {} with {}{}",
            units::bytes(adapter.max_binding_bytes),
            units::bytes(adapter.max_buffer_bytes),
            adapter.max_invocations,
            units::bytes(adapter.workgroup_memory_bytes.into()),
            features(adapter)
        ),
    ];
    if let Some(reason) = &adapter.unusable {
        lines.push(format!("       cannot be used: {reason}"));
    } else if adapter.kind == AdapterKind::Software {
        lines.push("       slower than the CPU backend: used only when named".into());
    }
    lines
}

fn features(adapter: &Adapter) -> String {
    let all = [(adapter.shader_f16, "f16"), (adapter.subgroups, "subgroups"), (adapter.cooperative_matrix, "matrix units")];
    all.into_iter().filter(|(has, _)| *has).map(|(_, name)| format!(", {name}")).collect()
}

/// What a kind of adapter is called.
pub fn kind(kind: AdapterKind) -> &'static str {
    match kind {
        AdapterKind::Discrete => "discrete",
        AdapterKind::Integrated => "integrated",
        AdapterKind::Virtual => "virtual",
        AdapterKind::Software => "software",
        AdapterKind::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(index: usize, kind: AdapterKind, unusable: Option<&str>) -> Adapter {
        Adapter {
            index,
            name: "Model X".into(),
            api: "Vulkan".into(),
            kind,
            driver: "mesa 25".into(),
            max_binding_bytes: 128 << 20,
            max_buffer_bytes: 256 << 20,
            workgroup_memory_bytes: 32 << 10,
            max_invocations: 1024,
            shader_f16: true,
            subgroups: true,
            cooperative_matrix: false,
            unusable: unusable.map(str::to_owned),
        }
    }

    #[test]
    fn auto_takes_the_first_usable_hardware() {
        let software = adapter(1, AdapterKind::Software, None);
        let broken = adapter(0, AdapterKind::Discrete, Some("it has no compute shaders"));
        assert_eq!(automatic(&[broken.clone(), software.clone()]), "cpu");
        assert_eq!(automatic(&[broken, software, adapter(2, AdapterKind::Integrated, None)]), "gpu:2");
    }

    #[test]
    fn an_adapter_is_two_lines_and_a_reason() {
        let usable = lines(&adapter(0, AdapterKind::Discrete, None));
        assert_eq!(usable[0], "gpu:0  Model X (Vulkan, discrete) mesa 25");
        assert_eq!(
            usable[1],
            "       tensors up to 134 MB, buffers up to 268 MB, workgroups of 1024 with 32.8 kB, f16, subgroups"
        );
        assert_eq!(usable.len(), 2);
        assert!(lines(&adapter(0, AdapterKind::Software, None))[2].contains("only when named"));
        assert!(lines(&adapter(0, AdapterKind::Discrete, Some("why")))[2].ends_with("cannot be used: why"));
    }
}

//! Every kernel with its imports, and every specialisation that the engine launches.

use crate::{ATTENTION_MAX_D, THRESHOLD_SHIFTS};

/// A file of `shared/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// The file's name without its extension.
    pub name: &'static str,
    pub source: &'static str,
}

/// A file of `kernels/`: one entry point, which has the file's name.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// The file's name without its extension.
    pub name: &'static str,
    pub source: &'static str,
    /// Stand before the source, after the storage module.
    pub imports: &'static [&'static Module],
}

/// How a kernel's tensors lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    F32,
    /// Needs the adapter's `shader-f16`. Accumulation stays in f32.
    F16,
}

/// A kernel, ready to be compiled: its modules and its override constants are chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Specialisation {
    pub kernel: &'static Kernel,
    /// For kernels that import a storage.
    pub storage: Option<Storage>,
    pub constants: Vec<(&'static str, f64)>,
}

macro_rules! file {
    ($type:ident, $folder:literal, $name:literal $(, $field:ident: $value:expr)*) => {
        $type { name: $name, source: include_str!(concat!("../", $folder, "/", $name, ".wgsl")) $(, $field: $value)* }
    };
}

static GRID: Module = file!(Module, "shared", "grid");
static THRESHOLD: Module = file!(Module, "shared", "threshold");
static STORAGE_F32: Module = file!(Module, "shared", "storage_f32");
static STORAGE_F16: Module = file!(Module, "shared", "storage_f16");

static ATTENTION: Kernel = file!(Kernel, "kernels", "attention", imports: &[&GRID]);
static HISTOGRAM: Kernel = file!(Kernel, "kernels", "dynamic_threshold_histogram", imports: &[&GRID, &THRESHOLD]);
static SELECT: Kernel = file!(Kernel, "kernels", "dynamic_threshold_select", imports: &[&GRID, &THRESHOLD]);
static APPLY: Kernel = file!(Kernel, "kernels", "dynamic_threshold", imports: &[&GRID, &THRESHOLD]);
static REPORT: Kernel = file!(Kernel, "kernels", "dynamic_threshold_report", imports: &[&GRID, &THRESHOLD]);

/// All files of `kernels/`.
pub fn kernels() -> [&'static Kernel; 5] {
    [&ATTENTION, &HISTOGRAM, &SELECT, &APPLY, &REPORT]
}

/// All files of `shared/`.
pub fn modules() -> [&'static Module; 4] {
    [&GRID, &THRESHOLD, &STORAGE_F32, &STORAGE_F16]
}

/// Every specialisation that the functions below can give.
pub fn specialisations() -> Vec<Specialisation> {
    let mut all: Vec<Specialisation> = Vec::new();
    for storage in [Storage::F32, Storage::F16] {
        all.extend((1..=ATTENTION_MAX_D).map(|d| attention(d, storage)));
    }
    all.dedup();
    for shift in THRESHOLD_SHIFTS {
        all.extend([dynamic_threshold_histogram(shift), dynamic_threshold_select(shift)]);
    }
    all.extend([dynamic_threshold(), dynamic_threshold_report()]);
    all
}

/// `attention.wgsl` for heads of width `d`, at most [`ATTENTION_MAX_D`].
pub fn attention(d: usize, storage: Storage) -> Specialisation {
    let vectors = d.div_ceil(4);
    let columns = vectors.next_power_of_two().clamp(4, 16);
    let each = if vectors > columns { 2 } else { 1 };
    let values = (256 / (columns * each)).min(32);
    let constants = vec![("COLUMNS", columns as f64), ("COLUMNS_EACH", f64::from(each as u32)), ("VALUES", values as f64)];
    Specialisation { kernel: &ATTENTION, storage: Some(storage), constants }
}

/// The pass that counts by the digit of |x0_hat|'s bits at `shift`.
pub fn dynamic_threshold_histogram(shift: u32) -> Specialisation {
    Specialisation { kernel: &HISTOGRAM, storage: None, constants: vec![("SHIFT", f64::from(shift))] }
}

/// The pass that finds the order statistics' digit at `shift`.
pub fn dynamic_threshold_select(shift: u32) -> Specialisation {
    Specialisation { kernel: &SELECT, storage: None, constants: vec![("SHIFT", f64::from(shift))] }
}

/// The pass that clamps, divides and counts.
pub fn dynamic_threshold() -> Specialisation {
    Specialisation { kernel: &APPLY, storage: None, constants: Vec::new() }
}

/// The pass that writes s and the clipped share.
pub fn dynamic_threshold_report() -> Specialisation {
    Specialisation { kernel: &REPORT, storage: None, constants: Vec::new() }
}

impl Specialisation {
    /// Tells it from every other one: `attention f16 COLUMNS=16 COLUMNS_EACH=1 VALUES=16`.
    pub fn label(&self) -> String {
        let storage = self.storage.map_or("", |s| match s {
            Storage::F32 => " f32",
            Storage::F16 => " f16",
        });
        let constants: String = self.constants.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{}{storage}{constants}", self.kernel.name)
    }

    /// The modules that stand before the kernel. A storage comes first, because `enable` has to.
    pub fn imports(&self) -> Vec<&'static Module> {
        let storage = self.storage.map(|s| match s {
            Storage::F32 => &STORAGE_F32,
            Storage::F16 => &STORAGE_F16,
        });
        storage.into_iter().chain(self.kernel.imports.iter().copied()).collect()
    }

    /// One WGSL text: the imports, then the kernel.
    pub fn source(&self) -> String {
        let imports: String = self.imports().iter().map(|module| format!("{}\n", module.source)).collect();
        imports + self.kernel.source
    }
}

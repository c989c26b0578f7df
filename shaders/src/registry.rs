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
static CONVOLUTION: Module = file!(Module, "shared", "convolution");
static THRESHOLD: Module = file!(Module, "shared", "threshold");
static STORAGE_F32: Module = file!(Module, "shared", "storage_f32");
static STORAGE_F16: Module = file!(Module, "shared", "storage_f16");

static ATTENTION: Kernel = file!(Kernel, "kernels", "attention", imports: &[&GRID]);
static CONV2D: Kernel = file!(Kernel, "kernels", "conv2d", imports: &[&GRID, &CONVOLUTION]);
static CONV2D_SUM: Kernel = file!(Kernel, "kernels", "conv2d_sum", imports: &[&GRID, &CONVOLUTION]);
static HISTOGRAM: Kernel = file!(Kernel, "kernels", "dynamic_threshold_histogram", imports: &[&GRID, &THRESHOLD]);
static SELECT: Kernel = file!(Kernel, "kernels", "dynamic_threshold_select", imports: &[&GRID, &THRESHOLD]);
static APPLY: Kernel = file!(Kernel, "kernels", "dynamic_threshold", imports: &[&GRID, &THRESHOLD]);
static REPORT: Kernel = file!(Kernel, "kernels", "dynamic_threshold_report", imports: &[&GRID, &THRESHOLD]);

/// All files of `kernels/`.
pub fn kernels() -> [&'static Kernel; 7] {
    [&ATTENTION, &CONV2D, &CONV2D_SUM, &HISTOGRAM, &SELECT, &APPLY, &REPORT]
}

/// All files of `shared/`.
pub fn modules() -> [&'static Module; 5] {
    [&GRID, &CONVOLUTION, &THRESHOLD, &STORAGE_F32, &STORAGE_F16]
}

/// Every specialisation that the functions below can give.
pub fn specialisations() -> Vec<Specialisation> {
    let mut all: Vec<Specialisation> = Vec::new();
    for storage in [Storage::F32, Storage::F16] {
        all.extend((1..=ATTENTION_MAX_D).map(|d| attention(d, storage)));
        all.extend(ConvTile::ALL.map(|tile| conv2d(tile, storage)));
    }
    all.dedup();
    for shift in THRESHOLD_SHIFTS {
        all.extend([dynamic_threshold_histogram(shift), dynamic_threshold_select(shift)]);
    }
    all.extend([conv2d_sum(), dynamic_threshold(), dynamic_threshold_report()]);
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

/// How many channels and pixels a workgroup of `conv2d.wgsl` makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConvTile {
    /// 16 channels of 256 pixels: for the few channels of a picture.
    Narrow,
    /// 64 channels of 64 pixels: for few pixels.
    Square,
    /// 64 channels of 128 pixels.
    Wide,
}

impl ConvTile {
    const ALL: [Self; 3] = [Self::Narrow, Self::Square, Self::Wide];

    /// The tile that wastes least on `c_out` channels of so many pixels.
    pub fn of(c_out: usize, pixels: usize) -> Self {
        match (c_out, pixels) {
            (..=16, _) => Self::Narrow,
            (_, ..1024) => Self::Square,
            _ => Self::Wide,
        }
    }

    /// Channels.
    pub const fn rows(self) -> usize {
        if matches!(self, Self::Narrow) { 16 } else { 64 }
    }

    /// Pixels.
    pub const fn columns(self) -> usize {
        4096 / self.rows() * self.each()
    }

    /// Terms of the sums that stand in workgroup memory at a time.
    pub const fn depth(self) -> usize {
        if matches!(self, Self::Narrow) { 8 } else { 16 }
    }

    const fn each(self) -> usize {
        if matches!(self, Self::Wide) { 2 } else { 1 }
    }
}

/// Convolution by tiles; the storage is that of the weights.
pub fn conv2d(tile: ConvTile, storage: Storage) -> Specialisation {
    let constants = [("ROWS", tile.rows()), ("EACH", tile.each()), ("DEPTH", tile.depth())];
    let constants = constants.map(|(name, value)| (name, value as f64)).to_vec();
    Specialisation { kernel: &CONV2D, storage: Some(storage), constants }
}

/// The pass that adds up the parts of split sums.
pub fn conv2d_sum() -> Specialisation {
    Specialisation { kernel: &CONV2D_SUM, storage: None, constants: Vec::new() }
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

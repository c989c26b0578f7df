//! A set of memory-mapped safetensors files seen as one table of tensors.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
#[cfg(unix)]
use memmap2::UncheckedAdvice;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};

use super::WeightError;

/// Where one tensor lies and what it is.
#[derive(Clone, Debug)]
pub struct TensorEntry {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    file: usize,
    start: usize,
    end: usize,
}

impl TensorEntry {
    pub fn bytes(&self) -> usize {
        self.end - self.start
    }
}

struct Mapped {
    path: PathBuf,
    map: Mmap,
}

/// Headers are read and checked against the file's length; the data stays on disk until a tensor is asked for.
pub struct WeightFiles {
    files: Vec<Mapped>,
    tensors: BTreeMap<String, TensorEntry>,
}

impl std::fmt::Debug for WeightFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WeightFiles({} files, {} tensors)", self.files.len(), self.tensors.len())
    }
}

impl WeightFiles {
    /// # Errors
    /// [`WeightError::Io`], [`WeightError::Pickle`], [`WeightError::Damaged`], [`WeightError::Duplicate`].
    pub fn open<P: AsRef<Path>>(paths: &[P]) -> Result<Self, WeightError> {
        let mut set = Self { files: Vec::new(), tensors: BTreeMap::new() };
        for path in paths {
            set.add(path.as_ref())?;
        }
        Ok(set)
    }

    fn add(&mut self, path: &Path) -> Result<(), WeightError> {
        let mapped = map(path)?;
        let (header, metadata) = read_header(&mapped)?;
        let file = self.files.len();
        for (name, info) in metadata.tensors() {
            let (start, end) = range(info.data_offsets, header, mapped.map.len())
                .ok_or_else(|| WeightError::Damaged { path: path.to_owned(), reason: format!("{name:?} lies outside it") })?;
            let entry = TensorEntry { dtype: info.dtype, shape: info.shape.clone(), file, start, end };
            if let Some(earlier) = self.tensors.insert(name.clone(), entry) {
                let other = self.files.get(earlier.file).map_or(path, |f| &f.path).to_owned();
                return Err(WeightError::Duplicate { path: path.to_owned(), other, name });
            }
        }
        self.files.push(mapped);
        Ok(())
    }

    pub fn get(&self, name: &str) -> Option<&TensorEntry> {
        self.tensors.get(name)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &TensorEntry)> {
        self.tensors.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// The tensor's bytes, little-endian, row-major.
    pub fn data(&self, entry: &TensorEntry) -> &[u8] {
        &self.files[entry.file].map[entry.start..entry.end]
    }

    /// The tensor was read: its pages need not count as this process's memory. The system keeps them for as long as it has room.
    pub(super) fn release(&self, entry: &TensorEntry) {
        #[cfg(unix)]
        {
            let length = entry.end - entry.start;
            // SAFETY: a read-only map of a file: pages that are asked for again are read again.
            let advised =
                unsafe { self.files[entry.file].map.unchecked_advise_range(UncheckedAdvice::DontNeed, entry.start, length) };
            // It is a hint: without it the pages go when memory is short.
            let _ = advised;
        }
        #[cfg(not(unix))]
        let _ = entry;
    }

    /// The file that holds `entry`.
    pub fn path_of(&self, entry: &TensorEntry) -> &Path {
        &self.files[entry.file].path
    }

    /// The first file, for messages about tensors that are nowhere.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new("(no file)"), |f| &f.path)
    }

    /// Types of number, e.g. `F16`.
    pub fn dtypes(&self) -> BTreeSet<String> {
        self.tensors.values().map(|entry| format!("{:?}", entry.dtype)).collect()
    }

    pub fn total_bytes(&self) -> u64 {
        self.tensors.values().map(|t| t.bytes() as u64).sum()
    }
}

fn map(path: &Path) -> Result<Mapped, WeightError> {
    let io = |source| WeightError::Io { path: path.to_owned(), source };
    if path.extension().is_some_and(|e| ["bin", "ckpt", "pt", "pth", "pkl"].iter().any(|p| e.eq_ignore_ascii_case(p))) {
        return Err(WeightError::Pickle { path: path.to_owned() });
    }
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() < 8 {
        return Err(WeightError::Damaged { path: path.to_owned(), reason: "shorter than its header".into() });
    }
    // SAFETY: the map is read-only. A file that another program cuts short meanwhile can still fault: the risk of every
    // memory-mapped format, and the reason why downloads are written aside and renamed.
    let map = unsafe { Mmap::map(&file) }.map_err(io)?;
    Ok(Mapped { path: path.to_owned(), map })
}

/// (offset of the data, table); safetensors checks lengths, overlaps and holes against the file.
fn read_header(file: &Mapped) -> Result<(usize, Metadata), WeightError> {
    if is_pickle(&file.map) {
        return Err(WeightError::Pickle { path: file.path.clone() });
    }
    let (header, metadata) = SafeTensors::read_metadata(&file.map)
        .map_err(|e| WeightError::Damaged { path: file.path.clone(), reason: e.to_string() })?;
    Ok((8 + header, metadata))
}

/// A zip of PyTorch's, or a bare pickle of protocol 2 to 5. Both beginnings are also lengths of a safetensors header (640 bytes begins
/// with 0x80 0x02), which its opening brace gives away.
fn is_pickle(file: &[u8]) -> bool {
    let magic = matches!(file, [b'P', b'K', 3, 4, ..] | [0x80, 2..=5, ..]);
    magic && file.get(8) != Some(&b'{')
}

/// Offsets counted from the file's start, `None` if they are not inside it. The safetensors crate has checked the same; slicing relies on it.
fn range(offsets: (usize, usize), header: usize, length: usize) -> Option<(usize, usize)> {
    let start = offsets.0.checked_add(header)?;
    let end = offsets.1.checked_add(header)?;
    (start <= end && end <= length).then_some((start, end))
}

use std::path::PathBuf;

/// What can be wrong with a file of weights. One line each: what, where, what to do.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    #[error("{}: {source}; check the path and that you may read it", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{}: this is a pickle checkpoint, which can run code when it is opened; get the .safetensors file of the same model", path.display())]
    Pickle { path: PathBuf },
    #[error("{}: not a whole safetensors file ({reason}); download it again", path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("{}: no tensor {name:?}; the file belongs to another model or is incomplete", path.display())]
    Missing { path: PathBuf, name: String },
    #[error("{}: tensor {name:?} has shape {found:?}, the model needs {expected:?}; the weights and the config are of different models", path.display())]
    Shape { path: PathBuf, name: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("{}: tensor {name:?} is {found}; only F16, BF16 and F32 are read", path.display())]
    Dtype { path: PathBuf, name: String, found: String },
    #[error("{}: tensor {name:?} holds values that are not finite; download the file again", path.display())]
    NotFinite { path: PathBuf, name: String },
    #[error("{}: {count} tensors that the model does not have, the first is {first:?}; the weights and the config are of different models", path.display())]
    Unused { path: PathBuf, count: usize, first: String },
    #[error("{}: tensor {name:?} is also in {}; remove one of the files", path.display(), other.display())]
    Duplicate { path: PathBuf, other: PathBuf, name: String },
    /// The caller's progress function broke off.
    #[error("loading was cancelled; start it again")]
    Cancelled,
    #[error("{}: {problem}; {remedy}", path.display())]
    Config { path: PathBuf, problem: String, remedy: String },
    #[error(
        "{needed} bytes are needed for tensor {name:?} and the adapter binds at most {limit}; use another device (`imagen devices`)"
    )]
    TooLarge { name: String, needed: u64, limit: u64 },
}

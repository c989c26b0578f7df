//! A table of token embeddings that stays on disk: only the rows of a prompt are read.

use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

use super::{TextError, Tokens};
use crate::models::weights::{TensorEntry, WeightError, WeightFiles, to_f32};

/// [vocab_size, width], memory-mapped. T5-XXL's is 32,128 x 4,096: 526 MB in f32, more than many adapters bind, for 77 rows.
#[derive(Debug)]
pub(super) struct EmbeddingTable {
    files: Arc<WeightFiles>,
    entry: TensorEntry,
    name: String,
}

impl EmbeddingTable {
    /// The shape must have been checked (`Params::claim`).
    pub(super) fn open(files: &Arc<WeightFiles>, name: String) -> Result<Self, WeightError> {
        let path = || files.path().to_owned();
        let Some(entry) = files.get(&name) else { return Err(WeightError::Missing { path: path(), name }) };
        if to_f32(&[], entry.dtype).is_none() {
            return Err(WeightError::Dtype { path: path(), name, found: format!("{:?}", entry.dtype) });
        }
        Ok(Self { files: files.clone(), entry: entry.clone(), name })
    }

    fn row(&self, id: u32) -> Result<Vec<f32>, TextError> {
        let [vocab_size, ..] = self.entry.shape[..] else { return Err(TextError::Batch) };
        let row_bytes = self.entry.bytes() / vocab_size.max(1);
        let from = row_bytes * id as usize;
        let bytes = self.files.data(&self.entry).get(from..from + row_bytes);
        let bytes = bytes.filter(|_| (id as usize) < vocab_size).ok_or(TextError::TokenOutOfRange { id, vocab_size })?;
        let row = to_f32(bytes, self.entry.dtype).unwrap_or_default();
        if row.iter().all(|v| v.is_finite()) {
            return Ok(row);
        }
        let path = self.files.path_of(&self.entry).to_owned();
        Err(WeightError::NotFinite { path, name: self.name.clone() }.into())
    }

    /// # Shapes
    /// rows of L ids -> their embeddings [B, L, width], mask [B, L]
    ///
    /// # Errors
    /// [`TextError::TokenOutOfRange`], [`TextError::Batch`] for rows of several lengths, [`WeightError::NotFinite`].
    pub(super) fn embed(&self, tokens: &Tokens, device: &Device) -> Result<(Tensor<3>, Tensor<2, Bool>), TextError> {
        if tokens.mask.len() != tokens.ids.len() || tokens.mask.iter().any(|row| row.len() != tokens.length()) {
            return Err(TextError::Batch);
        }
        let embedded = self.gather(&tokens.ids, device)?;
        let [batch, length, _] = embedded.dims();
        Ok((embedded, Tensor::from_data(TensorData::new(tokens.mask.concat(), [batch, length]), device)))
    }

    fn gather(&self, ids: &[Vec<u32>], device: &Device) -> Result<Tensor<3>, TextError> {
        let (batch, length) = (ids.len(), ids.first().map_or(0, Vec::len));
        if length == 0 || ids.iter().any(|row| row.len() != length) {
            return Err(TextError::Batch);
        }
        let mut values = Vec::new();
        for &id in ids.iter().flatten() {
            values.extend(self.row(id)?);
        }
        let width = values.len() / (batch * length);
        Ok(Tensor::from_data(TensorData::new(values, [batch, length, width]), device))
    }
}

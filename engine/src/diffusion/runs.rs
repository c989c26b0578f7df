//! Batches whose images have settings of their own, as runs of neighbours that share them: an operation takes one setting a launch.

use burn::tensor::Tensor;

/// Neighbouring images of one setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Run<T> {
    pub first: usize,
    pub len: usize,
    pub setting: T,
}

/// The settings of a batch's images, in order, put together where they are equal.
pub fn runs<T: PartialEq>(settings: impl IntoIterator<Item = T>) -> Vec<Run<T>> {
    let mut runs: Vec<Run<T>> = Vec::new();
    for (first, setting) in settings.into_iter().enumerate() {
        match runs.last_mut() {
            Some(run) if run.setting == setting => run.len += 1,
            _ => runs.push(Run { first, len: 1, setting }),
        }
    }
    runs
}

impl<T> Run<T> {
    /// The run's images of a batch, `[B, C, H, W]`.
    pub fn of(&self, batch: &Tensor<4>) -> Tensor<4> {
        if self.len == batch.dims()[0] { batch.clone() } else { batch.clone().narrow(0, self.first, self.len) }
    }
}

/// The runs' results as one batch again.
pub fn joined(mut parts: Vec<Tensor<4>>) -> Tensor<4> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_one_setting_are_one_run() {
        let run = |first, len, setting| Run { first, len, setting };
        assert_eq!(runs([1, 1, 2, 1]), [run(0, 2, 1), run(2, 1, 2), run(3, 1, 1)]);
        assert!(runs::<f64>([]).is_empty());
    }
}

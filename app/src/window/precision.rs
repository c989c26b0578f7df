//! What numbers a model's weights are while they wait in memory, and whether another choice makes other pictures.

use imagen_protocol::{Footprint, ModelInfo, Weights};

pub const ALL: [Weights; 3] = [Weights::Auto, Weights::F32, Weights::F16];

/// What the choice is called everywhere.
pub fn name(weights: Weights) -> &'static str {
    match weights {
        Weights::Auto => "auto",
        Weights::F32 => "f32",
        Weights::F16 => "f16",
    }
}

/// Whether both choices compute a stage, and the text that it is made from, with the same numbers. Weights that are f16 in their file are the same
/// either way; others are rounded to it.
pub fn agree(one: Weights, other: Weights, model: &ModelInfo, size: u32) -> bool {
    let same = |part: &Footprint, dtypes: &[String]| one.halve(part) == other.halve(part) || is_f16(dtypes);
    let text = &model.text_encoder;
    let stage = model.stages.iter().find(|stage| stage.size == size);
    one == other || (same(&text.footprint, &text.dtypes) && stage.is_none_or(|stage| same(&stage.footprint, &stage.dtypes)))
}

/// Whether every part of a model is f16 in its files.
pub fn is_stored_as_f16(model: &ModelInfo) -> bool {
    is_f16(&model.text_encoder.dtypes) && model.stages.iter().all(|stage| is_f16(&stage.dtypes))
}

fn is_f16(dtypes: &[String]) -> bool {
    !dtypes.is_empty() && dtypes.iter().all(|dtype| dtype == "f16")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::model;

    #[test]
    fn a_choice_matters_where_numbers_are_rounded() {
        let mut model = model();
        assert!(agree(Weights::Auto, Weights::F32, &model, 64), "a small model is f32 by itself");
        assert!(!agree(Weights::Auto, Weights::F16, &model, 64), "its text encoder's file is f32");
        assert!(!is_stored_as_f16(&model));
        model.text_encoder.dtypes = vec!["f16".into()];
        assert!(agree(Weights::Auto, Weights::F16, &model, 64) && is_stored_as_f16(&model));
        model.stages[1].dtypes = vec!["f16".into(), "f32".into()];
        assert_eq!([64, 256].map(|size| agree(Weights::F32, Weights::F16, &model, size)), [true, false]);
    }
}

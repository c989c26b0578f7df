//! What is kept of a comparison between sessions: its settings, not its pictures.

use imagen_protocol::Threshold;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{Column, Compare, MAX_COLUMNS, MIN_COLUMNS, STRIP_WEIGHTS, Strip};

/// Guidance weights that can be set.
pub const WEIGHTS: std::ops::RangeInclusive<f64> = 0.0..=100.0;
/// Percentiles that can be set.
pub const PERCENTILES: std::ops::RangeInclusive<f64> = 0.5..=1.0;
/// Caps that can be set, where there is one.
pub const CAPS: std::ops::RangeInclusive<f64> = 1.0..=1000.0;

/// A column's setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptColumn {
    pub threshold: Threshold,
    /// `None`: the draft's.
    #[serde(default)]
    pub guidance_weight: Option<f64>,
}

/// Each part that cannot be read is the default's: a slip in one column does not cost the others, nor the rest of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    #[serde(deserialize_with = "columns")]
    pub columns: Vec<KeptColumn>,
    #[serde(deserialize_with = "strip_weights")]
    pub strip_weights: Vec<f64>,
    #[serde(deserialize_with = "until")]
    pub until: u32,
    #[serde(deserialize_with = "strip_open")]
    pub strip_open: bool,
}

impl Default for Kept {
    fn default() -> Self {
        Compare::default().kept()
    }
}

impl Compare {
    pub fn kept(&self) -> Kept {
        let of = |column: &Column| KeptColumn { threshold: column.threshold, guidance_weight: column.guidance_weight };
        Kept {
            columns: self.columns.iter().map(of).collect(),
            strip_weights: self.strip.weights.clone(),
            until: self.until,
            strip_open: self.look.strip_open,
        }
    }

    /// As it was left, without pictures.
    pub fn restored(kept: &Kept) -> Self {
        let mut compare = Self::default();
        let of = |column: &KeptColumn| Column { guidance_weight: column.guidance_weight, ..Column::new(column.threshold) };
        compare.columns = kept.columns.iter().map(of).collect();
        compare.strip = Strip { weights: kept.strip_weights.clone(), ..Strip::default() };
        (compare.until, compare.look.strip_open) = (kept.until, kept.strip_open);
        compare
    }
}

impl KeptColumn {
    /// `None` where it says nothing that could be run.
    fn sound(mut self) -> Option<Self> {
        self.guidance_weight = self.guidance_weight.filter(|w| WEIGHTS.contains(w));
        match self.threshold {
            Threshold::Dynamic { percentile, .. } if !PERCENTILES.contains(&percentile) => None,
            Threshold::Dynamic { cap: Some(cap), .. } if !CAPS.contains(&cap) => None,
            _ => Some(self),
        }
    }
}

/// Those that can be read, as many as there is room for; where too few are left, the default's.
fn columns<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<KeptColumn>, D::Error> {
    let list = Value::deserialize(from)?;
    let each = list.as_array().into_iter().flatten().filter_map(|one| KeptColumn::deserialize(one).ok()?.sound());
    let columns: Vec<_> = each.take(MAX_COLUMNS).collect();
    Ok(if columns.len() < MIN_COLUMNS { Kept::default().columns } else { columns })
}

fn strip_weights<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let list = Value::deserialize(from)?;
    let each = list.as_array().into_iter().flatten().filter_map(Value::as_f64).filter(|w| WEIGHTS.contains(w));
    let weights: Vec<_> = each.collect();
    Ok(if weights.len() == STRIP_WEIGHTS.len() { weights } else { STRIP_WEIGHTS.to_vec() })
}

fn until<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let size = Value::deserialize(from)?.as_u64().and_then(|size| u32::try_from(size).ok());
    Ok(size.unwrap_or(Compare::default().until))
}

fn strip_open<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(Value::deserialize(from)?.as_bool().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Kept {
        serde_json::from_str(json).expect("always read")
    }

    #[test]
    fn what_is_kept_comes_back() {
        let mut compare = Compare { until: 256, ..Compare::default() };
        compare.columns[0].guidance_weight = Some(12.5);
        compare.columns.push(Column::new(Threshold::Dynamic { percentile: 0.95, cap: Some(1.5) }));
        compare.strip.weights[4] = 30.0;
        compare.look.strip_open = true;
        let json = serde_json::to_string(&compare.kept()).expect("JSON");
        assert_eq!(Compare::restored(&read(&json)), compare);
    }

    #[test]
    fn what_is_missing_or_makes_no_sense_is_the_defaults() {
        let kept = Kept::default();
        assert_eq!(Compare::restored(&kept), Compare::default());
        for json in [
            "{}",
            r#"{"columns": 7, "strip_weights": "x", "until": -3, "strip_open": []}"#,
            r#"{"columns": [], "strip_weights": [1, 2]}"#,
            r#"{"columns": [{"threshold": {"kind": "static"}}], "strip_weights": [1, 2, 5, 10, 1e9]}"#,
            r#"{"columns": [{"threshold": {"kind": "dynamic", "percentile": 9}}, {"threshold": {"kind": "none"}}]}"#,
        ] {
            assert_eq!(read(json), kept, "{json}");
        }
    }

    #[test]
    fn a_damaged_column_does_not_cost_the_others() {
        let sound = r#"{"threshold": {"kind": "static"}, "guidance_weight": 9}"#;
        let later = r#"{"threshold": {"kind": "soft", "width": 2}}"#;
        let endless = r#"{"threshold": {"kind": "none"}, "guidance_weight": 1e300}"#;
        let capped = r#"{"threshold": {"kind": "dynamic", "percentile": 0.9, "cap": 0.1}}"#;
        let kept =
            read(&format!(r#"{{"columns": [{sound}, {later}, {endless}, {capped}, 3, {sound}, {sound}, {sound}, {sound}]}}"#));
        let nine = KeptColumn { threshold: Threshold::Static, guidance_weight: Some(9.0) };
        let none = KeptColumn { threshold: Threshold::None, guidance_weight: None };
        assert_eq!(kept.columns, [nine.clone(), none, nine.clone(), nine]);
    }
}

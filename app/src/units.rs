//! Numbers as people read them.

/// "27.4 MB": powers of 1000, as file managers and adapters say it.
pub fn bytes(count: u64) -> String {
    scaled(count, &[" B", " kB", " MB", " GB", " TB"])
}

/// "13.7 M" parameters.
pub fn parameters(count: u64) -> String {
    scaled(count, &["", " k", " M", " B", " T"])
}

fn scaled(count: u64, units: &[&str]) -> String {
    // Four digits are shown: what f64 cannot hold is not.
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = units.get(unit).unwrap_or(&"");
    let digits = usize::from(unit > 0 && value < 99.95);
    format!("{value:.digits$}{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        for (count, expected) in [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (27_400_000, "27.4 MB"), (999_600_000, "1.0 GB")]
        {
            assert_eq!(bytes(count), expected);
        }
        assert_eq!(parameters(2_000_000_000), "2.0 B");
        assert_eq!(bytes(u64::MAX), "18446744 TB");
    }
}

//! Events in words.

use imagen_protocol::{Event, GenerateRequest, Notice, StagePlan, StepReport};

use crate::staged::sampler_name;

/// The line that opens a job.
pub fn opening(request: &GenerateRequest, stages: &[StagePlan]) -> String {
    let sizes: Vec<String> =
        stages.iter().map(|s| format!("{} ({} steps, {})", s.size, s.steps, sampler_name(s.settings.sampler))).collect();
    format!("seed {}, stages {}", request.seed, sizes.join(", "))
}

/// Events that are one line of their own; `None` for those that move a bar.
pub fn line(event: &Event) -> Option<String> {
    match event {
        Event::Ready { device } => Some(format!("device: {}", device.name)),
        Event::Notice { notice } => Some(format!("note: {}", notice_text(notice))),
        Event::StageFinished { size, seconds, .. } => Some(format!("{size} pixels: done in {}", duration(*seconds))),
        Event::JobFinished { seconds, .. } => Some(format!("finished in {}", duration(*seconds))),
        _ => None,
    }
}

fn notice_text(notice: &Notice) -> String {
    match notice {
        Notice::PromptCut { tokens, max_tokens } => {
            format!("the prompt has {tokens} tokens, the model reads {max_tokens}: the rest is not seen")
        }
        Notice::Device { device, remark: None } => format!("computing on {}", device.name),
        Notice::Device { device, remark: Some(remark) } => format!("computing on {}: {remark}", device.name),
        Notice::License { model, license } => format!("model {model}: licence {license}"),
        Notice::Other { message } => message.clone(),
    }
}

/// Threshold and clipped share, those of the candidate that is clipped most.
pub fn clipping(report: &StepReport) -> String {
    let largest = |values: &[f32]| values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if report.s.is_empty() || report.clipped.is_empty() {
        return String::new();
    }
    format!("s {:.2}, clipped {:.1} %", largest(&report.s), 100.0 * largest(&report.clipped))
}

/// "0.4 s", "12 s", "3 min 05 s".
pub fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    // Rounded and not negative; a job of more than u64::MAX seconds is not expected.
    let whole = seconds.round() as u64;
    if whole < 60 { format!("{whole} s") } else { format!("{} min {:02} s", whole / 60, whole % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::report;

    #[test]
    fn durations_read_well() {
        for (seconds, expected) in [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185.0, "3 min 05 s")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn the_candidate_that_clips_most_is_shown() {
        let mut report = StepReport { s: vec![1.0, 1.5], clipped: vec![0.25, 0.001], ..report(1, 2) };
        assert_eq!(clipping(&report), "s 1.50, clipped 25.0 %");
        report.s.clear();
        assert_eq!(clipping(&report), "");
    }
}

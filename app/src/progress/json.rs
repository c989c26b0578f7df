//! `--json`: one object a line on stdout, its kind in `event`. Names are stable: new fields and new events may come, none go.
//!
//! | event | fields |
//! | --- | --- |
//! | `started` | `request` (prompt, seed, ... as stored in pictures), `stages` [{size, steps, settings}] |
//! | `ready` | `device` {name, is_cpu, max_binding_bytes} |
//! | `notice` | `notice` {kind: prompt_cut, device, license or other, ...} |
//! | `remark` | `message` |
//! | `loading` | `part`, `done_bytes`, `total_bytes` |
//! | `stage_started` | `size`, `steps` |
//! | `step_finished` | `size`, `step` (from 1), `steps`, `seconds`, `first` (the candidate, from 0, that the lists begin at), `s` and `clipped` [a number a candidate] |
//! | `stage_finished` | `size`, `seconds` |
//! | `saved` | `path`, `size`, `candidate` (from 1) |
//! | `finished` | `seconds` |
//! | `failed` | `message`, `exit_code` |
//! | `cancelled` | |
//!
//! The last line is `finished`, `failed` or `cancelled`, except where the arguments were wrong: then nothing is printed here.

use std::io::Write;
use std::path::Path;

use imagen_protocol::{DeviceInfo, Event, GenerateRequest, Notice, StagePlan, StepReport};
use serde::Serialize;

use super::{Progress, Saved};
use crate::error::AppError;
use crate::output::write_line;

/// One line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum JsonEvent<'a> {
    Started {
        request: &'a GenerateRequest,
        stages: &'a [StagePlan],
    },
    Ready {
        device: &'a DeviceInfo,
    },
    Notice {
        notice: &'a Notice,
    },
    Remark {
        message: &'a str,
    },
    Loading {
        part: &'a str,
        done_bytes: u64,
        total_bytes: u64,
    },
    StageStarted {
        size: u32,
        steps: u32,
    },
    StepFinished(&'a StepReport),
    StageFinished {
        size: u32,
        seconds: f64,
    },
    Saved {
        /// As text; what is not Unicode in it is replaced.
        path: String,
        size: u32,
        candidate: u32,
    },
    Finished {
        seconds: f64,
    },
    Failed {
        message: String,
        exit_code: u8,
    },
    Cancelled,
}

impl<'a> JsonEvent<'a> {
    /// `None` for events that say nothing to a program, and for endings, which [`Progress::failed`] tells.
    fn of(event: &'a Event) -> Option<Self> {
        Some(match event {
            Event::Ready { device } => Self::Ready { device },
            Event::Notice { notice } => Self::Notice { notice },
            Event::Loading { part, done_bytes, total_bytes } => {
                Self::Loading { part, done_bytes: *done_bytes, total_bytes: *total_bytes }
            }
            Event::StageStarted { size, steps, .. } => Self::StageStarted { size: *size, steps: *steps },
            Event::StepFinished { report, .. } => Self::StepFinished(report),
            Event::StageFinished { size, seconds, .. } => Self::StageFinished { size: *size, seconds: *seconds },
            Event::JobFinished { seconds, .. } => Self::Finished { seconds: *seconds },
            _ => return None,
        })
    }

    fn saved(path: &Path, size: u32, candidate: u32) -> Self {
        Self::Saved { path: path.to_string_lossy().into_owned(), size, candidate }
    }
}

/// JSON lines on stdout.
pub struct Json<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Json<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    fn print(&mut self, event: &JsonEvent<'_>) {
        // Plain data with string keys: it has JSON.
        if let Ok(line) = serde_json::to_string(event) {
            write_line(self.out, &line);
        }
    }
}

impl Progress for Json<'_> {
    fn begin(&mut self, request: &GenerateRequest, stages: &[StagePlan]) {
        self.print(&JsonEvent::Started { request, stages });
    }

    fn event(&mut self, event: &Event) {
        if let Some(line) = JsonEvent::of(event) {
            self.print(&line);
        }
    }

    fn saved(&mut self, saved: Saved<'_>) {
        self.print(&JsonEvent::saved(saved.path, saved.size, saved.candidate));
    }

    fn remark(&mut self, message: &str) {
        self.print(&JsonEvent::Remark { message });
    }

    fn failed(&mut self, error: &AppError) {
        let failed = JsonEvent::Failed { message: error.to_string(), exit_code: error.exit_code() };
        self.print(if matches!(error, AppError::Cancelled) { &JsonEvent::Cancelled } else { &failed });
    }
}

#[cfg(test)]
mod tests {
    use imagen_protocol::{EngineError, JobId};

    use super::*;
    use crate::test_support::{flat, plans, report};

    #[test]
    fn the_schema_is_stable() {
        let mut out = Vec::new();
        let mut json = Json::new(&mut out);
        json.begin(&GenerateRequest::new("x"), &plans(&[64]));
        json.event(&Event::StageStarted { job: JobId(1), size: 64, steps: 2 });
        json.event(&Event::StepFinished { job: JobId(1), report: report(1, 2) });
        json.event(&Event::StageFinished { job: JobId(1), size: 64, seconds: 1.0, images: vec![flat(64, [0; 3])] });
        json.saved(Saved { path: Path::new("a-64.png"), size: 64, candidate: 1 });
        json.event(&Event::Loading { part: "64".into(), done_bytes: 1, total_bytes: 2 });
        json.event(&Event::Notice { notice: Notice::PromptCut { tokens: 9, max_tokens: 8 } });
        json.event(&Event::JobFinished { job: JobId(1), seconds: 2.0 });
        json.failed(&AppError::Cancelled);
        json.failed(&EngineError::NotFinite { size: 64, step: 1 }.into());
        let expected = [
            r#"{"event":"started","request":{"prompt":"x","negative_prompt":"","seed":0,"count":1,"first_candidate":0,"model":null,"stages":{},"until":null,"from":null},"stages":[{"size":64,"steps":10,"settings":{"steps":{"count":10},"sampler":"ddpm","eta":0.0,"guidance_weight":4.0,"threshold":{"kind":"dynamic","percentile":0.95,"cap":1.5},"aug_level":null}}]}"#,
            r#"{"event":"stage_started","size":64,"steps":2}"#,
            r#"{"event":"step_finished","size":64,"step":1,"steps":2,"seconds":0.5,"first":0,"s":[1.5],"clipped":[0.25]}"#,
            r#"{"event":"stage_finished","size":64,"seconds":1.0}"#,
            r#"{"event":"saved","path":"a-64.png","size":64,"candidate":1}"#,
            r#"{"event":"loading","part":"64","done_bytes":1,"total_bytes":2}"#,
            r#"{"event":"notice","notice":{"kind":"prompt_cut","tokens":9,"max_tokens":8}}"#,
            r#"{"event":"finished","seconds":2.0}"#,
            r#"{"event":"cancelled"}"#,
        ];
        let text = String::from_utf8(out).expect("UTF-8");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..expected.len()], expected);
        assert!(lines[expected.len()].starts_with(r#"{"event":"failed","message":"the 64-pixel stage gave"#), "{text}");
    }
}

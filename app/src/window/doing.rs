//! What the running job does, in words.

use super::stage_view::StageView;
use super::state::State;
use super::widgets;

/// "step 14/30 of 256, 6.0 s left".
pub fn doing(state: &State) -> String {
    if let Some(loading) = &state.loading {
        let [done, total] = [loading.done_bytes, loading.total_bytes].map(widgets::bytes);
        return format!("loading {}: {done} of {total}", part(&loading.part));
    }
    state.running_stage().map_or_else(|| "preparing ...".into(), step)
}

fn part(name: &str) -> String {
    if name.parse::<u32>().is_ok() { format!("the {name}-pixel stage") } else { format!("the {name}") }
}

fn step(stage: &StageView) -> String {
    let left = stage.seconds_left().map(|s| format!(", {} left", widgets::seconds(s))).unwrap_or_default();
    format!("step {}/{} of {}{left}", stage.step, stage.steps, stage.size())
}

//! How many of a stage's pictures run together. A picture does not depend on the group it is in; memory does.

use super::OpenDevice;
use crate::models::NetworkConfig;

/// What the activations of columns that run side by side may take: as the weights of a part that is not large, a quarter of the 8 GiB
/// that the smallest cards and machines have for which large models are meant.
const COLUMNS_BYTES: u64 = 2 << 30;
/// Pictures of one column run one after the other from 256 pixels on: the first is there sooner, and a step, within which a cancel takes
/// effect, stays short.
const GROUP_PIXELS: usize = MOST * 64 * 64;
/// More pictures gain no speed, and every step would wait for all of them.
const MOST: usize = 16;

/// Memory that a group has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// For the activations of several columns.
    pub bytes: u64,
    /// The adapter's limit for one tensor.
    pub max_binding_bytes: Option<u64>,
}

impl Room {
    pub fn on(device: &OpenDevice) -> Self {
        Self { bytes: COLUMNS_BYTES, max_binding_bytes: device.info.max_binding_bytes }
    }
}

/// The pictures of a stage.
#[derive(Clone, Copy, Debug)]
pub struct Pictures<'a> {
    pub network: &'a NetworkConfig,
    /// Side in pixels.
    pub size: usize,
    /// Of all columns, at least 1.
    pub count: usize,
    pub columns: usize,
    /// Whether any of them is guided: all have two rows of the network's batch then.
    pub guided: bool,
}

impl Pictures<'_> {
    /// How many run together, at least one: groups are as few as there have to be, and nearly equal.
    pub fn group(&self, room: Room) -> usize {
        let rows = if self.guided { 2 } else { 1 };
        let by_memory = if self.columns > 1 {
            fitting(room.bytes, rows * self.network.activations(self.size))
        } else {
            GROUP_PIXELS / self.size.pow(2).max(1)
        };
        let row = self.network.largest_activation(self.size);
        let by_tensor = room.max_binding_bytes.map_or(MOST, |limit| fitting(limit, rows * row));
        let most = by_memory.min(by_tensor).clamp(1, MOST);
        self.count.div_ceil(self.count.div_ceil(most).max(1))
    }

    /// Whether a group of so many has to run the two halves of guidance one after the other, as together they are beyond the limit for a
    /// tensor.
    pub fn in_halves(&self, group: usize, room: Room) -> bool {
        let both = 2 * group as u64 * self.network.largest_activation(self.size);
        self.guided && room.max_binding_bytes.is_some_and(|limit| both > limit)
    }
}

fn fitting(bytes: u64, each: u64) -> usize {
    usize::try_from(bytes / each.max(1)).unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Model;

    const WIDE: Room = Room { bytes: COLUMNS_BYTES, max_binding_bytes: None };

    /// Of a stage of the default model.
    fn with_pictures(stage: usize, count: usize, columns: usize, test: impl FnOnce(Pictures<'_>)) {
        let model = Model::open(None).expect("the model that ships");
        let stage = &model.stages[stage];
        test(Pictures { network: &stage.network, size: stage.size as usize, count, columns, guided: false });
    }

    #[test]
    fn columns_run_side_by_side_and_candidates_one_after_another() {
        for stage in [0, 1, 2] {
            with_pictures(stage, 3, 3, |columns| assert_eq!(columns.group(WIDE), 3, "{}", columns.size));
            let alone = if stage == 0 { 3 } else { 1 };
            with_pictures(stage, 3, 1, |candidates| assert_eq!(candidates.group(WIDE), alone, "{}", candidates.size));
        }
    }

    #[test]
    fn columns_follow_memory() {
        with_pictures(2, 4, 4, |columns| {
            let row = columns.network.activations(1024);
            let room = |bytes| Room { bytes, max_binding_bytes: None };
            assert_eq!([0, row, 2 * row - 1].map(|bytes| columns.group(room(bytes))), [1, 1, 1], "never less than one");
            // Three would fit, and groups of two are as few.
            assert_eq!([2 * row, 3 * row, 4 * row].map(|bytes| columns.group(room(bytes))), [2, 2, 4]);
            let guided = Pictures { guided: true, ..columns };
            assert_eq!([2 * row, 4 * row, 8 * row].map(|bytes| guided.group(room(bytes))), [1, 2, 4]);
        });
    }

    #[test]
    fn no_tensor_is_beyond_the_adapters_limit() {
        let room = |limit| Room { max_binding_bytes: Some(limit), ..WIDE };
        for columns in [1, 5] {
            with_pictures(0, 15, columns, |pictures| {
                let row = pictures.network.largest_activation(64);
                assert_eq!([15 * row, 14 * row, row, 0].map(|limit| pictures.group(room(limit))), [15, 8, 1, 1]);
                let guided = Pictures { guided: true, ..pictures };
                assert_eq!([30 * row, 14 * row, 2 * row, row].map(|limit| guided.group(room(limit))), [15, 5, 1, 1]);
                assert!(guided.in_halves(1, room(2 * row - 1)) && !guided.in_halves(1, room(2 * row)));
                assert!(!guided.in_halves(15, WIDE) && !pictures.in_halves(1, room(row)));
            });
        }
    }
}

//! How many of a stage's pictures run together, and how many of them go through the network at a time. A picture does not depend on the
//! group it is in; memory does.

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
    /// Whether one picture of 256 pixels keeps the device busy: the CPU, where several at a time only fall out of its caches.
    pub is_cpu: bool,
}

impl Room {
    pub fn on(device: &OpenDevice) -> Self {
        Self { bytes: COLUMNS_BYTES, max_binding_bytes: device.info.max_binding_bytes, is_cpu: device.info.is_cpu }
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
        let by_memory = if self.columns > 1 {
            fitting(room.bytes, self.rows_each() as u64 * self.network.activations(self.size))
        } else {
            self.small_group()
        };
        let by_tensor = self.rows_of_tensor(room) / self.rows_each();
        let most = by_memory.min(by_tensor).clamp(1, MOST);
        self.count.div_ceil(self.count.div_ceil(most).max(1))
    }

    /// How many rows of the network's batch a pass takes, for a group of so many pictures: all, but for the limit for a tensor and for
    /// the CPU.
    pub fn rows(&self, group: usize, room: Room) -> usize {
        let pictures = if room.is_cpu { group.min(self.small_group()) } else { group };
        (pictures * self.rows_each()).min(self.rows_of_tensor(room)).max(1)
    }

    /// Of a picture in the network's batch.
    fn rows_each(&self) -> usize {
        if self.guided { 2 } else { 1 }
    }

    fn small_group(&self) -> usize {
        (GROUP_PIXELS / self.size.pow(2).max(1)).max(1)
    }

    /// How many rows the largest tensor may have.
    fn rows_of_tensor(&self, room: Room) -> usize {
        room.max_binding_bytes.map_or(usize::MAX, |limit| fitting(limit, self.network.largest_activation(self.size)))
    }
}

fn fitting(bytes: u64, each: u64) -> usize {
    usize::try_from(bytes / each.max(1)).unwrap_or(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Model;

    const WIDE: Room = Room { bytes: COLUMNS_BYTES, max_binding_bytes: None, is_cpu: false };

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
            let room = |bytes| Room { bytes, ..WIDE };
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
                let rows = [2 * row, 2 * row - 1, row, 0].map(|limit| guided.rows(1, room(limit)));
                assert_eq!(rows, [2, 1, 1, 1], "the halves of guidance together, then one after the other");
                assert_eq!([pictures.rows(15, WIDE), guided.rows(15, WIDE)], [15, 30]);
            });
        }
    }

    #[test]
    fn the_cpu_takes_large_pictures_one_at_a_time() {
        let cpu = Room { is_cpu: true, ..WIDE };
        for (stage, expected) in [(0, 3), (1, 1), (2, 1)] {
            with_pictures(stage, 3, 3, |columns| {
                assert_eq!((columns.group(cpu), columns.rows(3, cpu)), (3, expected), "{}", columns.size);
                assert_eq!(Pictures { guided: true, ..columns }.rows(3, cpu), 2 * expected, "{}", columns.size);
            });
        }
    }
}

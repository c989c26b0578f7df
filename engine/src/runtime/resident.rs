//! What stays loaded between jobs, and how much memory it takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use imagen_protocol::Event;

use super::OpenDevice;
use super::conditioning::TextCache;
use super::model::Stage;
use super::stage::LoadedNetwork;
use crate::models::Network;

/// Networks by the stage's first file, and the text encoder with its states.
#[derive(Debug, Default)]
pub struct Resident {
    pub texts: TextCache,
    networks: BTreeMap<PathBuf, LoadedNetwork>,
}

impl Resident {
    pub fn network(&self, stage: &Stage) -> Option<&Network> {
        self.networks.get(&key(stage)).map(|loaded| &loaded.network)
    }

    pub fn insert(&mut self, stage: &Stage, network: LoadedNetwork) {
        self.networks.insert(key(stage), network);
    }

    /// Frees every network, if there is any.
    pub fn free_networks(&mut self, device: &OpenDevice) {
        self.networks.clear();
        device.device.memory_cleanup();
    }

    /// Frees the text encoder; what it said stays.
    pub fn free_encoder(&mut self, device: &OpenDevice) {
        self.texts.unload();
        device.device.memory_cleanup();
    }

    /// Of the weights that are loaded.
    pub fn bytes(&self) -> u64 {
        self.texts.bytes() + self.networks.values().map(|loaded| loaded.bytes).sum::<u64>()
    }

    /// The memory as it stands.
    pub fn memory(&self, device: &OpenDevice) -> Event {
        let used_bytes = device.device.memory_pool_usage().map(|usage| usage.bytes_in_use);
        Event::Memory { model_bytes: self.bytes(), used_bytes }
    }
}

fn key(stage: &Stage) -> PathBuf {
    stage.files.first().cloned().unwrap_or_default()
}

//! Jobs: what waits, what runs. The engine gets one at a time, so that waiting jobs can be moved and removed.

use std::collections::VecDeque;

use imagen_protocol::GenerateRequest;
pub use imagen_protocol::JobId;

/// Which view asked for a job and shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    Create,
    /// A column of the request is one of the compare view.
    Compare,
    /// The guidance strip: a column of the request is a cell, row by row.
    Strip,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: JobId,
    pub purpose: Purpose,
    pub request: GenerateRequest,
}

/// Jobs in the order in which they run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queue {
    pub running: Option<Job>,
    pub waiting: VecDeque<Job>,
    last: u64,
}

impl Queue {
    /// Appends a job.
    pub fn push(&mut self, purpose: Purpose, request: GenerateRequest) -> JobId {
        self.last += 1;
        let id = JobId(self.last);
        self.waiting.push_back(Job { id, purpose, request });
        id
    }

    /// The next job to send, if none runs.
    pub fn start_next(&mut self) -> Option<Job> {
        if self.running.is_some() {
            return None;
        }
        self.running = self.waiting.pop_front();
        self.running.clone()
    }

    /// Takes the running job out, if it is this one.
    pub fn finish(&mut self, id: JobId) -> Option<Job> {
        self.running.take_if(|job| job.id == id)
    }

    pub fn remove(&mut self, id: JobId) {
        self.waiting.retain(|job| job.id != id);
    }

    /// Moves a waiting job one place; at an end it stays.
    pub fn shift(&mut self, id: JobId, up: bool) {
        let Some(at) = self.waiting.iter().position(|job| job.id == id) else { return };
        let to = if up { at.checked_sub(1) } else { Some(at + 1) };
        if let Some(to) = to.filter(|&to| to < self.waiting.len()) {
            self.waiting.swap(at, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(n: usize) -> (Queue, Vec<JobId>) {
        let mut queue = Queue::default();
        let ids = (0..n).map(|i| queue.push(Purpose::Create, GenerateRequest::new(i.to_string()))).collect();
        (queue, ids)
    }

    fn order(queue: &Queue) -> Vec<&str> {
        queue.waiting.iter().map(|job| job.request.prompt.as_str()).collect()
    }

    #[test]
    fn one_job_runs_at_a_time() {
        let (mut queue, ids) = queue(2);
        assert_eq!(queue.start_next().map(|job| job.id), Some(ids[0]));
        assert_eq!(queue.start_next(), None);
        assert_eq!(queue.finish(ids[1]), None);
        assert!(queue.finish(ids[0]).is_some());
        assert_eq!(queue.start_next().map(|job| job.id), Some(ids[1]));
    }

    #[test]
    fn waiting_jobs_move_and_go() {
        let (mut queue, ids) = queue(3);
        queue.shift(ids[2], true);
        assert_eq!(order(&queue), ["0", "2", "1"]);
        queue.shift(ids[0], true);
        queue.shift(ids[1], false);
        assert_eq!(order(&queue), ["0", "2", "1"]);
        queue.remove(ids[0]);
        assert_eq!(order(&queue), ["2", "1"]);
    }
}

//! A graphics device that is lost under a job or between two: an error that says so, an engine that lives, and another one on the
//! same adapter that makes the same pictures.

use imagen_engine::ops::destroy_gpu;
use imagen_engine::runtime::{OpenDevice, adapters, open_device, start_on};
use imagen_protocol::{AdapterKind, Command, DeviceChoice, EngineError, EngineHandle, Event, JobId};

use crate::runtime::{LONG, finished, pictures, request, run};

/// A device of its own: other tests go on with theirs.
fn own_gpu() -> OpenDevice {
    let usable = adapters().into_iter().find(|a| a.unusable.is_none() && a.kind != AdapterKind::Other);
    open_device(DeviceChoice::Gpu(usable.expect("an adapter").index)).expect("it opens")
}

fn assert_lost(events: &[Event]) {
    let Some(Event::JobFailed { error: EngineError::Device { problem, remedy }, .. }) = events.last() else {
        panic!("no error of the device: {:?}", events.last())
    };
    assert!(problem.contains("was lost") && remedy.contains("another device"), "{problem}; {remedy}");
}

/// It still answers what needs no device.
fn assert_alive(engine: &EngineHandle) {
    engine.commands.send(Command::Inspect { model: None }).expect("the engine lives");
    loop {
        match engine.events.recv_timeout(LONG).expect("the engine answers") {
            Event::ModelInspected { result } => return assert!(result.is_ok(), "{result:?}"),
            Event::Memory { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_device_lost_between_jobs_is_said_and_another_engine_goes_on() {
    let device = own_gpu();
    let engine = start_on(device.clone());
    let before = pictures(&run(&engine, 1, request(&[(64, 2)])), 64);
    destroy_gpu(&device.device);
    assert_lost(&run(&engine, 2, request(&[(64, 2)])));
    assert_lost(&run(&engine, 3, request(&[(64, 2)])));
    assert_alive(&engine);
    engine.commands.send(Command::Unload).expect("the engine lives");
    assert_alive(&engine);
    let again = run(&start_on(own_gpu()), 1, request(&[(64, 2)]));
    assert!(finished(&again), "{:?}", again.last());
    assert_eq!(pictures(&again, 64), before);
}

#[test]
fn a_device_lost_under_a_job_is_said_and_the_engine_lives() {
    let device = own_gpu();
    let engine = start_on(device.clone());
    let job = JobId(1);
    let request = request(&[(64, 500)]);
    engine.commands.send(Command::Generate { job, request: Box::new(request) }).expect("the engine lives");
    let mut steps = 0;
    let last = loop {
        match engine.events.recv_timeout(LONG).expect("the engine answers") {
            Event::StepFinished { .. } => {
                steps += 1;
                if steps == 2 {
                    destroy_gpu(&device.device);
                }
            }
            event @ (Event::JobFailed { .. } | Event::JobFinished { .. } | Event::JobCancelled { .. }) => break event,
            _ => {}
        }
    };
    println!("{steps} steps told, the device was lost after the second");
    assert!(steps < 100, "{steps} steps on a device that is gone");
    assert_lost(&[last]);
    assert_alive(&engine);
}

//! Columns of a comparison: one batch, each column's pictures as if it ran alone.

use std::collections::BTreeMap;

use imagen_engine::runtime::{Model, open_device, start_on};
use imagen_protocol::{DeviceChoice, EngineError, EngineHandle, Event, GenerateRequest, RgbImage, StageOverrides, Threshold};

use crate::runtime::{cpu, gpu, mean_difference, pictures, request, run};
use crate::runtime_if_folders::put;

type Column = BTreeMap<u32, StageOverrides>;

fn guidance(w: f64) -> StageOverrides {
    StageOverrides { guidance_weight: Some(w), ..StageOverrides::default() }
}

/// No guidance among guided rows, thresholds that differ and that are the same, a column that says nothing.
fn columns() -> Vec<Column> {
    let threshold = |threshold| StageOverrides { threshold: Some(threshold), ..StageOverrides::default() };
    vec![
        BTreeMap::new(),
        [(64, guidance(1.0)), (256, threshold(Threshold::Static))].into(),
        [(64, StageOverrides { guidance_weight: Some(9.0), ..threshold(Threshold::None) }), (256, guidance(1.0))].into(),
    ]
}

/// The request of one column: its settings merged into the stages.
fn alone(request: &GenerateRequest, column: &Column) -> GenerateRequest {
    let mut merged = GenerateRequest { columns: Vec::new(), ..request.clone() };
    for (size, own) in column {
        let user = merged.stages.entry(*size).or_default();
        user.guidance_weight = own.guidance_weight.or(user.guidance_weight);
        user.threshold = own.threshold.or(user.threshold);
    }
    merged
}

fn each_alone(engine: &EngineHandle, request: &GenerateRequest, size: u32) -> Vec<RgbImage> {
    let pictures = |column| pictures(&run(engine, 9, alone(request, column)), size);
    request.columns.iter().flat_map(pictures).collect()
}

#[test]
fn a_column_in_a_batch_gives_the_bytes_of_a_run_of_its_own() {
    let engine = cpu();
    let request = GenerateRequest { count: 2, columns: columns(), histograms: true, ..request(&[(64, 2), (256, 1)]) };
    let events = run(&engine, 1, request.clone());
    let large = pictures(&events, 256);
    assert_eq!(large.len(), 6);
    assert_eq!(large, each_alone(&engine, &request, 256));
    let small = GenerateRequest { until: Some(64), stages: [(64, request.stages[&64].clone())].into(), ..request };
    assert_eq!(pictures(&events, 64), each_alone(&engine, &GenerateRequest { columns: first_stage(), ..small }, 64));
    // One group of six at either size.
    let rows = events.iter().filter_map(|e| if let Event::StepFinished { report, .. } = e { Some(report) } else { None });
    let rows: Vec<_> = rows.map(|r| (r.size, r.step, r.steps, r.first, r.s.len(), r.histograms.len())).collect();
    let expected: Vec<_> = (1..=2).map(|step| (64, step, 2, 0, 6, 6)).chain([(256, 1, 1, 0, 6, 6)]).collect();
    assert_eq!(rows, expected);
}

fn first_stage() -> Vec<Column> {
    columns().into_iter().map(|column| column.into_iter().filter(|(size, _)| *size == 64).collect()).collect()
}

#[test]
fn columns_agree_with_single_runs_on_the_gpu() {
    let engine = gpu();
    let request = GenerateRequest { columns: first_stage(), ..request(&[(64, 2)]) };
    let together = pictures(&run(&engine, 1, request.clone()), 64);
    for (i, (a, b)) in together.iter().zip(each_alone(&engine, &request, 64)).enumerate() {
        let difference = mean_difference(a, &b);
        println!("column {i}: mean difference {difference:.4} of 255");
        assert!(difference <= 1.0, "column {i}: {difference}");
    }
    assert!(mean_difference(&together[0], &together[1]) > 1.0, "columns differ");
}

/// DeepFloyd's networks, small: a stage that enlarges, in a size for software Vulkan.
#[test]
fn columns_of_an_enlarging_stage_agree_with_single_runs_on_the_gpu() {
    let dir = tempfile::tempdir().expect("a folder");
    for part in ["stage1", "stage2", "text_encoder", "tokenizer"] {
        put(part, &dir.path().join(part));
    }
    let columns = columns().iter().map(|column| column.values().cloned().map(|own| (64, own)).take(1).collect()).collect();
    let request = GenerateRequest { model: Some(dir.path().to_owned()), columns, ..request(&[(32, 1), (64, 2)]) };
    for (name, engine, most) in [("CPU", cpu(), 0.0), ("GPU", gpu(), 1.0)] {
        let together = pictures(&run(&engine, 1, request.clone()), 64);
        for (i, (a, b)) in together.iter().zip(each_alone(&engine, &request, 64)).enumerate() {
            let difference = mean_difference(a, &b);
            println!("{name}, column {i}: mean difference {difference:.4} of 255");
            assert!(difference <= most, "{name}, column {i}: {difference}");
        }
        assert!(mean_difference(&together[0], &together[2]) > 0.0, "columns differ");
    }
}

/// The CPU as an adapter that takes small tensors: candidates and columns in smaller groups, guidance in two passes.
#[test]
fn a_small_limit_for_tensors_splits_groups_and_changes_no_picture() {
    let model = Model::open(None).expect("the model that ships");
    let row = model.stages[0].network.largest_activation(64);
    let candidates = |count| GenerateRequest { count, ..request(&[(64, 2)]) };
    let columns = GenerateRequest { columns: first_stage(), ..request(&[(64, 2)]) };
    let engine = cpu();
    // No weight has 14 rows' bytes; below them weights are split too, and their sums are not made in the same order.
    let cases = [(candidates(16), 14, 3, 0.0), (candidates(3), 1, 3, 0.5), (candidates(3), 4, 2, 0.5), (columns, 3, 3, 0.5)];
    for (request, rows, groups, most) in cases {
        let limit = rows * row;
        let mut device = open_device(DeviceChoice::Cpu).expect("the CPU");
        device.info.max_binding_bytes = Some(limit);
        let events = run(&start_on(device), 1, request.clone());
        let steps = events.iter().filter(|e| matches!(e, Event::StepFinished { .. })).count();
        assert_eq!(steps, 2 * groups, "limit {limit}");
        assert!(events.iter().any(|e| matches!(e, Event::StageStarted { steps, .. } if *steps == 2 * groups as u32)));
        let (split, whole) = (pictures(&events, 64), pictures(&run(&engine, 1, request.clone()), 64));
        let difference = split.iter().zip(&whole).map(|(a, b)| mean_difference(a, b)).fold(0.0, f64::max);
        println!("{} pictures, a limit of {rows} rows: mean difference {difference:.5} of 255", whole.len());
        assert!(split.len() == whole.len() && difference <= most, "limit {limit}: {difference}");
    }
    let mut device = open_device(DeviceChoice::Cpu).expect("the CPU");
    device.info.max_binding_bytes = Some(row - 1);
    let events = run(&start_on(device), 1, candidates(1));
    let Some(Event::JobFailed { error: EngineError::OutOfMemory { what, .. }, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(what, "one tensor of the 64-pixel stage");
}

#[test]
fn a_column_with_steps_of_its_own_is_refused() {
    let own = StageOverrides { steps: Some(imagen_protocol::Steps::Count(9)), ..StageOverrides::default() };
    let request = GenerateRequest { columns: vec![BTreeMap::new(), [(64, own)].into()], ..request(&[(64, 2)]) };
    let events = run(&cpu(), 1, request);
    let Some(Event::JobFailed { error, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(
        error.to_string(),
        "steps of stage 64 of column 2 is 9: give 2, as the other columns: only guidance and threshold may differ"
    );
}

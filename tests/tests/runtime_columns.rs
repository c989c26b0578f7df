//! Columns of a comparison: one batch, each column's pictures as if it ran alone.

use std::collections::BTreeMap;

use imagen_protocol::{EngineHandle, Event, GenerateRequest, RgbImage, StageOverrides, Threshold};

use crate::runtime::{cpu, gpu, mean_difference, pictures, request, run};

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
    // One group of six at 64 pixels, six groups of one at 256.
    let rows = events.iter().filter_map(|e| if let Event::StepFinished { report, .. } = e { Some(report) } else { None });
    let rows: Vec<_> = rows.map(|r| (r.size, r.step, r.steps, r.first, r.s.len(), r.histograms.len())).collect();
    let expected: Vec<_> = (1..=2).map(|step| (64, step, 2, 0, 6, 6)).chain((0..6).map(|i| (256, i + 1, 6, i, 1, 1))).collect();
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

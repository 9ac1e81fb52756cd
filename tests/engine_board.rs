//! Boards on the engine: what cells share changes nothing in them, and one cell is cancelled or made again alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::Mutex;
use std::time::Duration;

use common::{events, finished, job, recipe, reference};
use instantstyle::engine::{
    BoardRun, CancelToken, CandleEngine, CellState, Engine, EngineError, FakeEngine, Finished, JobEvent, JobHandle,
    JobSpec, Script, Step,
};
use instantstyle::recipe::{Recipe, Reference, Role, SchedulerName, Subtraction};

/// Rendered alone, in a fresh engine.
fn alone(spec: &JobSpec) -> Finished {
    finished(&CandleEngine::start(None).unwrap(), spec.clone())
}

fn run_all(engine: &dyn Engine, specs: Vec<JobSpec>) -> BoardRun {
    let order: Vec<usize> = (0..specs.len()).collect();
    let mut run = BoardRun::new(specs, &order);
    while !run.wait(engine).unwrap().is_empty() {}
    assert!(run.is_done());
    run
}

fn picture(run: &BoardRun, cell: usize) -> &Finished {
    match &run.cells()[cell].state {
        CellState::Finished(finished) => finished,
        other => panic!("cell {cell}: {other:?}"),
    }
}

#[test]
fn cells_that_share_their_first_steps_are_the_pictures_that_they_are_alone() {
    for scheduler in SchedulerName::ALL {
        // References enter at step 3 of 6, at step 5, or nowhere.
        let start = |start: f64, role: Role, strength: f64| {
            let references = vec![Reference { role, strength, ..reference() }];
            job(Recipe { start, steps: Some(6), scheduler: Some(scheduler), ..recipe(references) })
        };
        let specs = vec![
            start(0.5, Role::Style, 1.0),
            start(0.5, Role::Everything, 1.0),
            start(0.8, Role::Everything, 1.5),
            start(0.5, Role::Style, 0.3),
            start(0.0, Role::Off, 1.0),
            start(0.0, Role::Style, 1.0),
        ];
        let engine = CandleEngine::start(None).unwrap();
        let run = run_all(&engine, specs.clone());
        let shared: Vec<usize> = (0..specs.len()).map(|cell| picture(&run, cell).timings.shared_steps).collect();
        assert_eq!(shared, [0, 3, 3, 3, 5, 0], "{scheduler:?}");
        for (cell, spec) in specs.iter().enumerate() {
            let (made, single) = (picture(&run, cell), alone(spec));
            assert_eq!(made.latents, single.latents, "{scheduler:?}, cell {cell}");
            assert_eq!(made.image, single.image);
            assert_eq!(made.recipe, single.recipe);
            assert_eq!(made.timings.step_secs.len() + made.timings.shared_steps, 6);
        }
    }
}

#[test]
fn small_cells_go_through_the_network_together_and_are_the_pictures_that_they_are_alone() {
    let subtract = Some(Subtraction { words: "a rabbit".to_owned(), strength: 0.5 });
    let with = |role: Role, strength: f64| Reference { role, strength, subtract: subtract.clone(), ..reference() };
    for (scheduler, guidance) in
        [(SchedulerName::Euler, 5.0), (SchedulerName::EulerAncestral, 5.0), (SchedulerName::Dpmpp2m, 1.0)]
    {
        let spec = |references: Vec<Reference>, prompt: &str, seed: u64| {
            let asked = Recipe {
                prompt: prompt.to_owned(),
                seed: Some(seed),
                steps: Some(4),
                scheduler: Some(scheduler),
                guidance: Some(guidance),
                ..recipe(references)
            };
            job(asked)
        };
        let precise = if guidance > 1.0 { Role::Precise } else { Role::Layout };
        let long = "a fish in the snow with many words ".repeat(12);
        let specs = [
            spec(vec![with(Role::Style, 1.0)], "a fish", 1),
            spec(vec![with(Role::Style, 0.5)], "a fish", 1),
            spec(vec![with(Role::Everything, 1.0)], "a house", 2),
            spec(vec![with(precise, 1.0)], "a house", 3),
            spec(vec![with(Role::Style, 0.7), Reference { strength: 0.3, ..with(Role::Style, 0.3) }], "a cat", 4),
            // Nothing enters, and a prompt of more chunks: each by itself.
            spec(vec![with(Role::Off, 1.0)], "a fish", 1),
            spec(vec![with(Role::StyleLayout, 1.5)], &long, 5),
            spec(vec![with(Role::Layout, 1.0)], "", 6),
        ];
        let engine = CandleEngine::start(None).unwrap();
        // The model is open, so that the others wait while this one is made and then go together.
        finished(&engine, spec(vec![with(Role::Style, 1.0)], "a tree", 9));
        let slow = engine
            .submit(job(Recipe { steps: Some(600), ..spec(vec![], "a tree", 9).recipe.as_ref().clone() }))
            .unwrap();
        let handles: Vec<_> = specs.iter().map(|spec| engine.submit(spec.clone()).unwrap()).collect();
        slow.cancel.cancel();
        let (mut largest, mut together) = (0.0_f32, Vec::new());
        for (place, (spec, handle)) in specs.iter().zip(&handles).enumerate() {
            let Some(JobEvent::Finished(made)) = events(handle).pop() else { panic!("cell {place}") };
            let single = alone(spec);
            let off = made.latents.values.iter().zip(&single.latents.values).map(|(a, b)| (a - b).abs());
            largest = off.fold(largest, f32::max);
            assert_eq!(made.recipe, single.recipe);
            assert_eq!(made.timings.step_secs.len() + made.timings.shared_steps, 4);
            together.push(made.timings.together);
        }
        assert_eq!(together, [6, 6, 6, 6, 6, 1, 1, 6], "{scheduler:?}");
        assert!(largest < 2e-4, "{scheduler:?}: {largest}");
    }
}

#[test]
fn one_of_several_that_go_together_is_cancelled_and_the_others_are_whole() {
    let engine = CandleEngine::start(None).unwrap();
    let spec = |seed: u64| job(Recipe { seed: Some(seed), steps: Some(200), ..recipe(vec![reference()]) });
    finished(&engine, spec(9));
    let slow = engine.submit(spec(10)).unwrap();
    let handles: Vec<_> = (0..4).map(|seed| engine.submit(spec(seed)).unwrap()).collect();
    let is_step = |event: JobEvent| matches!(event, JobEvent::Step(step) if step.index >= 2);
    assert!(handles[1].events.iter().any(is_step));
    handles[1].cancel.cancel();
    assert!(matches!(events(&handles[1]).pop(), Some(JobEvent::Cancelled)));
    for seed in [0, 2, 3] {
        let Some(JobEvent::Finished(made)) = events(&handles[seed]).pop() else { panic!("cell {seed}") };
        let single = alone(&spec(seed as u64));
        let off = made.latents.values.iter().zip(&single.latents.values).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f32::max) < 2e-4);
        assert_eq!(made.timings.step_secs.len(), 200);
    }
    drop(slow);
    // Made again alone, it is whole.
    assert_eq!(finished(&engine, spec(1)).latents, alone(&spec(1)).latents);
}

#[test]
fn another_prompt_seed_or_size_shares_no_steps() {
    let engine = CandleEngine::start(None).unwrap();
    let spec = |change: &dyn Fn(&mut Recipe)| {
        let mut recipe = Recipe { start: 0.5, steps: Some(4), ..recipe(vec![reference()]) };
        change(&mut recipe);
        job(recipe)
    };
    finished(&engine, spec(&|_| {}));
    for change in [
        &(|r: &mut Recipe| r.prompt.push('s')) as &dyn Fn(&mut Recipe),
        &|r| r.negative_prompt.push_str("dull"),
        &|r| r.seed = Some(8),
        &|r| r.guidance = Some(3.0),
        &|r| r.steps = Some(5),
        &|r| r.width = Some(48),
        &|r| r.scheduler = Some(SchedulerName::Ddim),
    ] {
        let made = finished(&engine, spec(change));
        assert_eq!(made.timings.shared_steps, 0);
        assert_eq!(made.latents, alone(&spec(change)).latents);
    }
    assert_eq!(finished(&engine, spec(&|_| {})).timings.shared_steps, 2);
    // A picture without references is computed whole, whoever went its way before.
    let plain = finished(&engine, spec(&|r| r.references.clear()));
    assert_eq!((plain.timings.shared_steps, plain.timings.step_secs.len()), (0, 4));
}

#[test]
fn encodings_and_keys_and_values_are_computed_once() {
    let engine = CandleEngine::start(None).unwrap();
    let spec = |role: Role, strength: f64, subtract: f64| {
        let subtract = Some(Subtraction { words: "a rabbit".to_owned(), strength: subtract });
        job(recipe(vec![Reference { role, strength, subtract, ..reference() }]))
    };
    let blocks = finished(&engine, spec(Role::Everything, 1.0, 0.5)).timings;
    // The prompt, the picture and the words; every block of the model.
    assert_eq!((blocks.encoder_runs, blocks.key_value_runs), (3, 11));
    for (role, strength) in [(Role::Everything, 0.3), (Role::Style, 1.0), (Role::StyleLayout, 2.0)] {
        let timings = finished(&engine, spec(role, strength, 0.5)).timings;
        assert_eq!((timings.encoder_runs, timings.key_value_runs), (0, 0));
    }
    // Pushed away, the layout block has its tokens on the other side; other words or strengths make other tokens.
    assert_eq!(finished(&engine, spec(Role::Precise, 1.0, 0.5)).timings.key_value_runs, 1);
    assert_eq!(finished(&engine, spec(Role::Style, 1.0, 0.6)).timings.key_value_runs, 1);
    let again = spec(Role::Everything, 0.7, 0.5);
    assert_eq!(finished(&engine, again.clone()).latents, alone(&again).latents);
}

#[test]
fn one_cell_is_cancelled_and_made_again_alone() {
    let engine = FakeEngine::start(None).unwrap();
    let specs: Vec<JobSpec> = (0..4).map(|seed| job(Recipe { seed: Some(seed), ..recipe(vec![]) })).collect();
    let mut run = BoardRun::new(specs, &[3, 1]);
    engine.next(Script::Paint { steps: 1_000_000, step: Duration::from_millis(1) });
    // The first of the order begins, and would take forever.
    while !matches!(run.cells()[3].state, CellState::Running(Some(_))) {
        run.wait(&engine).unwrap();
    }
    // The first one holds up the others until it goes.
    run.cancel(2);
    run.cancel(3);
    while !run.wait(&engine).unwrap().is_empty() {}
    assert!(matches!(run.cells()[3].state, CellState::Cancelled));
    assert!(matches!(run.cells()[2].state, CellState::Cancelled));
    let begun: Vec<Option<u64>> = engine.seen().iter().map(|spec| spec.recipe.seed).collect();
    assert_eq!(begun, [Some(3), Some(1), Some(0)]);
    run.rerun(3);
    assert!(!run.is_done());
    while !run.wait(&engine).unwrap().is_empty() {}
    assert_eq!(picture(&run, 3).recipe.seed, Some(3));
    assert!(matches!(run.cells()[2].state, CellState::Cancelled));
    assert_eq!(engine.seen().len(), 4);
}

/// An engine whose jobs say what the test lets them say, as several that are made together do.
#[derive(Default)]
struct Said {
    jobs: Mutex<Vec<(crossbeam_channel::Sender<JobEvent>, CancelToken)>>,
}

impl Said {
    fn say(&self, job: usize, event: JobEvent) {
        self.jobs.lock().unwrap()[job].0.send(event).unwrap();
    }

    fn count(&self) -> usize {
        self.jobs.lock().unwrap().len()
    }
}

impl Engine for Said {
    fn submit(&self, _: JobSpec) -> Result<JobHandle, EngineError> {
        let (sender, events) = crossbeam_channel::unbounded();
        let cancel = CancelToken::default();
        let mut jobs = self.jobs.lock().unwrap();
        jobs.push((sender, cancel.clone()));
        Ok(JobHandle { id: jobs.len() as u64, events, cancel })
    }
}

/// A step, and a picture of this side, as the fake engine makes them.
fn made(side: u32) -> (Step, Box<Finished>) {
    let engine = FakeEngine::start(None).unwrap();
    let handle = engine.submit(job(Recipe { width: Some(side), height: Some(side), ..recipe(vec![]) })).unwrap();
    let said: Vec<JobEvent> = handle.events.iter().collect();
    let step = said.iter().find_map(|event| if let JobEvent::Step(step) = event { Some(step.clone()) } else { None });
    let Some(JobEvent::Finished(finished)) = said.into_iter().last() else { panic!("no picture") };
    (step.unwrap(), finished)
}

#[test]
fn a_stopped_cell_says_so_at_once_and_stays_stopped() {
    let (engine, (step, finished)) = (Said::default(), made(64));
    let specs = (0..2).map(|seed| job(Recipe { seed: Some(seed), ..recipe(vec![]) })).collect();
    let mut run = BoardRun::new(specs, &[]);
    run.pump(&engine).unwrap();
    for cell in 0..2 {
        engine.say(cell, JobEvent::Step(step.clone()));
    }
    assert_eq!(run.pump(&engine).unwrap(), [0, 1]);
    (0..2).for_each(|cell| run.cancel(cell));
    assert!(engine.jobs.lock().unwrap().iter().all(|(_, cancel)| cancel.is_cancelled()));
    let is_stopped = |run: &BoardRun, cell: usize| matches!(run.cells()[cell].state, CellState::Cancelled);
    assert!(is_stopped(&run, 0) && is_stopped(&run, 1));
    // The others of its batch go on, and a step was on its way; so was the other's picture.
    engine.say(0, JobEvent::Step(step));
    engine.say(1, JobEvent::Finished(finished));
    assert_eq!(run.pump(&engine).unwrap(), [1]);
    assert!(is_stopped(&run, 0) && !run.is_done(), "the engine has not let go of it yet");
    picture(&run, 1);
    engine.say(0, JobEvent::Cancelled);
    run.pump(&engine).unwrap();
    assert!(is_stopped(&run, 0) && run.is_done());
    run.rerun(0);
    run.pump(&engine).unwrap();
    assert_eq!(engine.count(), 3);
}

#[test]
fn many_small_cells_wait_in_the_engine_and_few_large_ones() {
    let (engine, (_, small), (_, large)) = (Said::default(), made(64), made(512));
    let spec =
        |seed: u64, side: Option<u32>| job(Recipe { seed: Some(seed), width: side, height: side, ..recipe(vec![]) });
    // One of the model's size, then large ones, then small ones, at last some of the model's size again.
    let sides = [None, Some(512), Some(512), Some(512)].into_iter().chain([Some(64); 9]).chain([None; 9]);
    let specs: Vec<JobSpec> = sides.enumerate().map(|(seed, side)| spec(seed as u64, side)).collect();
    let mut run = BoardRun::new(specs, &[]);
    let mut pump = |said: Option<(usize, JobEvent)>| {
        if let Some((job, event)) = said {
            engine.say(job, event);
        }
        run.pump(&engine).unwrap();
        engine.count()
    };
    assert_eq!(pump(None), 2);
    // The first is small, but large ones wait: no more than before.
    assert_eq!(pump(Some((0, JobEvent::Finished(small.clone())))), 3);
    assert_eq!(pump(Some((1, JobEvent::Finished(large.clone())))), 4);
    assert_eq!(pump(Some((2, JobEvent::Finished(large.clone())))), 5);
    // The last large one is done: small ones, by their own size.
    assert_eq!(pump(Some((3, JobEvent::Finished(large)))), 12);
    // And by the size of one that is finished.
    for cell in 4..13 {
        pump(Some((cell, JobEvent::Finished(small.clone()))));
    }
    assert_eq!(pump(None), 21);
}

#[test]
fn a_failed_cell_leaves_the_others_alone() {
    let engine = FakeEngine::start(None).unwrap();
    engine.next(Script::Fail(EngineError::NotFinite("no picture".to_owned())));
    engine.next(Script::Panic);
    let specs = (0..3).map(|seed| job(Recipe { seed: Some(seed), ..recipe(vec![]) })).collect();
    let run = run_all(&engine, specs);
    assert!(matches!(&run.cells()[0].state, CellState::Failed(EngineError::NotFinite(_))));
    assert!(matches!(&run.cells()[1].state, CellState::Failed(EngineError::Panicked(_))));
    picture(&run, 2);
}

#[test]
fn a_cell_whose_engine_ends_without_a_word_has_failed() {
    let (engine, (step, _)) = (Said::default(), made(64));
    let specs = (0..2).map(|seed| job(Recipe { seed: Some(seed), ..recipe(vec![]) })).collect();
    let mut run = BoardRun::new(specs, &[]);
    run.pump(&engine).unwrap();
    engine.say(0, JobEvent::Step(step));
    engine.jobs.lock().unwrap().clear();
    assert_eq!(run.pump(&engine).unwrap(), [0, 1]);
    for cell in run.cells() {
        assert!(matches!(&cell.state, CellState::Failed(EngineError::Panicked(_))), "{:?}", cell.state);
    }
    assert!(run.is_done());
}

#[test]
fn an_edit_makes_only_new_cells_and_stops_those_that_are_gone() {
    let engine = FakeEngine::start(None).unwrap();
    let spec = |seed: u64| job(Recipe { seed: Some(seed), ..recipe(vec![]) });
    let mut run = run_all(&engine, vec![spec(1), spec(2)]);
    engine.next(Script::Paint { steps: 1_000_000, step: Duration::from_millis(1) });
    run.replace(vec![spec(2), spec(3), spec(1), spec(4)], &[]);
    while !matches!(run.cells()[1].state, CellState::Running(Some(_))) {
        run.wait(&engine).unwrap();
    }
    // Seed 3 is at work and gone from the board, seed 4 stays in its queue.
    run.replace(vec![spec(4), spec(1), spec(1)], &[]);
    while !run.wait(&engine).unwrap().is_empty() {}
    let seeds: Vec<_> = (0..3).map(|cell| picture(&run, cell).recipe.seed).collect();
    assert_eq!(seeds, [Some(4), Some(1), Some(1)]);
    let begun: Vec<Option<u64>> = engine.seen().iter().map(|spec| spec.recipe.seed).collect();
    assert_eq!(begun, [Some(1), Some(2), Some(3), Some(4)]);
    run.cancel_all();
    assert!(run.is_done());
}

#[test]
fn a_cancelled_job_leaves_whole_states_behind() {
    let engine = CandleEngine::start(None).unwrap();
    let spec = job(Recipe { start: 0.9, steps: Some(200), ..recipe(vec![reference()]) });
    let handle = engine.submit(spec.clone()).unwrap();
    let step = handle.events.iter().find(|event| matches!(event, JobEvent::Step(step) if step.index >= 3));
    assert!(step.is_some());
    handle.cancel.cancel();
    assert!(matches!(events(&handle).pop(), Some(JobEvent::Cancelled)));
    let short = Recipe { steps: Some(200), start: 0.9, ..spec.recipe.as_ref().clone() };
    let made = finished(&engine, job(short));
    assert!(made.timings.shared_steps >= 3, "{}", made.timings.shared_steps);
    assert_eq!(made.latents, alone(&spec).latents);
}

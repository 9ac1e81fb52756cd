//! Live mode: a change paints by itself, the newest wins, nothing stale waits, and encoders do not run again.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/window.rs"]
mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::Sender;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable as _;
use instantstyle::app::{Command, LivePace, Place, Shown};
use instantstyle::engine::{
    CancelToken, CandleEngine, Engine, EngineError, FakeEngine, Finished, JobEvent, JobHandle, JobSpec, Latents,
    Preview, Script, Step,
};
use window::{Window, click, errors, history, open, open_on, press, settle, wait};

/// Moves the style strength by its real slider.
fn strength(window: &mut Window, value: f64) {
    window.get_by_role_and_label(Role::Slider, "Style strength").set_value_accesskit(value);
    window.step();
}

fn strengths(fake: &FakeEngine) -> Vec<f64> {
    fake.seen().iter().map(|spec| spec.recipe.references[0].strength).collect()
}

/// Nothing waits, runs, or is about to.
fn at_rest(app: &instantstyle::ui::StudioApp) -> bool {
    app.state.jobs.is_empty() && app.state.history.draft().is_some()
}

#[test]
fn a_change_paints_by_itself_with_the_seed_held() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    click(&mut window, "Live mode");
    wait(&mut window, "the first live picture", at_rest);
    let seed = fake.seen()[0].recipe.seed;
    assert!(seed.is_some() && window.state().state.recipe.seed == seed, "the seed is locked, for all to see");
    strength(&mut window, 0.5);
    wait(&mut window, "the second", |app| {
        let draft = app.state.history.draft();
        app.state.jobs.is_empty() && draft.is_some_and(|draft| draft.recipe.references[0].strength == 0.5)
    });
    assert_eq!(strengths(&fake), [1.0, 0.5]);
    assert_eq!(fake.seen()[1].recipe.seed, seed);
    // The draft is one picture in the strip, whatever number was painted, and nothing of it is on the disk yet.
    assert_eq!(history(&window), 1);
    assert!(!home.path().join("pictures").exists());
    // At rest nothing is painted again.
    settle(&mut window);
    assert_eq!(fake.seen().len(), 2);
    click(&mut window, "Live mode");
    wait(&mut window, "the picture to be kept", window::kept);
    strength(&mut window, 0.75);
    settle(&mut window);
    assert_eq!(fake.seen().len(), 2, "live mode is off");
}

#[test]
fn the_newest_wins_and_no_stale_job_waits() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    for _ in 0..40 {
        fake.next(Script::Hold(Arc::default()));
    }
    click(&mut window, "Live mode");
    wait(&mut window, "the first job", |app| !app.state.jobs.is_empty());
    let mut most = 0;
    for change in 1..=20 {
        strength(&mut window, f64::from(change) / 20.0);
        window.run_steps(3);
        most = most.max(window.state().state.jobs.len());
    }
    assert_eq!(most, 1, "what is superseded is cancelled, not queued");
    // As the very first was, before the changes.
    wait(&mut window, "the newest to begin", |_| {
        let begun = strengths(&fake);
        begun.len() > 1 && begun.last() == Some(&1.0)
    });
    assert_eq!(window.state().state.jobs.len(), 1);
    assert_eq!(history(&window), 0, "nothing that was superseded comes out");
    // Esc ends it, and it does not begin again without a change.
    press(&mut window, Modifiers::NONE, Key::Escape);
    let asked = fake.seen().len();
    settle(&mut window);
    assert!(window.state().state.jobs.is_empty() && fake.seen().len() == asked);
}

#[test]
fn changes_that_follow_each_other_are_gathered() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    click(&mut window, "Live mode");
    wait(&mut window, "the first live picture", at_rest);
    // Frames of a sixtieth of a second, as a drag has them; all within what one picture waits for.
    let began = window.ctx.input(|input| input.time);
    for change in 1..=10 {
        window.input_mut().time = Some(began + f64::from(change) / 60.0);
        strength(&mut window, f64::from(change) / 100.0);
    }
    window.input_mut().time = None;
    wait(&mut window, "the picture", |_| strengths(&fake).contains(&0.1));
    assert_eq!(strengths(&fake), [1.0, 0.1]);
}

#[test]
fn generate_keeps_the_live_picture_instead_of_painting_it_again() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    click(&mut window, "Live mode");
    wait(&mut window, "the live picture", at_rest);
    let id = window.state().state.history.draft().unwrap().id;
    click(&mut window, "Generate");
    wait(&mut window, "the picture to be kept", window::kept);
    assert_eq!((fake.seen().len(), history(&window)), (1, 1));
    assert_eq!(window.state().state.shown, Shown::Entry(id));
    assert!(window.state().state.history.entries()[0].file.as_ref().unwrap().is_file());
    // The next change begins a new draft beside it.
    strength(&mut window, 0.5);
    wait(&mut window, "the next live picture", |app| app.state.history.entries().len() == 2);
}

#[test]
fn a_draft_that_is_looked_at_gives_way_to_the_next_and_one_to_be_saved_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    click(&mut window, "Live mode");
    wait(&mut window, "the live picture", at_rest);
    let draft = |window: &Window| window.state().state.history.draft().unwrap().id;
    let first = draft(&window);
    let goes_on = Arc::<AtomicBool>::default();
    fake.next(Script::Hold(goes_on.clone()));
    strength(&mut window, 0.5);
    wait(&mut window, "the next to begin", |_| fake.seen().len() == 2);
    window.state_mut().state.execute(Command::Show(first));
    assert_eq!(window.state().state.shown, Shown::Entry(first));
    goes_on.store(true, Ordering::Relaxed);
    wait(&mut window, "the next live picture", |app| app.state.jobs.is_empty());
    let second = draft(&window);
    assert_ne!(second, first);
    assert_eq!(window.state().state.shown, Shown::Entry(second), "what is shown is there");

    window.state_mut().state.save_to(first, home.path().join("gone.png"));
    assert!(errors(&window, Place::Picture)[0].starts_with("Nothing was saved"));
}

#[test]
fn a_live_picture_that_rests_is_kept() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, _fake) = open(home.path());
    click(&mut window, "Live mode");
    wait(&mut window, "the live picture", at_rest);
    // Each step is a quarter of a second on the window's clock.
    window.run_steps(20);
    wait(&mut window, "the picture to be kept", window::kept);
    assert!(window.state().state.history.draft().is_none());
}

#[test]
fn a_failed_live_picture_is_told_once() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    fake.next(Script::Fail(EngineError::OutOfMemory("there is not enough memory; make the picture smaller".into())));
    click(&mut window, "Live mode");
    wait(&mut window, "the failure", |app| app.state.notes.at(Place::Picture).next().is_some());
    settle(&mut window);
    assert_eq!(errors(&window, Place::Picture).len(), 1);
    assert_eq!(fake.seen().len(), 1, "it is tried again after a change, not before");
    strength(&mut window, 0.5);
    wait(&mut window, "the picture", at_rest);
    assert!(errors(&window, Place::Picture).is_empty());
}

#[test]
fn a_slow_model_is_not_offered_live_mode() {
    let home = tempfile::tempdir().unwrap();
    let (mut window, fake) = open(home.path());
    // A measured pace of 60 s a step at 64 x 64.
    window.state_mut().state.pace = Some(60.0 / 4.096);
    window.run_steps(2);
    assert!(matches!(window.state().state.live_pace(), LivePace::TooSlow(_)));
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(!window.state().state.settings.is_live);
    assert!(errors(&window, Place::Picture)[0].starts_with("Live mode is not for this model"));
    window.state_mut().state.pace = Some(0.6 / 4.096);
    press(&mut window, Modifiers::COMMAND, Key::L);
    assert!(window.state().state.settings.is_live);
    window.get_by_label_contains("Live mode will lag behind");
    wait(&mut window, "the picture", |_| !fake.seen().is_empty());
}

/// The real engine, whose finished jobs are written down on their way to the window.
struct Overheard {
    engine: CandleEngine,
    finished: Arc<Mutex<Vec<Finished>>>,
}

impl Engine for Overheard {
    fn submit(&self, spec: JobSpec) -> Result<JobHandle, EngineError> {
        let inner = self.engine.submit(spec)?;
        let (sender, events) = crossbeam_channel::unbounded();
        let finished = self.finished.clone();
        std::thread::spawn(move || {
            for event in inner.events {
                if let JobEvent::Finished(finished_job) = &event {
                    finished.lock().unwrap().push((**finished_job).clone());
                }
                let _ = sender.send(event);
            }
        });
        Ok(JobHandle { id: inner.id, events, cancel: inner.cancel })
    }
}

#[test]
fn the_real_model_runs_no_encoder_for_a_slider() {
    let home = tempfile::tempdir().unwrap();
    let finished = Arc::<Mutex<Vec<Finished>>>::default();
    let engine = Overheard { engine: CandleEngine::start(None).unwrap(), finished: finished.clone() };
    let mut window = open_on(home.path(), Vec::new(), Box::new(engine));
    window.state_mut().state.recipe.steps = Some(2);
    click(&mut window, "Live mode");
    wait(&mut window, "the first live picture", at_rest);
    let mut painted = 1;
    for value in [0.5, 0.25] {
        strength(&mut window, value);
        painted += 1;
        wait(&mut window, "the next live picture", |_| finished.lock().unwrap().len() == painted);
    }
    window.get_by_role_and_label(Role::Slider, "Subtraction strength").set_value_accesskit(0.75);
    window.step();
    wait(&mut window, "the last live picture", |_| finished.lock().unwrap().len() == painted + 1);
    let runs: Vec<usize> = finished.lock().unwrap().iter().map(|job| job.timings.encoder_runs).collect();
    assert!(runs[0] > 0, "the first picture needs its encoders");
    assert_eq!(runs[1..], [0, 0, 0], "no encoder runs for a slider");
    let pictures: Vec<Vec<u8>> = finished.lock().unwrap().iter().map(|job| job.image.as_raw().clone()).collect();
    assert!(pictures.windows(2).all(|pair| pair[0] != pair[1]), "and yet the slider shows");
}

/// An engine whose jobs say what the test says.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Sender<JobEvent>>>>);

impl Engine for ByHand {
    fn submit(&self, _: JobSpec) -> Result<JobHandle, EngineError> {
        let (sender, events) = crossbeam_channel::unbounded();
        self.0.lock().unwrap().push(sender);
        Ok(JobHandle { id: 0, events, cancel: CancelToken::default() })
    }
}

impl ByHand {
    /// The newest job has come so far, in a step of so many seconds.
    fn step(&self, window: &mut Window, index: usize, seconds: f64) {
        let latents = Latents { channels: 3, height: 8, width: 8, values: vec![0.0; 192] };
        let preview = Arc::new(Preview { latents, factors: None, pixels_per_latent: 8 });
        let step = JobEvent::Step(Step { index, count: 8, seconds, preview });
        self.0.lock().unwrap().last().unwrap().send(step).unwrap();
        window.run_steps(3);
    }
}

#[test]
fn one_slow_step_does_not_end_live_mode_but_a_slow_model_does() {
    let home = tempfile::tempdir().unwrap();
    let engine = ByHand::default();
    let mut window = open_on(home.path(), Vec::new(), Box::new(engine.clone()));
    click(&mut window, "Live mode");
    wait(&mut window, "the first job", |_| engine.0.lock().unwrap().len() == 1);
    for (index, seconds) in [(1, 100.0), (2, 0.1), (3, 50.0), (4, 0.1)] {
        engine.step(&mut window, index, seconds);
        assert!(window.state().state.settings.is_live, "after step {index}");
    }
    assert!(errors(&window, Place::Picture).is_empty());
    strength(&mut window, 0.5);
    wait(&mut window, "the next job", |_| engine.0.lock().unwrap().len() == 2);
    for (index, seconds) in [(1, 1.0), (2, 30.0)] {
        engine.step(&mut window, index, seconds);
        assert!(window.state().state.settings.is_live, "after step {index}");
    }
    engine.step(&mut window, 3, 30.0);
    assert!(!window.state().state.settings.is_live);
    assert!(errors(&window, Place::Picture)[0].starts_with("Live mode is off again"));
    assert_eq!(window.state().state.jobs.len(), 1, "its picture is painted to the end");
}

//! How soon the window is there, and how soon it answers while the engine works: real window, real model, real frames.
//!
//! `cargo run --release --example window_times` opens the window (a screen is needed; Xvfb will do), leaves it alone,
//! moves sliders and the picture by pointer events, frame by frame, and prints one JSON line a phase. A frame's time runs
//! from the moment at which its input is taken to the same moment of the next frame, so that it holds everything in
//! between: the engine's share of the machine, the panels, the painting. At last it moves a slider in live mode and waits
//! for the picture that shows it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Event, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, RawInput, TouchPhase, pos2, vec2};
use image::{Rgb, RgbImage};
use instantstyle::app::{Command, HistoryEntry, Setup, Shown};
use instantstyle::engine::{CandleEngine, Compute, Engine};
use instantstyle::recipe::Recipe;
use instantstyle::ui::{StudioApp, waker};

/// Frames a phase; the 95th percentile of fewer says little.
const FRAMES: usize = 240;
/// How long the window is left alone, in seconds.
const IDLE_SECS: f64 = 30.0;
/// Changes in live mode.
const CHANGES: usize = 20;
/// Frames at the beginning of a phase that are not counted: what is new is sent to the card once.
const WARM_UP: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    /// Until the model is described and the sample open.
    Start,
    /// Nothing happens.
    Idle,
    /// The engine rests, a slider is dragged.
    SliderAtRest,
    /// The engine works, a slider is dragged.
    SliderAtWork,
    /// The engine works, its preview is moved and zoomed.
    PreviewAtWork,
    /// The engine works, a picture of 3072 x 3072 is fitted, moved and zoomed.
    LargeAtWork,
    /// Live mode: from the change of a slider to the frame with its picture.
    Live,
    End,
}

impl Phase {
    fn is_at_work(self) -> bool {
        matches!(self, Self::SliderAtWork | Self::PreviewAtWork | Self::LargeAtWork)
    }
}

struct Bench {
    inner: StudioApp,
    began: Instant,
    phase: Phase,
    frame: usize,
    last: Option<Instant>,
    millis: Vec<f64>,
    has_painted: bool,
    large: Arc<RgbImage>,
    /// When the phase began, and what the process had computed by then.
    entered: (Instant, f64),
    /// In live mode: when the slider was moved, and the picture that was there.
    changed: Option<(Instant, Option<u64>)>,
}

/// Seconds that this process has computed, on all its threads.
fn cpu_secs() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold anything: the 14th and 15th fields, in hundredths.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: f64 = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

impl Bench {
    fn print(&self, text: &str) {
        println!("{text}");
    }

    fn next(&mut self, phase: Phase) {
        if !self.millis.is_empty() {
            self.millis.sort_by(f64::total_cmp);
            let at = |part: f64| self.millis[((self.millis.len() - 1) as f64 * part).round() as usize];
            self.print(&format!(
                "{{\"phase\":\"{:?}\",\"frames\":{},\"p50_ms\":{:.1},\"p95_ms\":{:.1},\"max_ms\":{:.1}}}",
                self.phase,
                self.millis.len(),
                at(0.5),
                at(0.95),
                at(1.0)
            ));
        }
        self.millis.clear();
        self.frame = 0;
        self.phase = phase;
        self.entered = (Instant::now(), cpu_secs());
        let state = &mut self.inner.state;
        match phase {
            Phase::SliderAtWork => {
                // More than enough to be at work until the end.
                state.recipe.steps = Some(1000);
                state.settings.count = 16;
                state.execute(Command::Generate);
            }
            Phase::LargeAtWork => {
                let id = 1 << 40;
                let (image, recipe) = (Some(self.large.clone()), Recipe::default());
                let entry = HistoryEntry {
                    id,
                    recipe,
                    file: None,
                    image,
                    thumbnail: None,
                    trouble: None,
                    seconds: 1.0,
                    device: String::new(),
                    is_draft: false,
                };
                state.history.add(entry);
                state.execute(Command::Show(id));
            }
            Phase::Live => {
                state.execute(Command::Cancel);
                state.recipe.steps = None;
                state.settings.count = 1;
                state.execute(Command::ToggleLive);
            }
            Phase::End => {
                state.execute(Command::ToggleLive);
                state.execute(Command::Cancel);
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let took = self.last.replace(now).map(|last| now - last);
        self.frame += 1;
        if self.phase == Phase::Start {
            // The second frame begins when the first one has been painted.
            if took.is_some() && !self.has_painted {
                self.has_painted = true;
                self.print(&format!("{{\"first_frame_ms\":{:.0}}}", self.began.elapsed().as_secs_f64() * 1e3));
            }
            let state = &self.inner.state;
            if state.model_info().is_some() && state.recipe.references.iter().all(|r| state.picture(r).is_some()) {
                self.print(&format!("{{\"ready_ms\":{:.0}}}", self.began.elapsed().as_secs_f64() * 1e3));
                self.next(Phase::Idle);
            }
            return;
        }
        if self.phase == Phase::Idle {
            let (since, cpu) = (self.entered.0.elapsed().as_secs_f64(), cpu_secs() - self.entered.1);
            if since >= IDLE_SECS {
                self.print(&format!(
                    "{{\"idle_secs\":{since:.1},\"cpu_secs\":{cpu:.2},\"frames\":{}}}",
                    self.frame.saturating_sub(1)
                ));
                self.next(Phase::SliderAtRest);
            }
            return;
        }
        if self.phase == Phase::Live {
            return self.live();
        }
        if self.phase == Phase::End {
            return;
        }
        if let Some(took) = took
            && self.frame > WARM_UP
        {
            self.millis.push(took.as_secs_f64() * 1e3);
        }
        let is_at_work = self.inner.state.jobs.front().is_some_and(|job| job.preview.is_some());
        if self.phase == Phase::SliderAtWork && !is_at_work {
            // Loading is over once the first step has come.
            self.frame = 0;
            self.millis.clear();
        }
        if self.phase.is_at_work() {
            assert!(self.frame == 0 || !self.inner.state.jobs.is_empty(), "the engine must be at work");
        }
        if self.millis.len() >= FRAMES {
            if self.phase == Phase::SliderAtRest {
                let strength = self.inner.state.recipe.references[0].strength;
                assert!(strength != 1.0, "the pointer must find the slider");
            }
            self.next(match self.phase {
                Phase::SliderAtRest => Phase::SliderAtWork,
                Phase::SliderAtWork => Phase::PreviewAtWork,
                Phase::PreviewAtWork => Phase::LargeAtWork,
                _ => Phase::Live,
            });
        }
    }

    /// Moves the slider whenever the picture of the last move is there.
    fn live(&mut self) {
        let state = &mut self.inner.state;
        let shown = state.shown_entry().map(|entry| entry.id);
        let is_at_rest = state.jobs.is_empty() && shown.is_some();
        match self.changed {
            Some((since, before)) if is_at_rest && shown != before => {
                self.millis.push(since.elapsed().as_secs_f64() * 1e3);
                self.changed = None;
            }
            Some(_) => return,
            // The first picture of live mode comes by itself, and encodes.
            None if !is_at_rest || self.entered.0.elapsed().as_secs_f64() < 2.0 => return,
            None => {}
        }
        if self.millis.len() >= CHANGES {
            return self.next(Phase::End);
        }
        let strength = 0.4 + 0.03 * self.millis.len() as f64;
        state.recipe.references[0].strength = strength;
        self.changed = Some((Instant::now(), shown));
    }

    /// What a hand would do in this frame.
    fn hand(&self, screen: egui::Rect) -> Vec<Event> {
        let turn = self.frame as f32 / 10.0;
        let button = |pos: Pos2, pressed: bool| Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        match self.phase {
            Phase::SliderAtRest | Phase::SliderAtWork => {
                // Along the panel, where the sliders lie: what is under the pointer lights up and is dragged.
                let pos = pos2(60.0 + 200.0 * (0.5 + 0.5 * turn.sin()), 545.0);
                vec![Event::PointerMoved(pos), button(pos, self.frame % 40 != 39)]
            }
            Phase::PreviewAtWork | Phase::LargeAtWork => {
                let pos = screen.center() + vec2(140.0 + 90.0 * turn.cos(), 60.0 * turn.sin());
                let wheel = Event::MouseWheel {
                    unit: MouseWheelUnit::Point,
                    delta: vec2(0.0, 12.0 * (turn / 3.0).cos()),
                    phase: TouchPhase::Move,
                    source: MouseWheelSource::Unknown,
                    modifiers: Modifiers::NONE,
                };
                vec![Event::PointerMoved(pos), button(pos, self.frame % 60 != 59), wheel]
            }
            Phase::Start | Phase::Idle | Phase::Live | Phase::End => Vec::new(),
        }
    }
}

impl eframe::App for Bench {
    fn raw_input_hook(&mut self, _ctx: &egui::Context, input: &mut RawInput) {
        self.tick();
        let screen = input.screen_rect.unwrap_or(egui::Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 800.0)));
        input.events.extend(self.hand(screen));
    }

    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.inner.logic(ctx, frame);
        match self.phase {
            Phase::End => ctx.send_viewport_cmd(egui::ViewportCommand::Close),
            Phase::Idle => {
                let left = IDLE_SECS - self.entered.0.elapsed().as_secs_f64();
                ctx.request_repaint_after(Duration::from_secs_f64(left.max(0.0)));
            }
            // The app wakes by itself; frames for their own sake would only take from the engine.
            Phase::Live => ctx.request_repaint_after(Duration::from_millis(100)),
            _ => ctx.request_repaint(),
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.inner.ui(ui, frame);
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        self.inner.clear_color(visuals)
    }
}

fn main() {
    let large = Arc::new(RgbImage::from_fn(3072, 3072, |x, y| Rgb([(x / 12) as u8, (y / 12) as u8, (x ^ y) as u8])));
    // The picture was made beforehand, and is no part of the start.
    let began = Instant::now();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().to_owned();
    let viewport = egui::ViewportBuilder::default().with_title("InstantStyle Studio").with_inner_size([1280.0, 800.0]);
    let options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    let creator: eframe::AppCreator<'_> = Box::new(move |cc| {
        let waker = waker(&cc.egui_ctx);
        let engine: Box<dyn Engine> = Box::new(CandleEngine::start(Some(waker.clone()))?);
        let setup = Setup {
            engine,
            waker,
            home: Some(folder),
            session: None,
            session_notice: None,
            is_second: false,
            pictures: Vec::new(),
            compute: Compute::default(),
        };
        let mut inner = StudioApp::new(cc, setup)?;
        inner.state.shown = Shown::Nothing;
        Ok(Box::new(Bench {
            inner,
            began,
            phase: Phase::Start,
            frame: 0,
            last: None,
            millis: Vec::new(),
            has_painted: false,
            large,
            entered: (began, 0.0),
            changed: None,
        }))
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{{\"cores\":{cores},\"size\":\"1280x800\"}}");
    eframe::run_native("window_times", options, creator).unwrap();
}

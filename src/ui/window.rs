//! The window itself: where panels lie, and the way between eframe and [`AppState`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use egui::{CentralPanel, Color32, ColorImage, Frame, Margin, Panel, ScrollArea, Ui, ViewportCommand};

use super::canvas_panel::{Look, canvas_panel};
use super::help_sheet::help_sheet;
use super::shortcuts::{self, WindowCommand};
use super::textures::Textures;
use super::tokens::{self, palette};
use super::{advanced_panel, history_strip, prompt_panel, references_panel, style_panel, theme, top_bar};
use crate::app::{AppState, Command, Dropped, Place, Session, Setup, Shown, Theme};
use crate::engine::{Compute, Engine, EngineError, Waker};
use crate::gpu::DeviceGuard;
use crate::gpu::canvas::{CanvasContent, View, install};
use crate::library;
use crate::pixels::{PngText, encode_png};

const TITLE: &str = "InstantStyle Studio";

/// The window with everything that is in it.
pub struct StudioApp {
    pub state: AppState,
    look: Look,
    textures: Textures,
    is_help_open: bool,
    theme: Option<Theme>,
    guard: Option<DeviceGuard>,
}

/// Opens the window and stays until it is closed. `start_engine` gets what wakes the window.
///
/// # Errors
/// No display, no graphics adapter, or a thread that does not start: one sentence.
pub fn open(
    pictures: Vec<PathBuf>,
    start_engine: impl FnOnce(Waker) -> Result<Box<dyn Engine>, EngineError>,
) -> Result<(), String> {
    let home = library::home();
    let (session, session_notice) = home.as_deref().map_or((None, None), Session::load);
    let viewport = egui::ViewportBuilder::default()
        .with_title(TITLE)
        .with_app_id("instantstyle")
        .with_inner_size([1280.0, 800.0])
        .with_min_inner_size([820.0, 560.0])
        .with_drag_and_drop(true);
    let mut options = eframe::NativeOptions { viewport, ..eframe::NativeOptions::default() };
    if let eframe::egui_wgpu::WgpuSetup::CreateNew(setup) = &mut options.wgpu_options.wgpu_setup {
        // The small adapter paints, so that the large one's memory is the model's.
        setup.power_preference = eframe::egui_wgpu::wgpu::PowerPreference::LowPower;
    }
    let creator: eframe::AppCreator<'_> = Box::new(move |cc| {
        let ctx = cc.egui_ctx.clone();
        let waker: Waker = Arc::new(move || ctx.request_repaint());
        let engine = start_engine(waker.clone())?;
        let compute = Compute::default();
        let setup = Setup { engine, waker, home, session, session_notice, pictures, compute };
        Ok(Box::new(StudioApp::new(cc, setup)?))
    });
    // A device that is lost between `logic` and painting still ends in a panic inside egui-wgpu; the session is on the disk.
    let ran = catch_unwind(AssertUnwindSafe(|| eframe::run_native(TITLE, options, creator)));
    let Ok(ran) = ran else {
        let said = "the window stopped unexpectedly; start it again, everything is kept";
        return Err(said.to_owned());
    };
    ran.map_err(|error| {
        let why = error.to_string();
        let why = why.lines().next().unwrap_or("no reason given").trim_end_matches(['.', ' ']);
        format!(
            "the window does not open ({why}); check the display and its graphics driver, or use `instantstyle render`"
        )
    })
}

impl StudioApp {
    /// # Errors
    /// A thread that does not start.
    pub fn new(cc: &eframe::CreationContext<'_>, setup: Setup) -> std::io::Result<Self> {
        theme::install(&cc.egui_ctx);
        let guard = cc.wgpu_render_state.as_ref().map(install);
        let state = AppState::new(setup)?;
        Ok(Self {
            state,
            look: Look::default(),
            textures: Textures::default(),
            is_help_open: false,
            theme: None,
            guard,
        })
    }

    fn content(&self) -> CanvasContent {
        match self.state.shown {
            Shown::Nothing => CanvasContent::Empty,
            Shown::Live => {
                let job = self.state.jobs.front();
                let preview = job.and_then(|job| Some((job.preview.clone()?, job.preview_id)));
                preview.map_or(CanvasContent::Empty, |(preview, id)| CanvasContent::Latents { preview, id })
            }
            Shown::Entry(id) => {
                let image = self.state.history.get(id).and_then(|entry| entry.image.clone());
                image.map_or(CanvasContent::Empty, |image| CanvasContent::Picture { image, id })
            }
        }
    }

    fn panels(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let colours = palette(ui);
        let top = Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(16, 0));
        let asks_for_help = Panel::top("top")
            .exact_size(tokens::TOP_HEIGHT)
            .resizable(false)
            .frame(top)
            .show(ui, |ui| top_bar::top_bar(ui, &mut self.state, commands));
        self.is_help_open |= asks_for_help.inner;

        let side = Frame::new().fill(colours.panel);
        Panel::left("settings").exact_size(tokens::PANEL_WIDTH).resizable(false).frame(side).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                Frame::new().inner_margin(tokens::panel_margin()).show(ui, |ui| self.settings(ui, commands));
            });
        });

        let strip = Frame::new().fill(colours.panel).inner_margin(Margin::symmetric(16, 0));
        Panel::bottom("history").exact_size(tokens::STRIP_HEIGHT).resizable(false).frame(strip).show(ui, |ui| {
            history_strip::history_strip(ui, &self.state, &mut self.textures, commands);
        });

        let ground = Frame::new().fill(colours.ground);
        CentralPanel::default().frame(ground).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let content = self.content();
            let wishes = canvas_panel(ui, &self.state, &content, &mut self.look, commands);
            if wishes.copy {
                self.copy(ui.ctx());
            }
        });
    }

    fn settings(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        references_panel::references_panel(ui, &self.state, &mut self.textures, commands);
        ui.add_space(tokens::SPACE_GROUP);
        prompt_panel::prompt_panel(ui, &mut self.state);
        ui.add_space(tokens::SPACE_GROUP);
        style_panel::style_panel(ui, &mut self.state);
        ui.add_space(tokens::SPACE_GROUP);
        advanced_panel::advanced_panel(ui, &mut self.state, commands);
    }

    fn copy(&mut self, ctx: &egui::Context) {
        let Some(image) = self.state.shown_entry().and_then(|entry| entry.image.as_ref()) else { return };
        ctx.copy_image(ColorImage::from_rgb([image.width() as usize, image.height() as usize], image.as_raw()));
        self.state.notes.info(Place::Picture, "Picture copied");
    }

    fn keys(&mut self, ctx: &egui::Context, commands: &mut Vec<Command>) {
        match shortcuts::read(ctx, &self.state, self.is_help_open, commands) {
            Some(WindowCommand::Copy) => self.copy(ctx),
            Some(WindowCommand::Fit) => self.look.view.fit = true,
            Some(WindowCommand::ActualPixels) => self.look.view = View { zoom: 1.0, pan: [0.0; 2], fit: false },
            Some(WindowCommand::ToggleHelp) => self.is_help_open = !self.is_help_open,
            Some(WindowCommand::CloseHelp) => self.is_help_open = false,
            None => {}
        }
    }
}

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let (now, is_busy) = ctx.input(|input| (input.time, input.pointer.any_down()));
        if let Some(secs) = self.state.logic(now, is_busy) {
            ctx.request_repaint_after(Duration::from_secs_f64(secs.clamp(0.0, 60.0)));
        }
        if self.guard.as_ref().is_some_and(DeviceGuard::is_lost) {
            // Nothing can be painted any more; everything is on the disk.
            self.state.save_now();
            tracing::error!("the graphics device was lost; the window closes, and everything is kept");
            ctx.send_viewport_cmd(ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        if self.guard.as_ref().is_some_and(DeviceGuard::is_lost) {
            // egui-wgpu panics when it paints on a device that is gone; `logic` has saved and asked to close.
            return;
        }
        let ctx = ui.ctx().clone();
        if self.theme != Some(self.state.settings.theme) {
            self.theme = Some(self.state.settings.theme);
            theme::apply(&ctx, self.state.settings.theme);
        }
        let mut commands = dropped_files(&ctx);
        self.keys(&ctx, &mut commands);
        self.panels(ui, &mut commands);
        if self.is_help_open {
            self.is_help_open = help_sheet(&ctx);
        }
        self.textures.tidy();
        if !commands.is_empty() {
            for command in commands {
                self.state.execute(command);
            }
            // Panels before the one that asked show the result in the next frame.
            ctx.request_repaint();
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        visuals.panel_fill.to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        self.state.save_now();
    }
}

/// Files dropped on the window, and pictures pasted into it.
fn dropped_files(ctx: &egui::Context) -> Vec<Command> {
    let (dropped, pasted) = ctx.input(|input| {
        let pasted = input.events.iter().find_map(|event| match event {
            egui::Event::PasteImage(image) => Some(image.clone()),
            _ => None,
        });
        (input.raw.dropped_files.clone(), pasted)
    });
    let mut files: Vec<Dropped> = Vec::new();
    for file in dropped {
        let path = file.path().to_owned();
        if path.is_absolute() {
            files.push(Dropped::File(path));
        } else {
            let name =
                path.file_name().map_or_else(|| "dropped picture".to_owned(), |n| n.to_string_lossy().into_owned());
            files.push(Dropped::Bytes { name, read: Arc::new(move || file.bytes()) });
        }
    }
    if let Some(image) = pasted {
        let read = move || png_of(&image);
        files.push(Dropped::Bytes { name: "pasted picture".to_owned(), read: Arc::new(read) });
    }
    if files.is_empty() { Vec::new() } else { vec![Command::AddReferences(files)] }
}

/// Runs on the files' thread. What is transparent lies on white, as in every other picture.
fn png_of(image: &ColorImage) -> Result<Vec<u8>, String> {
    let [width, height] = image.size.map(|side| u32::try_from(side).unwrap_or(0));
    let on_white = |colour: &Color32| {
        let rest = 255 - colour.a();
        [colour.r().saturating_add(rest), colour.g().saturating_add(rest), colour.b().saturating_add(rest)]
    };
    let bytes: Vec<u8> = image.pixels.iter().flat_map(on_white).collect();
    let rgb = image::RgbImage::from_raw(width, height, bytes).ok_or("the clipboard holds no whole picture")?;
    encode_png(&rgb, &PngText::default()).map_err(|error| error.to_string())
}

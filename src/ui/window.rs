//! The window itself: where panels lie, and the way between eframe and [`AppState`].

use std::time::Duration;

use egui::{CentralPanel, ColorImage, Context, Frame, Margin, Panel, Rect, ScrollArea, Shape, Ui, ViewportCommand};

use super::board_cell;
use super::board_chooser::BoardChooser;
use super::board_exporter::BoardExporter;
use super::board_look::BoardLook;
use super::board_panel::board_panel;
use super::canvas_panel::{Look, canvas_panel};
use super::commands::WindowCommand;
use super::crop_editor::crop_editor;
use super::dropping::dropped_files;
use super::focus::{Focus, scroll_to_focus};
use super::help_sheet::help_sheet;
use super::library_browser::library_browser;
use super::loras_panel::loras_panel;
use super::models_offer::models_offer;
use super::models_panel::ModelsPanel;
use super::palette::{Outcome, Palette};
use super::picture_exporter::PictureExporter;
use super::shortcuts::{self, Over};
use super::styles_panel::StylesPanel;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::{
    advanced_panel, content_panel, fonts, history_strip, prompt_panel, references_panel, style_panel, theme, top_bar,
};
use crate::app::{AppState, Command, ExportOf, Place, Setup, Shown, Theme, WindowPlace};
use crate::gpu::canvas::{CanvasContent, View, install};
use crate::gpu::compare::CompareMode;
use crate::gpu::{self, DeviceGuard};

const REFUSED: &str = "the graphics card refused a part of what is shown, so that something may be missing here; every \
                       picture is kept all the same: close the window and open it again";

/// The window with everything that is in it.
pub struct StudioApp {
    pub state: AppState,
    look: Look,
    board_look: BoardLook,
    board_chooser: BoardChooser,
    board_exporter: BoardExporter,
    picture_exporter: PictureExporter,
    textures: Textures,
    sheet: Sheet,
    /// A sheet was open a frame ago.
    had_sheet: bool,
    styles: StylesPanel,
    focus: Focus,
    models: ModelsPanel,
    /// Where a file that is let go becomes the content picture.
    content_rect: Option<Rect>,
    theme: Option<Theme>,
    guard: Option<DeviceGuard>,
    /// That the graphics card refused something is said once.
    is_refusal_told: bool,
}

/// What lies over the window.
#[derive(Debug, Default)]
enum Sheet {
    #[default]
    None,
    Help,
    Palette(Palette),
    CropEditor,
    Library,
    BoardChooser,
    BoardExporter,
    PictureExporter,
    Models,
}

impl Sheet {
    fn over(&self) -> Over {
        match self {
            Self::None => Over::Nothing,
            Self::CropEditor => Over::Editor,
            Self::Help
            | Self::Palette(_)
            | Self::Library
            | Self::BoardChooser
            | Self::BoardExporter
            | Self::PictureExporter
            | Self::Models => Over::Sheet,
        }
    }
}

impl StudioApp {
    /// # Errors
    /// A thread that does not start.
    pub fn new(cc: &eframe::CreationContext<'_>, setup: Setup) -> std::io::Result<Self> {
        theme::install(&cc.egui_ctx);
        fonts::install(&cc.egui_ctx);
        let guard = cc.wgpu_render_state.as_ref().map(install);
        if let Some(render_state) = &cc.wgpu_render_state {
            let adapter = render_state.adapter.get_info();
            tracing::info!("painted by {} ({:?}, {:?})", adapter.name, adapter.backend, adapter.device_type);
        }
        let state = AppState::new(setup)?;
        Ok(Self {
            state,
            look: Look::default(),
            board_look: BoardLook::default(),
            board_chooser: BoardChooser::default(),
            board_exporter: BoardExporter::default(),
            picture_exporter: PictureExporter::default(),
            textures: Textures::default(),
            sheet: Sheet::None,
            had_sheet: false,
            styles: StylesPanel::default(),
            focus: Focus::default(),
            models: ModelsPanel::default(),
            content_rect: None,
            theme: None,
            guard,
            is_refusal_told: false,
        })
    }

    fn content(&self) -> CanvasContent {
        if let Some(entry) = self.state.shown_entry() {
            let image = entry.image.clone();
            return image.map_or(CanvasContent::Empty, |image| CanvasContent::Picture { image, id: entry.id });
        }
        let job = self.state.jobs.front().filter(|_| self.state.shown == Shown::Live);
        let preview = job.and_then(|job| Some((job.preview.clone()?, job.preview_id)));
        preview.map_or(CanvasContent::Empty, |(preview, id)| CanvasContent::Latents { preview, id })
    }

    fn panels(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let colours = palette(ui);
        let screen = ui.max_rect();
        // Painted once it is known how much of it the picture leaves.
        let ground = ui.painter().add(Shape::Noop);
        let top = Frame::new().inner_margin(Margin::symmetric(16, 0));
        let asked = Panel::top("top")
            .exact_size(tokens::TOP_HEIGHT)
            .resizable(false)
            .frame(top)
            .show(ui, |ui| top_bar::top_bar(ui, &mut self.state, commands));
        self.obey(asked.inner, ui.ctx());

        let side = Frame::new();
        Panel::left("settings").exact_size(tokens::PANEL_WIDTH).resizable(false).frame(side).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                scroll_to_focus(ui);
                Frame::new().inner_margin(tokens::panel_margin()).show(ui, |ui| self.settings(ui, commands));
            });
        });

        let strip = Frame::new().inner_margin(Margin::symmetric(16, 0));
        Panel::bottom("history").exact_size(tokens::STRIP_HEIGHT).resizable(false).frame(strip).show(ui, |ui| {
            let asked = history_strip::history_strip(ui, &self.state, &mut self.textures, commands);
            self.obey(asked, ui.ctx());
        });

        let centre = CentralPanel::default().frame(Frame::new()).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            // The panel of the models asks by itself.
            if !matches!(self.sheet, Sheet::Models) && models_offer(ui, &self.state, ui.max_rect(), commands) {
                self.sheet = Sheet::Models;
            }
            let is_flipped = shortcuts::is_flipped(ui.ctx(), self.sheet.over());
            if self.state.shown_board().is_some() {
                gpu::fill(ui, ui.max_rect(), colours.ground);
                let look = &mut self.board_look;
                let asked = board_panel(ui, &self.state, look, is_flipped, &mut self.textures, commands);
                return self.obey(asked, ui.ctx());
            }
            let content = self.content();
            let wishes = canvas_panel(ui, &self.state, &content, &mut self.look, is_flipped, commands);
            if wishes.copy {
                self.copy(ui.ctx());
            }
        });
        ui.painter().set(ground, gpu::filled_around(screen, centre.response.rect, colours.panel));
        if !matches!(self.sheet, Sheet::None) {
            gpu::fill(ui, screen, tokens::BACKDROP);
        }
    }

    fn settings(&mut self, ui: &mut Ui, commands: &mut Vec<Command>) {
        let mut crop = references_panel::references_panel(ui, &self.state, &mut self.textures, commands);
        ui.add_space(tokens::SPACE_GROUP);
        self.styles.show(ui, &self.state, &mut self.textures, commands);
        ui.add_space(tokens::SPACE_GROUP);
        prompt_panel::prompt_panel(ui, &mut self.state);
        ui.add_space(tokens::SPACE_S);
        let content = content_panel::content_panel(ui, &mut self.state, &mut self.textures, commands);
        self.content_rect = Some(content.intersect(ui.clip_rect()));
        ui.add_space(tokens::SPACE_GROUP);
        crop |= style_panel::style_panel(ui, &mut self.state);
        if crop {
            self.sheet = Sheet::CropEditor;
        }
        ui.add_space(tokens::SPACE_GROUP);
        if loras_panel(ui, &mut self.state, commands) {
            self.sheet = Sheet::Models;
        }
        advanced_panel::advanced_panel(ui, &mut self.state, commands);
    }

    fn copy(&mut self, ctx: &egui::Context) {
        let Some(image) = self.state.shown_entry().and_then(|entry| entry.image.as_ref()) else { return };
        ctx.copy_image(ColorImage::from_rgb([image.width() as usize, image.height() as usize], image.as_raw()));
        self.state.notes.info(Place::Picture, "Picture copied");
    }

    /// How pictures are compared where they are, on the board or on the canvas.
    fn compare_mode(&mut self) -> &mut CompareMode {
        match self.state.shown_board().is_some() {
            true => &mut self.board_look.comparison.canvas.compare,
            false => &mut self.look.compare,
        }
    }

    /// Does what is asked of the window itself.
    fn obey(&mut self, command: Option<WindowCommand>, ctx: &Context) {
        let toggled = |sheet: Sheet, is_open: bool| if is_open { Sheet::None } else { sheet };
        match command {
            Some(WindowCommand::Copy) => self.copy(ctx),
            Some(WindowCommand::Fit) if self.state.shown_board().is_some() => self.board_look.fit(),
            Some(WindowCommand::ActualPixels) if self.state.shown_board().is_some() => self.board_look.actual_pixels(),
            Some(WindowCommand::CompareCells) if self.state.shown_board().is_some() => {
                self.board_look.toggle_comparison();
            }
            Some(WindowCommand::Wipe) => *self.compare_mode() = CompareMode::Wipe(0.5),
            Some(WindowCommand::SideBySide) => *self.compare_mode() = CompareMode::SideBySide,
            Some(WindowCommand::Difference) => *self.compare_mode() = CompareMode::Difference,
            Some(WindowCommand::SaveStyle) if self.state.selected_reference().is_some() => self.styles.name_one(),
            Some(WindowCommand::Fit) => self.look.view.fit = true,
            Some(WindowCommand::ActualPixels) => self.look.view = View::actual_pixels(),
            Some(WindowCommand::Board) => self.sheet = Sheet::BoardChooser,
            Some(WindowCommand::ExportBoard) if self.state.board.as_ref().is_some_and(|open| open.done() > 0) => {
                self.sheet = Sheet::BoardExporter;
            }
            Some(WindowCommand::ExportPictures) if self.state.has_pictures_to_export() => {
                self.sheet = Sheet::PictureExporter;
            }
            Some(WindowCommand::ExportShown) => {
                self.picture_exporter.of = ExportOf::Shown;
                self.sheet = Sheet::PictureExporter;
            }
            Some(WindowCommand::Help) => self.sheet = toggled(Sheet::Help, matches!(self.sheet, Sheet::Help)),
            Some(WindowCommand::Library) => {
                self.sheet = toggled(Sheet::Library, matches!(self.sheet, Sheet::Library));
            }
            Some(WindowCommand::Models) => self.sheet = toggled(Sheet::Models, matches!(self.sheet, Sheet::Models)),
            Some(WindowCommand::Palette) => {
                let is_open = matches!(self.sheet, Sheet::Palette(_));
                self.sheet = toggled(Sheet::Palette(Palette::default()), is_open);
            }
            Some(WindowCommand::CropEditor) if self.state.selected_reference().is_some() => {
                self.sheet = Sheet::CropEditor;
            }
            Some(
                WindowCommand::CropEditor
                | WindowCommand::SaveStyle
                | WindowCommand::ExportBoard
                | WindowCommand::ExportPictures
                | WindowCommand::CompareCells,
            )
            | None => {}
        }
    }

    /// What lies over the window.
    fn sheets(&mut self, ctx: &Context, commands: &mut Vec<Command>) {
        if self.state.models.wants_panel {
            self.sheet = Sheet::Models;
        }
        let is_open = !matches!(self.sheet, Sheet::None);
        if is_open && !self.had_sheet {
            // The keyboard goes into the sheet, not on below it.
            ctx.memory_mut(|memory| memory.focused().map(|id| memory.surrender_focus(id)));
        }
        self.had_sheet = is_open;
        let mut asked = None;
        let stays = match &mut self.sheet {
            Sheet::None => true,
            Sheet::Help => help_sheet(ctx),
            Sheet::Library => {
                let (stays, exports) = library_browser(ctx, &mut self.state, &mut self.textures, commands);
                if exports {
                    self.picture_exporter.of = ExportOf::Found;
                    self.sheet = Sheet::PictureExporter;
                }
                stays
            }
            Sheet::BoardChooser => {
                self.board_chooser.add_pictures(std::mem::take(&mut self.state.board_pictures));
                self.board_chooser.show(ctx, &self.state, commands)
            }
            Sheet::BoardExporter => {
                let picked: Vec<usize> = self.board_look.picked.iter().copied().collect();
                self.board_exporter.show(ctx, &mut self.state, &picked, commands)
            }
            Sheet::PictureExporter => self.picture_exporter.show(ctx, &mut self.state, commands),
            Sheet::Models => self.models.show(ctx, &mut self.state, commands),
            Sheet::CropEditor => crop_editor(ctx, &mut self.state, &mut self.textures),
            Sheet::Palette(palette) => match palette.show(ctx, &self.state) {
                Outcome::StaysOpen => true,
                Outcome::Closed => false,
                Outcome::App(command) => {
                    commands.push(command);
                    false
                }
                Outcome::Window(command) => {
                    asked = Some(command);
                    false
                }
            },
        };
        if !stays {
            self.sheet = Sheet::None;
            ctx.request_repaint();
        }
        self.obey(asked, ctx);
    }

    /// Theme and scale as the settings say, and the window's place into them.
    fn follow_settings(&mut self, ctx: &Context) {
        if self.theme != Some(self.state.settings.theme) {
            self.theme = Some(self.state.settings.theme);
            theme::apply(ctx, self.state.settings.theme);
        }
        ctx.set_zoom_factor(self.state.settings.sound_scale());
        let scale = ctx.zoom_factor();
        let viewport = ctx.input(|input| input.viewport().clone());
        let (Some(inner), false) = (viewport.inner_rect, viewport.minimized.unwrap_or(false)) else { return };
        let is_maximized = viewport.maximized.unwrap_or(false) || viewport.fullscreen.unwrap_or(false);
        let before = self.state.settings.window.filter(|_| is_maximized);
        let place = WindowPlace {
            position: viewport.outer_rect.map(|outer| (outer.min * scale).into()),
            size: (inner.size() * scale).into(),
            is_maximized,
        };
        // A maximized window goes back to the size that it had.
        let place = before.map_or(place, |before| WindowPlace { is_maximized, ..before });
        self.state.settings.window = Some(place);
    }
}

impl eframe::App for StudioApp {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        let (now, is_busy) = ctx.input(|input| (input.time, input.pointer.any_down()));
        if let Some(secs) = self.state.logic(now, is_busy) {
            ctx.request_repaint_after(Duration::from_secs_f64(secs.clamp(0.0, 60.0)));
        }
        if self.guard.as_ref().is_some_and(DeviceGuard::is_lost) {
            // Nothing can be painted any more, and what paints next may panic.
            self.state.save_before_the_end();
            tracing::error!("the graphics device was lost; the window closes, and everything is kept");
            ctx.send_viewport_cmd(ViewportCommand::Close);
        } else if !self.is_refusal_told && self.guard.as_ref().is_some_and(DeviceGuard::has_failed) {
            self.is_refusal_told = true;
            self.state.notes.error(Place::Picture, REFUSED);
            ctx.request_repaint();
        }
    }

    fn ui(&mut self, ui: &mut Ui, _frame: &mut eframe::Frame) {
        if self.guard.as_ref().is_some_and(DeviceGuard::is_lost) {
            // egui-wgpu panics when it paints on a device that is gone; `logic` has saved and asked to close.
            return;
        }
        let ctx = ui.ctx().clone();
        self.follow_settings(&ctx);
        self.focus.watch(&ctx);
        let mut commands = dropped_files(&ctx, self.content_rect);
        let was_typing = self.focus.was_typing(&ctx);
        let asked = shortcuts::read(&ctx, &self.state, self.sheet.over(), was_typing, &mut commands);
        self.obey(asked, &ctx);
        self.panels(ui, &mut commands);
        self.sheets(&ctx, &mut commands);
        self.focus.paint(&ctx);
        if self.state.board.is_none() {
            self.textures.forget(board_cell::TEXTURES);
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

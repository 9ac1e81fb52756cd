//! All finished pictures: to be searched, rated, looked at again and taken up again.

use egui::{
    Align, Context, CornerRadius, Id, Image, Layout, Margin, RichText, ScrollArea, Sense, Stroke, StrokeKind, TextEdit,
    Ui, WidgetInfo, vec2,
};

use super::focus::scroll_to_focus;
use super::notes_ui::notes_ui;
use super::textures::Textures;
use super::tokens::{self, palette};
use super::{widgets, words};
use crate::app::{AppState, Command, PAGE, Place, ShelfCommand};
use crate::library::{LibraryPicture, Order, Query};
use crate::recipe::{is_built_in, split_id};

const THUMBNAIL: f32 = 132.0;
/// Height of the line of stars below, and the width of one.
const STARS: f32 = 20.0;
const STAR: f32 = 16.0;

/// Whether the browser stays open, and whether what it shows is to be exported.
pub fn library_browser(
    ctx: &Context,
    state: &mut AppState,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) -> (bool, bool) {
    state.watch_library();
    let screen = ctx.content_rect().size();
    let modal = widgets::sheet(ctx, "library browser", 20).show(ctx, |ui| {
        ui.set_width((screen.x * 0.92 - 40.0).max(240.0));
        let height = (screen.y * 0.92 - 40.0).max(200.0);
        ui.set_height(height);
        let (stays, exports) = heading(ui, state);
        filters(ui, state, commands);
        notes_ui(ui, state, Place::Library, commands);
        let below = if state.shelf.selected.is_some_and(|id| state.shelf.picture(id).is_some()) { 84.0 } else { 0.0 };
        let room = (ui.available_height() - below).max(80.0);
        ScrollArea::vertical().auto_shrink([false, false]).max_height(room).show(ui, |ui| {
            scroll_to_focus(ui);
            grid(ui, state, textures, commands);
        });
        let leaves = details(ui, state, commands);
        (stays && !leaves, exports)
    });
    let should_close = modal.should_close();
    let (stays, exports) = modal.inner;
    (stays && !should_close, exports)
}

/// Whether it stays open, and whether its pictures are to be exported.
fn heading(ui: &mut Ui, state: &AppState) -> (bool, bool) {
    ui.horizontal(|ui| {
        ui.label(RichText::new("Library").heading().strong());
        let count = match state.shelf.page.total {
            _ if state.shelf.is_searching => "Looking…".to_owned(),
            1 => "1 picture".to_owned(),
            total => format!("{total} pictures"),
        };
        widgets::hint(ui, count);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let close = ui.button("Close");
            close.widget_info(|| WidgetInfo::labeled(egui::Role::Button, true, "Close the library"));
            let export = ui.add_enabled(!state.shelf.page.pictures.is_empty(), egui::Button::new("Export…"));
            let is_enabled = export.enabled();
            export.widget_info(|| WidgetInfo::labeled(egui::Role::Button, is_enabled, "Export what the library shows"));
            let export =
                export.on_hover_text("Write the pictures shown here into a folder, in the format of your choice");
            (!close.clicked(), export.clicked())
        })
        .inner
    })
    .inner
}

fn filters(ui: &mut Ui, state: &mut AppState, commands: &mut Vec<Command>) {
    let before = state.shelf.query.clone();
    let models = state.shelf.models.clone();
    let query = &mut state.shelf.query;
    ui.horizontal_wrapped(|ui| {
        let field = TextEdit::singleline(&mut query.text).hint_text("Words of the prompt").char_limit(1000);
        let field = field.id(Id::unique("search the library"));
        let field = ui.add_sized(vec2(260.0, tokens::CONTROL_HEIGHT), field.margin(Margin::symmetric(10, 7)));
        field.widget_info(|| WidgetInfo::labeled(egui::Role::TextInput, true, "Search the library"));
        let stars = widgets::combo("library stars", 130.0, &at_least(query.min_stars)).show_ui(ui, |ui| {
            for stars in 0..=5 {
                ui.selectable_value(&mut query.min_stars, stars, at_least(stars));
            }
        });
        named(stars.response, "Stars");
        let mode = query.mode.as_deref().map_or("Any mode", mode_words);
        let mode = widgets::combo("library mode", 180.0, mode).show_ui(ui, |ui| {
            ui.selectable_value(&mut query.mode, None, "Any mode");
            for (role, words, _) in words::MODES {
                ui.selectable_value(&mut query.mode, Some(role.name().to_owned()), words);
            }
            ui.selectable_value(&mut query.mode, Some("custom".to_owned()), "Custom blocks");
        });
        named(mode.response, "Mode");
        let model = query.model.as_deref().map_or("Any model", model_words);
        let model = widgets::combo("library model", 180.0, model).show_ui(ui, |ui| {
            ui.selectable_value(&mut query.model, None, "Any model");
            for model in &models {
                ui.selectable_value(&mut query.model, Some(model.clone()), model_words(model));
            }
        });
        named(model.response, "Model");
        let order = widgets::combo("library order", 130.0, order_words(query.order)).show_ui(ui, |ui| {
            for order in [Order::Newest, Order::Oldest, Order::Stars, Order::Prompt] {
                ui.selectable_value(&mut query.order, order, order_words(order));
            }
        });
        named(order.response, "Order");
        if query.reference.is_some() && ui.button("With one reference ×").on_hover_text("Show all again").clicked() {
            query.reference = None;
        }
    });
    if *query != before {
        commands.push(Command::Shelf(ShelfCommand::Search));
    }
}

fn named(response: egui::Response, name: &'static str) {
    response.widget_info(|| WidgetInfo::labeled(egui::Role::ComboBox, true, name));
}

fn at_least(stars: u8) -> String {
    match stars {
        0 => "Any stars".to_owned(),
        1 => "1 star and more".to_owned(),
        5 => "5 stars".to_owned(),
        stars => format!("{stars} stars and more"),
    }
}

fn mode_words(mode: &str) -> &'static str {
    let known = words::MODES.iter().find(|(role, ..)| role.name() == mode);
    known.map_or("Custom blocks", |(_, words, _)| *words)
}

fn model_words(model: &str) -> &str {
    if is_built_in(model) { "Built-in model" } else { split_id(model).0 }
}

fn order_words(order: Order) -> &'static str {
    match order {
        Order::Newest => "Newest first",
        Order::Oldest => "Oldest first",
        Order::Stars => "Most stars first",
        Order::Prompt => "By prompt",
    }
}

fn grid(ui: &mut Ui, state: &mut AppState, textures: &mut Textures, commands: &mut Vec<Command>) {
    let shown = state.shelf.page.pictures.len() as u64;
    if shown == 0 && !state.shelf.is_searching {
        ui.add_space(tokens::SPACE_GROUP);
        let everything = Query { limit: PAGE, order: state.shelf.query.order, ..Query::default() };
        ui.vertical_centered(|ui| match state.shelf.query == everything {
            true => widgets::hint(ui, "Every picture that you make is kept here"),
            false => widgets::hint(ui, "No picture is like that; take away a word or a filter"),
        });
    }
    // Out of the state for as long as its cards ask it for thumbnails: many pages may have been added up.
    let pictures = std::mem::take(&mut state.shelf.page.pictures);
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(tokens::SPACE_M, tokens::SPACE_M);
        for picture in &pictures {
            card(ui, state, picture, textures, commands);
        }
    });
    state.shelf.page.pictures = pictures;
    if shown < state.shelf.page.total {
        ui.vertical_centered(|ui| {
            if ui.button("Show more").clicked() {
                commands.push(Command::Shelf(ShelfCommand::More));
            }
        });
    }
}

/// What tells the cells of a board apart: mode and strength of the first reference.
fn how(picture: &LibraryPicture) -> String {
    match picture.recipe.references.first() {
        Some(reference) => format!("{} {}", words::mode(&reference.role), reference.strength),
        None => "No reference".to_owned(),
    }
}

fn card(
    ui: &mut Ui,
    state: &mut AppState,
    picture: &LibraryPicture,
    textures: &mut Textures,
    commands: &mut Vec<Command>,
) {
    let colours = palette(ui);
    let is_selected = state.shelf.selected == Some(picture.id);
    let (rect, response) = ui.allocate_exact_size(vec2(THUMBNAIL, THUMBNAIL + STARS), Sense::click());
    let name = format!("Library picture: {}", picture.recipe.title());
    response.widget_info(|| WidgetInfo::selected(egui::Role::Button, true, is_selected, &name));
    if ui.is_rect_visible(rect) {
        let square = egui::Rect::from_min_size(rect.min, vec2(THUMBNAIL, THUMBNAIL));
        let radius = CornerRadius::same(tokens::RADIUS);
        ui.painter().rect_filled(square, radius, colours.field);
        match state.shelf.thumbnails.get(&picture.hash) {
            Some(small) => {
                let texture = textures.get(ui.ctx(), &format!("library {}", picture.hash), small);
                let size = texture.size_vec2();
                let place =
                    egui::Rect::from_center_size(square.center(), size * (THUMBNAIL / size.max_elem().max(1.0)));
                Image::new(&texture).corner_radius(radius).paint_at(ui, place);
            }
            None => state.want_thumbnail(&picture.hash, &picture.file),
        }
        let stroke = match (is_selected, response.hovered() || response.has_focus()) {
            (true, _) => Stroke::new(2.0, colours.accent),
            (false, true) => Stroke::new(1.0, colours.line_strong),
            (false, false) => Stroke::NONE,
        };
        ui.painter().rect_stroke(square, radius, stroke, StrokeKind::Inside);
        for index in 0..picture.stars {
            let from_middle = (f32::from(index) - (f32::from(picture.stars) - 1.0) / 2.0) * STAR;
            let place = square.center_bottom() + vec2(from_middle, STARS / 2.0);
            star(ui.painter(), place, STAR * 0.42, colours.accent);
        }
    }
    if response.double_clicked() {
        commands.push(Command::Shelf(ShelfCommand::Show(picture.id)));
    } else if response.clicked() {
        commands.push(Command::Shelf(ShelfCommand::Select(picture.id)));
    }
    response.on_hover_text(format!("{} · {}", picture.recipe.title(), how(picture)));
}

/// A star of five points; the fonts have none.
fn star(painter: &egui::Painter, centre: egui::Pos2, radius: f32, colour: egui::Color32) {
    /// Inner to outer radius of the regular star.
    const WAIST: f32 = 0.382;
    let mut mesh = egui::Mesh::default();
    mesh.colored_vertex(centre, colour);
    for point in 0..10_u32 {
        let angle = std::f32::consts::PI * (point as f32 / 5.0 - 0.5);
        let reach = if point % 2 == 0 { radius } else { radius * WAIST };
        mesh.colored_vertex(centre + reach * vec2(angle.cos(), angle.sin()), colour);
        mesh.add_triangle(0, point + 1, (point + 1) % 10 + 1);
    }
    painter.add(mesh);
}

/// What can be done with the selected picture; true when the browser is to give way to what was asked.
fn details(ui: &mut Ui, state: &AppState, commands: &mut Vec<Command>) -> bool {
    let Some(picture) = state.shelf.selected.and_then(|id| state.shelf.picture(id)) else { return false };
    ui.separator();
    ui.horizontal(|ui| {
        for stars in 1..=5_u8 {
            let is_given = stars <= picture.stars;
            let (rect, button) = ui.allocate_exact_size(vec2(24.0, tokens::CONTROL_HEIGHT), Sense::click());
            let colours = palette(ui);
            let is_near = button.hovered() || button.has_focus();
            let colour = match (is_given, is_near) {
                (true, _) => colours.accent,
                (false, true) => colours.text_weak,
                (false, false) => colours.line_strong,
            };
            star(ui.painter(), rect.center(), 9.0, colour);
            button.widget_info(|| {
                let name = if stars == 1 { "1 star".to_owned() } else { format!("{stars} stars") };
                WidgetInfo::selected(egui::Role::Button, true, is_given, name)
            });
            if button.clicked() {
                // The same again takes them away.
                let stars = if stars == picture.stars { 0 } else { stars };
                commands.push(Command::Shelf(ShelfCommand::Rate(picture.hash.clone(), stars)));
            }
        }
        let side = |side: Option<u32>| side.unwrap_or_default();
        let (width, height) = (side(picture.recipe.width), side(picture.recipe.height));
        let model = model_words(&picture.recipe.model.model);
        let words = format!("{} · {} · {width} × {height} · {model}", picture.recipe.title(), how(picture));
        ui.add(egui::Label::new(words).truncate());
    });
    let mut leaves = false;
    ui.horizontal_wrapped(|ui| {
        for (name, tip, command, gives_way) in [
            ("Show", "Put it onto the canvas", ShelfCommand::Show(picture.id), true),
            ("Restore its settings", "Bring back all that made it", ShelfCommand::Restore(picture.id), true),
            ("Use it as reference", "Take its style next", ShelfCommand::UseAsReference(picture.id), true),
            ("Same reference", "All pictures with its first reference", ShelfCommand::SameReference(picture.id), false),
            ("Open its folder", "Where the file lies", ShelfCommand::OpenFolder(picture.id), false),
        ] {
            let is_possible = name != "Same reference" || !picture.recipe.references.is_empty();
            if ui.add_enabled(is_possible, egui::Button::new(name)).on_hover_text(tip).clicked() {
                commands.push(Command::Shelf(command));
                leaves |= gives_way;
            }
        }
    });
    leaves
}

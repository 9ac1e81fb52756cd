//! What the model sees of a reference: the whole picture with the square on it, and beside it that square as CLIP gets it.

use egui::{
    Align, Context, CornerRadius, CursorIcon, DragValue, EventFilter, Image, Key, Layout, Rect, Response, RichText,
    ScrollArea, Sense, Slider, SliderClamping, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::textures::Textures;
use super::tokens::{self, palette};
use super::{widgets, words};
use crate::app::{AppState, Square, loss};
use crate::recipe::Crop;

/// Sides on a screen that has room for them.
const PICTURE: f32 = 380.0;
const SQUARE: f32 = 200.0;

/// How large everything is on this screen.
#[derive(Clone, Copy)]
struct Sizes {
    width: f32,
    /// What lies between the title and the last row; scrolled where even small pictures need more.
    middle: f32,
    picture: f32,
    square: f32,
    /// Of the square and the choices below it.
    column: f32,
}

impl Sizes {
    fn on(screen: Vec2) -> Self {
        /// Of the choices below the square, of what is above and below the middle, and of the field row.
        const CHOICES: f32 = 150.0;
        const AROUND: f32 = 200.0;
        const FIELDS: f32 = 48.0;
        let gap = tokens::SPACE_L * 1.5;
        let picture = (screen.y - AROUND - FIELDS).clamp(140.0, PICTURE);
        let square = (picture - CHOICES).clamp(90.0, SQUARE);
        let width = (PICTURE + gap + SQUARE).min(screen.x - 2.0 * gap - tokens::SPACE_L);
        let middle = (screen.y - AROUND).max(120.0);
        Self { width, middle, picture, square, column: square.max(170.0) }
    }
}

/// False once the editor was closed, or its reference is gone.
pub fn crop_editor(ctx: &Context, state: &mut AppState, textures: &mut Textures) -> bool {
    let index = state.selected_reference();
    let Some(mut reference) = index.and_then(|index| state.recipe.references.get(index)).cloned() else { return false };
    let sizes = Sizes::on(ctx.content_rect().size());
    let modal = widgets::sheet(ctx, "crop editor", 24).show(ctx, |ui| {
        ui.set_width(sizes.width);
        ui.label(RichText::new("What the model sees").heading().strong());
        widgets::hint(ui, "The model sees a square of it. Drag it, or use the arrow keys; scroll or + and − to zoom");
        ui.add_space(tokens::SPACE_S);
        let Some(opened) = state.picture(&reference) else {
            ui.label(format!("'{}' is not open", reference.name));
            return ui.button("Done").clicked();
        };
        let (size, thumbnail) = (opened.picture.rgb.dimensions(), opened.thumbnail.clone());
        let texture = textures.get(ui.ctx(), &reference.hash, &thumbnail);
        let before = reference.crop;
        let middle = ScrollArea::vertical().max_height(sizes.middle).min_scrolled_height(sizes.middle);
        middle.auto_shrink([false, true]).show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = tokens::SPACE_L * 1.5;
                whole(ui, sizes.picture, &texture, size, &mut reference.crop);
                ui.vertical(|ui| {
                    ui.set_width(sizes.column);
                    encoder_view(ui, sizes.square, state, textures, &reference.hash, reference.crop);
                    ui.add_space(tokens::SPACE_S);
                    choices(ui, size, &mut reference.crop);
                });
            });
            ui.add_space(tokens::SPACE_S);
            if let Some(square) = Square::of(reference.crop, size) {
                fields(ui, square, size, &mut reference.crop);
            } else {
                ui.add_space(tokens::CONTROL_HEIGHT + ui.spacing().item_spacing.y);
            }
        });
        let lost = loss(reference.crop, size);
        let colour = if lost.is_some() { palette(ui).accent } else { palette(ui).text_weak };
        let done = ui
            .horizontal(|ui| {
                ui.label(RichText::new(lost.as_deref().unwrap_or("Nothing of the picture is lost")).color(colour));
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    widgets::accent_button(ui, "Done", vec2(88.0, tokens::CONTROL_HEIGHT)).clicked()
                })
                .inner
            })
            .inner;
        if reference.crop != before
            && let Some(edited) = index.and_then(|index| state.recipe.references.get_mut(index))
        {
            edited.crop = reference.crop;
        }
        done
    });
    !(modal.inner || modal.should_close())
}

/// The whole picture, dimmed where it is not seen.
fn whole(ui: &mut Ui, side: f32, texture: &egui::TextureHandle, size: (u32, u32), crop: &mut Crop) {
    let (area, _) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    let pixels = vec2(size.0.max(1) as f32, size.1.max(1) as f32);
    let scale = side / pixels.max_elem();
    let place = Rect::from_center_size(area.center(), pixels * scale);
    ui.painter().rect_filled(area, CornerRadius::same(tokens::RADIUS), palette(ui).field);
    Image::new(texture).paint_at(ui, place);
    let response = ui.interact(place, ui.scope_id().with("square"), Sense::click_and_drag());
    // Of what shows all, moving makes the middle square first.
    let square = Square::of(*crop, size).or_else(|| Square::of(Crop::Fill, size));
    if let Some(square) = square
        && let Some(moved) = moved(ui, &response, square, size, scale)
    {
        *crop = moved.crop();
    }
    if let Some(square) = Square::of(*crop, size) {
        let corner = place.min + vec2(square.x as f32, square.y as f32) * scale;
        let seen = Rect::from_min_size(corner, Vec2::splat(square.side as f32 * scale)).intersect(place);
        outline(ui, place, seen, response.has_focus());
    }
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, "Part of the picture that is seen"));
    response.on_hover_cursor(CursorIcon::Move);
}

/// The square after this frame's drag, wheel and keys; None where it has not moved.
fn moved(ui: &Ui, response: &Response, square: Square, size: (u32, u32), scale: f32) -> Option<Square> {
    let mut out = square;
    if response.dragged() {
        // Gathered up to whole pixels, so that a slow drag of a small picture is not lost to rounding.
        let carry = response.id.with("carry");
        let by = response.drag_delta() / scale + ui.data(|data| data.get_temp::<Vec2>(carry)).unwrap_or_default();
        let whole = by.round();
        ui.data_mut(|data| data.insert_temp(carry, if response.drag_stopped() { Vec2::ZERO } else { by - whole }));
        out = out.moved(whole.x, whole.y, size);
    }
    if response.contains_pointer() {
        let (scroll, pinch) = ui.input(|input| (input.smooth_scroll_delta().y, input.zoom_delta()));
        let factor = (scroll / 200.0).exp() * pinch;
        if factor != 1.0 {
            out = out.resized(out.side as f32 / factor, size);
        }
    }
    if response.clicked() {
        response.request_focus();
    }
    if response.has_focus() {
        let filter = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ui.memory_mut(|memory| memory.set_focus_lock_filter(response.id, filter));
        let pressed = |key| ui.input(|input| input.num_presses(key)) as f32;
        let step = (out.side as f32 / 40.0).max(1.0);
        let right = pressed(Key::ArrowRight) - pressed(Key::ArrowLeft);
        let down = pressed(Key::ArrowDown) - pressed(Key::ArrowUp);
        if (right, down) != (0.0, 0.0) {
            out = out.moved(right * step, down * step, size);
        }
        let nearer = pressed(Key::Plus) + pressed(Key::Equals) - pressed(Key::Minus);
        if nearer != 0.0 {
            let side = out.side as f32;
            let wanted = side / 1.1_f32.powf(nearer);
            // At least a pixel, else a small square would never change.
            out = out.resized(if nearer > 0.0 { wanted.min(side - 1.0) } else { wanted.max(side + 1.0) }, size);
        }
    }
    (out != square).then_some(out)
}

fn outline(ui: &Ui, place: Rect, seen: Rect, is_focused: bool) {
    let painter = ui.painter();
    let around = [
        Rect::from_min_max(place.min, pos2(place.max.x, seen.min.y)),
        Rect::from_min_max(pos2(place.min.x, seen.max.y), place.max),
        Rect::from_min_max(pos2(place.min.x, seen.min.y), pos2(seen.min.x, seen.max.y)),
        Rect::from_min_max(pos2(seen.max.x, seen.min.y), pos2(place.max.x, seen.max.y)),
    ];
    for part in around {
        painter.rect_filled(part, 0, tokens::VEIL);
    }
    let colours = palette(ui);
    painter.rect_stroke(seen, 0, Stroke::new(3.0, tokens::VEIL), StrokeKind::Inside);
    let line = if is_focused { Stroke::new(2.0, colours.accent) } else { Stroke::new(1.5, tokens::ON_PICTURE) };
    painter.rect_stroke(seen, 0, line, StrokeKind::Inside);
}

/// The square as the encoder gets it.
fn encoder_view(ui: &mut Ui, side: f32, state: &mut AppState, textures: &mut Textures, hash: &str, crop: Crop) {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(side), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Image, true, "The square as the model gets it"));
    ui.painter().rect_filled(rect, 0, palette(ui).field);
    match state.seen(hash, crop) {
        Some(square) => {
            let texture = textures.get(ui.ctx(), "seen by the encoder", &square);
            Image::new(&texture).paint_at(ui, rect);
            let side = square.width();
            response.on_hover_text(format!("{side} × {side} pixels, just as the model gets them"));
        }
        None if state.model_info().is_some_and(|info| info.image_processor.is_none()) => {
            let font = egui::FontId::proportional(tokens::TEXT_SMALL);
            let text = "The model needs an IP-Adapter";
            ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, font, palette(ui).text_weak);
        }
        None => {}
    }
}

fn choices(ui: &mut Ui, size: (u32, u32), crop: &mut Crop) {
    for (choice, name, tip) in words::CROPS {
        if widgets::radio(ui, *crop == choice, name).on_hover_text(tip).clicked() {
            *crop = choice;
        }
    }
    let is_part = matches!(crop, Crop::Rect { .. });
    if widgets::radio(ui, is_part, "A part of it").on_hover_text("A square of your own choice").clicked()
        && !is_part
        && let Some(square) = Square::of(Crop::Fill, size)
    {
        *crop = square.crop();
    }
}

/// The square in numbers.
fn fields(ui: &mut Ui, square: Square, size: (u32, u32), crop: &mut Crop) {
    let mut edited = square;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = tokens::SPACE_M;
        let label = ui.label("Zoom");
        let mut zoom = square.zoom(size);
        let slider = Slider::new(&mut zoom, 1.0..=Square::most_zoom(size).max(1.01)).logarithmic(true);
        let slider = ui.scope(|ui| {
            widgets::slider_look(ui);
            ui.spacing_mut().slider_width = 150.0;
            ui.add(slider.show_value(false).clamping(SliderClamping::Always))
        });
        if slider.inner.labelled_by(label.id).changed() {
            edited = edited.resized(size.0.min(size.1) as f32 / zoom.max(1.0), size);
        }
        for (name, value, most) in [
            ("Left", &mut edited.x, size.0.saturating_sub(square.side)),
            ("Top", &mut edited.y, size.1.saturating_sub(square.side)),
        ] {
            let label = ui.label(name);
            ui.add(DragValue::new(value).range(0..=most).suffix(" px")).labelled_by(label.id);
        }
        let label = ui.label("Side");
        let mut side = edited.side;
        let field = DragValue::new(&mut side).range(1..=size.0.min(size.1)).suffix(" px");
        if ui.add(field).labelled_by(label.id).changed() {
            edited = edited.resized(side as f32, size);
        }
    });
    if edited != square {
        *crop = edited.crop();
    }
}

//! Small parts that the panels share.

use egui::{
    Align, Button, ComboBox, Context, CornerRadius, DragValue, FontId, Frame, Id, Label, Layout, Margin, Modal, Popup,
    Rect, Response, RichText, SetOpenCommand, Shape, Slider, SliderClamping, Stroke, StrokeKind, TextEdit, TextStyle,
    Ui, WidgetInfo, vec2,
};

use super::commands::MENU;
use super::theme::strong;
use super::tokens::{self, palette};
use crate::gpu::filled_round;

/// The title of a group in a panel.
pub fn heading(ui: &mut Ui, text: &str) -> Response {
    ui.label(group_text(text))
}

pub fn group_text(text: &str) -> RichText {
    RichText::new(text).strong().size(tokens::TEXT_GROUP).family(strong())
}

/// The title of a group, and from the other end its small buttons.
pub fn heading_row<R>(ui: &mut Ui, text: &str, buttons: impl FnOnce(&mut Ui) -> R) -> R {
    let size = vec2(ui.available_width(), tokens::SMALL_CONTROL_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        small_controls(ui);
        heading(ui, text);
        ui.with_layout(Layout::right_to_left(Align::Center), buttons).inner
    })
    .inner
}

/// Buttons and fields from here on are small ones.
pub fn small_controls(ui: &mut Ui) {
    ui.spacing_mut().interact_size.y = tokens::SMALL_CONTROL_HEIGHT;
    ui.spacing_mut().button_padding = vec2(8.0, 2.0);
    ui.spacing_mut().item_spacing.x = tokens::SPACE_S;
    ui.style_mut().text_styles.insert(TextStyle::Button, FontId::proportional(tokens::TEXT_SMALL));
}

/// A sign out of the font that has arrows and the like.
pub fn icon(sign: &str) -> RichText {
    RichText::new(sign).family(egui::FontFamily::Monospace).size(tokens::TEXT + 1.0)
}

/// The name of a short setting, as wide as its neighbours' names above and below.
pub fn row_label(ui: &mut Ui, text: &str, tip: &str) -> Response {
    sized_label(ui, text, tip, 64.0)
}

/// A name of this width, its field beside it.
pub fn sized_label(ui: &mut Ui, text: &str, tip: &str, width: f32) -> Response {
    let size = vec2(width, tokens::CONTROL_HEIGHT);
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_width(width);
        ui.label(text).on_hover_text(tip)
    })
    .inner
}

/// A card: a frame with a ground of its own, as wide as there is room.
pub fn card<R>(ui: &mut Ui, stroke: Stroke, margin: Margin, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let ground = ui.painter().add(Shape::Noop);
    let frame = Frame::new().stroke(stroke).corner_radius(CornerRadius::same(tokens::RADIUS)).inner_margin(margin);
    let shown = frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        contents(ui)
    });
    let rect = shown.response.rect.shrink(0.5 * stroke.width);
    ui.painter().set(ground, filled_round(rect, tokens::RADIUS, palette(ui).raised));
    shown.inner
}

/// A field for text; the ground of a large one is dear to paint where a processor paints.
pub fn text_field(ui: &mut Ui, field: TextEdit) -> Response {
    if !ui.is_enabled() {
        return ui.add(field);
    }
    let ground = ui.painter().add(Shape::Noop);
    let response = ui.add(field.background_color(egui::Color32::TRANSPARENT));
    ui.painter().set(ground, filled_round(response.rect, tokens::RADIUS, palette(ui).field));
    response
}

/// A short explanation.
pub fn hint(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.label(RichText::new(text).small().weak())
}

/// The menu of what was clicked with the other button, or has the focus when [`MENU`] is pressed.
pub fn context_menu(response: &Response, content: impl FnOnce(&mut Ui)) {
    let ctx = &response.ctx;
    let is_asked = response.has_focus() && ctx.input_mut(|input| MENU.iter().any(|keys| input.consume_shortcut(keys)));
    let by_keys = response.id.with("menu by keys");
    if is_asked || response.secondary_clicked() {
        ctx.data_mut(|data| data.insert_temp(by_keys, is_asked));
    }
    let mut menu = Popup::context_menu(response);
    if ctx.data(|data| data.get_temp(by_keys).unwrap_or(false)) {
        // There may be no pointer, or far from here.
        menu = menu.anchor(response);
    }
    if is_asked {
        menu = menu.open_memory(SetOpenCommand::Bool(true));
    }
    menu.show(content);
}

/// Words in the corner of a picture.
pub fn badge(ui: &Ui, picture: Rect, text: &str) {
    let colours = palette(ui);
    let font = FontId::proportional(tokens::TEXT_SMALL);
    let galley = ui.painter().layout_no_wrap(text.to_owned(), font, colours.accent_text);
    let corner = picture.min + vec2(6.0, 6.0);
    let ground = Rect::from_min_size(corner, galley.size()).expand2(vec2(5.0, 2.0));
    ui.painter().rect_filled(ground, CornerRadius::same(tokens::RADIUS - 2), colours.accent);
    ui.painter().galley(corner, galley, colours.accent_text);
}

/// What a menu is about, on one line.
pub fn menu_title(ui: &mut Ui, text: &str) {
    const WIDTH: f32 = 260.0;
    let text = RichText::new(text).small().weak();
    ui.scope(|ui| {
        ui.set_max_width(WIDTH);
        ui.add(Label::new(text).truncate())
    });
}

/// Marks the place where what hovers can be let go. It lies over what is there, so that nothing moves away from under
/// the pointer.
pub fn drop_target(ui: &Ui, rect: egui::Rect, text: &str) {
    let colours = palette(ui);
    let rect = rect.expand(tokens::SPACE_S);
    let is_over = ui.ctx().pointer_latest_pos().is_some_and(|pointer| rect.contains(pointer));
    let radius = CornerRadius::same(tokens::RADIUS);
    if is_over {
        ui.painter().rect_filled(rect, radius, colours.accent_faint);
        let font = egui::FontId::proportional(tokens::TEXT);
        ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, font, colours.text);
    }
    ui.painter().rect_stroke(
        rect,
        radius,
        Stroke::new(if is_over { 2.0 } else { 1.0 }, colours.accent),
        StrokeKind::Inside,
    );
}

/// A slider with its name, a field for the number, and a value to return to.
pub struct SliderRow<'a> {
    pub label: &'a str,
    /// What it does, in one sentence.
    pub tip: &'a str,
    /// What the slider reaches.
    pub range: std::ops::RangeInclusive<f64>,
    /// What may be typed.
    pub limits: std::ops::RangeInclusive<f64>,
    /// Where a double click returns to.
    pub default: f64,
    pub decimals: usize,
}

impl SliderRow<'_> {
    /// True when the value has changed. The name and the number share a line, the slider has the whole width below.
    pub fn show(self, ui: &mut Ui, value: &mut f64) -> bool {
        const FIELD: egui::Vec2 = vec2(54.0, 22.0);
        let before = *value;
        let step = 10_f64.powi(-i32::try_from(self.decimals).unwrap_or(0));
        let tip = format!("{}. Double-click to return to {:.*}", self.tip, self.decimals, self.default);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            ui.spacing_mut().interact_size.y = FIELD.y;
            ui.spacing_mut().button_padding.y = 1.0;
            let label = ui.horizontal(|ui| {
                let label = ui.label(self.label).on_hover_text(&tip);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let speed = (self.range.end() - self.range.start()) / 200.0;
                    let field = DragValue::new(value).range(self.limits.clone()).fixed_decimals(self.decimals);
                    // Drawing it changes nothing.
                    let field = field.clamp_existing_to_range(false);
                    let field = ui.add_sized(FIELD, field.speed(speed.max(step)));
                    field.labelled_by(label.id).on_hover_text(&tip);
                });
                label
            });
            slider_look(ui);
            ui.spacing_mut().slider_width = ui.available_width();
            let slider = Slider::new(value, self.range.clone()).show_value(false);
            let slider = slider.clamping(SliderClamping::Never).step_by(step);
            let slider = ui.add(slider).labelled_by(label.inner.id).on_hover_text(&tip);
            if slider.double_clicked() || label.inner.double_clicked() {
                *value = self.default;
            }
        });
        *value != before
    }
}

/// Thin rails, filled with the accent up to a small handle.
pub fn slider_look(ui: &mut Ui) {
    let colours = palette(ui);
    ui.spacing_mut().interact_size.y = 16.0;
    let visuals = ui.visuals_mut();
    visuals.selection.bg_fill = colours.accent;
    let widgets = &mut visuals.widgets;
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
        widget.fg_stroke = Stroke::new(2.0, colours.accent);
    }
    // Held, or reached by the keyboard.
    widgets.active.bg_fill = colours.accent;
    widgets.active.fg_stroke = Stroke::new(2.0, colours.selected);
    widgets.active.expansion = 1.5;
}

/// As [`SliderRow`], for a setting that the model decides until the artist does. A double click gives it back.
pub fn optional_slider(ui: &mut Ui, row: SliderRow, setting: &mut Option<f64>) {
    let default = row.default;
    let mut value = setting.unwrap_or(default);
    if row.show(ui, &mut value) {
        *setting = (value != default).then_some(value);
    }
}

/// What lies over the window until it is closed. The window below is darkened by the window itself, once.
pub fn sheet(ctx: &Context, name: &'static str, margin: i8) -> Modal {
    let frame = Frame::popup(&ctx.global_style()).inner_margin(Margin::same(margin));
    Modal::new(Id::unique(name)).frame(frame).backdrop_color(egui::Color32::TRANSPARENT)
}

/// A list to choose from, with a small arrow; what does not fit is cut at its end.
pub fn combo(id: &str, width: f32, chosen: &str) -> ComboBox<'static> {
    // Higher than egui's own, which would fade out the last of six choices.
    const LIST: f32 = 320.0;
    let combo = ComboBox::from_id_salt(id).width(width).height(LIST).truncate().selected_text(chosen.to_owned());
    combo.icon(|ui, rect, visuals, _| {
        let (middle, reach) = (rect.center(), vec2(3.5, 2.0));
        let corner = |x: f32, y: f32| middle + vec2(x, y) * reach;
        let line = vec![corner(-1.0, -1.0), corner(0.0, 1.0), corner(1.0, -1.0)];
        ui.painter().line(line, Stroke::new(1.5, visuals.fg_stroke.color));
    })
}

/// One of several choices, its circle to be seen on every ground.
pub fn radio(ui: &mut Ui, is_chosen: bool, text: &str) -> Response {
    let colours = palette(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
            widget.bg_fill = if is_chosen { colours.accent } else { colours.field };
            widget.bg_stroke = Stroke::new(1.0, if is_chosen { colours.accent } else { colours.line_strong });
            // The point within; words have their own colour.
            widget.fg_stroke.color = colours.accent_text;
        }
        ui.radio(is_chosen, RichText::new(text).color(colours.text))
    })
    .inner
}

/// What a list to choose from is called, where no label stands beside it.
pub fn combo_info(name: &str) -> WidgetInfo {
    WidgetInfo::labeled(egui::Role::ComboBox, true, name)
}

/// The one button that matters.
pub fn accent_button(ui: &mut Ui, text: &str, size: egui::Vec2) -> Response {
    let colours = palette(ui);
    ui.scope(|ui| {
        let widgets = &mut ui.visuals_mut().widgets;
        for (widget, fill) in [
            (&mut widgets.inactive, colours.accent),
            (&mut widgets.hovered, colours.accent_hovered),
            (&mut widgets.active, colours.accent_pressed),
        ] {
            widget.weak_bg_fill = fill;
            widget.fg_stroke.color = colours.accent_text;
        }
        ui.add(Button::new(group_text(text)).min_size(size))
    })
    .inner
}

/// A button that shows a sign and is read as words.
pub fn sign_button(ui: &mut Ui, sign: &str, name: &str) -> Response {
    let side = ui.spacing().interact_size.y;
    let button = Button::new(icon(sign)).min_size(vec2(side, side));
    let response = ui.add(button);
    let is_enabled = ui.is_enabled();
    response.widget_info(|| WidgetInfo::labeled(egui::Role::Button, is_enabled, name));
    response.on_hover_text(name)
}

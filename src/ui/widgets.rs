//! Small parts that the panels share.

use egui::{
    Align, Button, CornerRadius, DragValue, Layout, Response, RichText, Slider, SliderClamping, Stroke, StrokeKind, Ui,
    WidgetInfo, vec2,
};

use super::tokens::{self, palette};

/// The title of a group in a panel.
pub fn heading(ui: &mut Ui, text: &str) {
    ui.label(RichText::new(text).strong().size(tokens::TEXT_HEADING - 2.0));
}

/// A sign out of the font that has arrows and the like.
pub fn icon(sign: &str) -> RichText {
    RichText::new(sign).family(egui::FontFamily::Monospace).size(tokens::TEXT)
}

/// The name of a short setting, as wide as its neighbours' names above and below.
pub fn row_label(ui: &mut Ui, text: &str, tip: &str) -> Response {
    const WIDTH: f32 = 64.0;
    let size = vec2(WIDTH, tokens::CONTROL_HEIGHT);
    let layout = Layout::left_to_right(Align::Center);
    ui.allocate_ui_with_layout(size, layout, |ui| {
        ui.set_min_width(WIDTH);
        ui.label(text).on_hover_text(tip)
    })
    .inner
}

/// A short explanation.
pub fn hint(ui: &mut Ui, text: impl Into<String>) -> Response {
    ui.label(RichText::new(text).small().weak())
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
    /// True when the value has changed.
    pub fn show(self, ui: &mut Ui, value: &mut f64) -> bool {
        let before = *value;
        let step = 10_f64.powi(-i32::try_from(self.decimals).unwrap_or(0));
        let tip = format!("{}. Double-click to return to {:.*}", self.tip, self.decimals, self.default);
        ui.vertical(|ui| {
            ui.spacing_mut().item_spacing.y = tokens::SPACE_S / 2.0;
            let label = ui.horizontal(|ui| {
                let label = ui.label(self.label).on_hover_text(&tip);
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    let speed = (self.range.end() - self.range.start()) / 200.0;
                    let field = DragValue::new(value).range(self.limits.clone()).fixed_decimals(self.decimals);
                    let field = ui.add_sized(vec2(58.0, 24.0), field.speed(speed.max(step)));
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
    ui.spacing_mut().interact_size.y = 18.0;
    let visuals = ui.visuals_mut();
    visuals.selection.bg_fill = colours.accent;
    let widgets = &mut visuals.widgets;
    for widget in [&mut widgets.inactive, &mut widgets.hovered, &mut widgets.active] {
        widget.fg_stroke = egui::Stroke::new(2.0, colours.accent);
    }
}

/// As [`SliderRow`], for a setting that the model decides until the artist does. A double click gives it back.
pub fn optional_slider(ui: &mut Ui, row: SliderRow, setting: &mut Option<f64>) {
    let default = row.default;
    let mut value = setting.unwrap_or(default);
    if row.show(ui, &mut value) {
        *setting = (value != default).then_some(value);
    }
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
        ui.add(Button::new(RichText::new(text).strong()).min_size(size))
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

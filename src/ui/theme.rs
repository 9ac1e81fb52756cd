//! Tokens turned into egui's style.

use std::sync::Arc;

use egui::epaint::text::{FontTweak, VariationCoords};
use egui::{
    CornerRadius, FontData, FontDefinitions, FontFamily, FontId, Shadow, Stroke, Style, TextStyle, ThemePreference,
    Visuals, vec2,
};

use super::tokens::{self, DARK, LIGHT, Palette};
use crate::app::Theme;

/// One file with every weight; `assets/fonts/README.md` says where it comes from.
const INTER: &[u8] = include_bytes!("../../assets/fonts/Inter.ttf");
const WEIGHT: f32 = 420.0;
const STRONG_WEIGHT: f32 = 600.0;

/// The family of headings.
pub fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// Inter first, then what egui brings for other signs; the font of code has arrows that the others lack.
fn fonts() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    let families = [FontFamily::Proportional, FontFamily::Monospace];
    let mut others: Vec<String> =
        families.iter().filter_map(|family| fonts.families.get(family)).flatten().cloned().collect();
    let mut seen = std::collections::BTreeSet::new();
    others.retain(|font| seen.insert(font.clone()));
    for (name, weight, family) in
        [("Inter", WEIGHT, FontFamily::Proportional), ("Inter strong", STRONG_WEIGHT, strong())]
    {
        let tweak = FontTweak { coords: VariationCoords::new([(b"wght", weight)]), ..FontTweak::default() };
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(INTER).tweak(tweak)));
        let list = std::iter::once(name.to_owned()).chain(others.iter().cloned()).collect();
        fonts.families.insert(family, list);
    }
    fonts
}

/// Sets both themes up; egui changes between them by itself.
pub fn install(ctx: &egui::Context) {
    // The scale is a setting, with commands of its own.
    ctx.options_mut(|options| options.zoom_with_keyboard = false);
    ctx.set_fonts(fonts());
    for (theme, palette) in [(egui::Theme::Dark, &DARK), (egui::Theme::Light, &LIGHT)] {
        ctx.style_mut_of(theme, |style| restyle(style, palette));
    }
}

pub fn apply(ctx: &egui::Context, theme: Theme) {
    ctx.set_theme(match theme {
        Theme::System => ThemePreference::System,
        Theme::Light => ThemePreference::Light,
        Theme::Dark => ThemePreference::Dark,
    });
}

fn restyle(style: &mut Style, palette: &Palette) {
    let font = |size: f32| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, font(tokens::TEXT_SMALL)),
        (TextStyle::Body, font(tokens::TEXT)),
        (TextStyle::Button, font(tokens::TEXT)),
        (TextStyle::Heading, FontId::new(tokens::TEXT_HEADING, strong())),
        (TextStyle::Monospace, FontId::new(tokens::TEXT_SMALL, FontFamily::Monospace)),
    ]
    .into();
    style.drag_value_text_style = TextStyle::Body;
    let spacing = &mut style.spacing;
    spacing.item_spacing = vec2(tokens::SPACE_M, tokens::SPACE_M);
    spacing.button_padding = vec2(10.0, 4.0);
    spacing.interact_size = vec2(40.0, tokens::CONTROL_HEIGHT);
    spacing.slider_rail_height = 4.0;
    spacing.icon_width = 16.0;
    spacing.icon_width_inner = 9.0;
    spacing.menu_margin = egui::Margin::same(6);
    spacing.tooltip_width = 320.0;
    style.interaction.tooltip_delay = 0.4;
    style.visuals = visuals(style.visuals.clone(), palette);
}

fn visuals(mut visuals: Visuals, palette: &Palette) -> Visuals {
    let radius = CornerRadius::same(tokens::RADIUS);
    visuals.panel_fill = palette.panel;
    visuals.window_fill = palette.raised;
    visuals.window_stroke = Stroke::new(1.0, palette.line);
    visuals.window_corner_radius = CornerRadius::same(tokens::RADIUS_LARGE);
    visuals.menu_corner_radius = CornerRadius::same(tokens::RADIUS_LARGE);
    let shadow = Shadow { offset: [0, 6], blur: 20, spread: 0, color: palette.shadow };
    visuals.window_shadow = shadow;
    visuals.popup_shadow = shadow;
    visuals.extreme_bg_color = palette.ground;
    visuals.text_edit_bg_color = Some(palette.field);
    visuals.faint_bg_color = palette.raised;
    visuals.weak_text_color = Some(palette.text_weak);
    visuals.error_fg_color = palette.error;
    visuals.hyperlink_color = palette.accent;
    visuals.selection.bg_fill = palette.accent_faint;
    visuals.selection.stroke = Stroke::new(1.5, palette.selected);
    visuals.slider_trailing_fill = true;
    visuals.handle_shape = egui::style::HandleShape::Circle;
    visuals.disabled_alpha = 0.45;

    let widgets = &mut visuals.widgets;
    for widget in [
        &mut widgets.noninteractive,
        &mut widgets.inactive,
        &mut widgets.hovered,
        &mut widgets.active,
        &mut widgets.open,
    ] {
        widget.corner_radius = radius;
        widget.expansion = 0.0;
        widget.fg_stroke = Stroke::new(1.0, palette.text);
        widget.bg_stroke = Stroke::NONE;
    }
    widgets.noninteractive.bg_fill = palette.panel;
    widgets.noninteractive.weak_bg_fill = palette.panel;
    widgets.noninteractive.bg_stroke = Stroke::new(1.0, palette.line);
    widgets.inactive.bg_fill = palette.control;
    widgets.inactive.weak_bg_fill = palette.control;
    widgets.hovered.bg_fill = palette.control_hovered;
    widgets.hovered.weak_bg_fill = palette.control_hovered;
    widgets.hovered.bg_stroke = Stroke::new(1.0, palette.line_strong);
    widgets.active.bg_fill = palette.control_pressed;
    widgets.active.weak_bg_fill = palette.control_pressed;
    widgets.active.bg_stroke = Stroke::new(1.0, palette.accent);
    widgets.open.bg_fill = palette.control;
    widgets.open.weak_bg_fill = palette.control;
    visuals
}

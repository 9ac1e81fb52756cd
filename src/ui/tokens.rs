//! Design tokens: every colour, distance and text size of the window. Nothing else in `ui` names a raw colour.
//!
//! The greys have no tint, because pictures are judged beside them.

use egui::{Color32, Margin};

/// The unit of the grid; distances are multiples of it.
pub const UNIT: f32 = 4.0;
pub const SPACE_S: f32 = UNIT;
pub const SPACE_M: f32 = 2.0 * UNIT;
pub const SPACE_L: f32 = 4.0 * UNIT;
/// Between two groups of a panel.
pub const SPACE_GROUP: f32 = 3.0 * UNIT;

pub const RADIUS: u8 = 6;
pub const RADIUS_LARGE: u8 = 10;

pub const PANEL_WIDTH: f32 = 344.0;
pub const TOP_HEIGHT: f32 = 56.0;
pub const STRIP_HEIGHT: f32 = 104.0;
pub const THUMBNAIL: f32 = 80.0;
/// Height of buttons and fields.
pub const CONTROL_HEIGHT: f32 = 28.0;
/// Of those that stand beside a heading or in a card.
pub const SMALL_CONTROL_HEIGHT: f32 = 24.0;
/// Of those at the top, which are pressed all day.
pub const LARGE_CONTROL_HEIGHT: f32 = 34.0;

pub const TEXT: f32 = 13.0;
pub const TEXT_SMALL: f32 = 11.5;
pub const TEXT_HEADING: f32 = 16.0;
/// Of a group in a panel.
pub const TEXT_GROUP: f32 = 13.0;

pub fn panel_margin() -> Margin {
    Margin::same(16)
}

/// The colours of one theme.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    /// Behind the picture.
    pub ground: Color32,
    pub panel: Color32,
    /// Cards and popups.
    pub raised: Color32,
    /// Text fields and the rails of sliders.
    pub field: Color32,
    pub control: Color32,
    pub control_hovered: Color32,
    pub control_pressed: Color32,
    pub line: Color32,
    pub line_strong: Color32,
    pub text: Color32,
    pub text_weak: Color32,
    pub accent: Color32,
    pub accent_hovered: Color32,
    pub accent_pressed: Color32,
    /// On the accent.
    pub accent_text: Color32,
    pub accent_faint: Color32,
    /// Words on the faint accent, and the ring around what has the focus.
    pub selected: Color32,
    pub error: Color32,
    pub error_ground: Color32,
    pub info_ground: Color32,
    /// What a reference lies on where it does not fill its square: CLIP sees white.
    pub paper: Color32,
    pub shadow: Color32,
}

/// Over the parts of a picture that are not seen; pictures look alike in both themes.
pub const VEIL: Color32 = Color32::from_black_alpha(150);
/// Over the window while a sheet lies on it.
pub const BACKDROP: Color32 = Color32::from_black_alpha(110);
/// Lines on a picture.
pub const ON_PICTURE: Color32 = Color32::WHITE;
/// Tints a picture that is shown as it is, and one that is not used.
pub const AS_IT_IS: Color32 = Color32::WHITE;
pub const SET_ASIDE: Color32 = Color32::from_rgba_premultiplied(80, 80, 80, 80);
/// Tints a picture that follows the pointer.
pub const GHOST: Color32 = Color32::from_rgba_premultiplied(210, 210, 210, 210);

pub const DARK: Palette = Palette {
    ground: Color32::from_gray(22),
    panel: Color32::from_gray(32),
    raised: Color32::from_gray(42),
    field: Color32::from_gray(21),
    control: Color32::from_gray(54),
    control_hovered: Color32::from_gray(66),
    control_pressed: Color32::from_gray(78),
    line: Color32::from_gray(50),
    line_strong: Color32::from_gray(84),
    text: Color32::from_gray(228),
    text_weak: Color32::from_gray(166),
    accent: Color32::from_rgb(240, 168, 84),
    accent_hovered: Color32::from_rgb(250, 184, 106),
    accent_pressed: Color32::from_rgb(222, 148, 62),
    accent_text: Color32::from_rgb(36, 22, 6),
    accent_faint: Color32::from_rgb(78, 58, 34),
    selected: Color32::from_rgb(252, 200, 138),
    error: Color32::from_rgb(255, 138, 122),
    error_ground: Color32::from_rgb(66, 34, 30),
    info_ground: Color32::from_gray(48),
    paper: Color32::WHITE,
    shadow: Color32::from_black_alpha(110),
};

pub const LIGHT: Palette = Palette {
    ground: Color32::from_gray(214),
    panel: Color32::from_gray(244),
    raised: Color32::from_gray(253),
    // Darker than what it lies on, as in the dark theme: a white field cannot be seen on a white sheet.
    field: Color32::from_gray(232),
    control: Color32::from_gray(226),
    control_hovered: Color32::from_gray(214),
    control_pressed: Color32::from_gray(200),
    line: Color32::from_gray(212),
    line_strong: Color32::from_gray(150),
    text: Color32::from_gray(32),
    text_weak: Color32::from_gray(88),
    accent: Color32::from_rgb(168, 84, 12),
    accent_hovered: Color32::from_rgb(186, 98, 22),
    accent_pressed: Color32::from_rgb(144, 70, 6),
    accent_text: Color32::from_gray(255),
    accent_faint: Color32::from_rgb(250, 226, 198),
    selected: Color32::from_rgb(118, 56, 4),
    error: Color32::from_rgb(170, 34, 20),
    error_ground: Color32::from_rgb(252, 226, 220),
    info_ground: Color32::from_gray(252),
    paper: Color32::WHITE,
    shadow: Color32::from_black_alpha(50),
};

/// The palette of the theme that `ui` is painted in.
pub fn palette(ui: &egui::Ui) -> &'static Palette {
    if ui.visuals().dark_mode { &DARK } else { &LIGHT }
}

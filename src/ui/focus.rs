//! Where the keyboard is: a ring around the widget that has the focus, which is scrolled into sight when Tab goes there.
//!
//! Whoever clicks knows where they are, so the ring comes with the first key and goes with the next click.

use egui::text_edit::TextEditState;
use egui::{Context, CornerRadius, Id, Key, LayerId, Rect, Stroke, StrokeKind, Ui};

use super::tokens::{self, DARK, LIGHT};

/// From the widget to the middle of the ring, in points.
const DISTANCE: f32 = 2.0;

#[derive(Debug, Default)]
pub struct Focus {
    is_by_keys: bool,
    before: Option<Id>,
    /// What had the focus when the last frame ended: Esc takes it away before anyone sees the key.
    last: Option<Id>,
}

/// Where the window keeps the place to which Tab has gone a frame ago.
fn moved_to() -> Id {
    Id::unique("where the focus has gone")
}

/// Called within an area that scrolls up and down, which then shows what has the focus.
pub fn scroll_to_focus(ui: &Ui) {
    let moved: Option<(LayerId, Rect)> = ui.data(|data| data.get_temp(moved_to()));
    if let Some((layer, rect)) = moved
        && layer == ui.layer_id()
        && ui.clip_rect().x_range().contains(rect.center().x)
    {
        ui.scroll_to_rect(rect.expand(tokens::SPACE_M), None);
    }
}

impl Focus {
    /// Called before the panels of a frame.
    pub fn watch(&mut self, ctx: &Context) {
        let (by_keys, by_pointer) = ctx.input(|input| {
            let keys = [Key::Tab, Key::ArrowUp, Key::ArrowDown, Key::ArrowLeft, Key::ArrowRight];
            (keys.iter().any(|key| input.key_pressed(*key)), input.pointer.any_pressed())
        });
        self.is_by_keys = (self.is_by_keys || by_keys) && !by_pointer;
        let focused = ctx.memory(|memory| memory.focused());
        let is_new = focused != self.before && self.is_by_keys;
        let moved = focused.filter(|_| is_new).and_then(|id| ctx.read_response(id)).map(|at| (at.layer_id, at.rect));
        ctx.data_mut(|data| match moved {
            Some(moved) => drop(data.insert_temp(moved_to(), moved)),
            None => data.remove::<(LayerId, Rect)>(moved_to()),
        });
        self.before = focused;
    }

    /// Someone was typing until this frame began.
    pub fn was_typing(&self, ctx: &Context) -> bool {
        self.last.is_some_and(|id| TextEditState::load(ctx, id).is_some())
    }

    /// Called after everything else of a frame.
    pub fn paint(&mut self, ctx: &Context) {
        let focused = ctx.memory(|memory| memory.focused());
        self.last = focused;
        if focused != self.before {
            // The next frame scrolls to it.
            ctx.request_repaint();
        }
        let Some(response) = focused.filter(|_| self.is_by_keys).and_then(|id| ctx.read_response(id)) else { return };
        let seen = response.interact_rect;
        if !seen.is_positive() {
            return;
        }
        let colours = if ctx.global_style().visuals.dark_mode { &DARK } else { &LIGHT };
        let painter = ctx.layer_painter(response.layer_id).with_clip_rect(seen.expand(2.0 * DISTANCE));
        let radius = CornerRadius::same(tokens::RADIUS + 2);
        let line = Stroke::new(2.0, colours.selected);
        painter.rect_stroke(seen.expand(DISTANCE), radius, line, StrokeKind::Middle);
    }
}

//! Zoom and pan as arithmetic: where a picture lies in an area of the screen.
//!
//! All lengths are physical pixels of the screen; points are turned into them by the callers.

/// The smallest and largest zoom that the wheel reaches.
const ZOOM_RANGE: [f32; 2] = [1.0 / 64.0, 64.0];

/// How a picture is looked at. Shared by the canvas and both sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// Physical screen pixels per picture pixel. While `fit` is on, the canvas writes here what fits.
    pub zoom: f32,
    /// From the middle of the area to the middle of the picture, in physical screen pixels.
    pub pan: [f32; 2],
    /// The whole picture, as large as it goes.
    pub fit: bool,
}

impl Default for View {
    fn default() -> Self {
        Self { zoom: 1.0, pan: [0.0; 2], fit: true }
    }
}

impl View {
    /// One picture pixel on one screen pixel, the picture in the middle.
    #[must_use]
    pub fn actual_pixels() -> Self {
        Self { zoom: 1.0, pan: [0.0; 2], fit: false }
    }

    /// Multiplies the zoom; the point `about` (from the middle of the area) keeps its place on the screen.
    pub fn zoom_by(&mut self, factor: f32, about: [f32; 2]) {
        if !(factor.is_finite() && factor > 0.0) {
            return;
        }
        self.zoom_to(self.zoom * factor, about);
    }

    /// Sets the zoom; the point `about` (from the middle of the area) keeps its place on the screen.
    pub fn zoom_to(&mut self, zoom: f32, about: [f32; 2]) {
        self.mend();
        let zoom = zoom.clamp(ZOOM_RANGE[0], ZOOM_RANGE[1]);
        let factor = zoom / self.zoom;
        self.pan = [0, 1].map(|axis| about[axis] - (about[axis] - self.pan[axis]) * factor);
        self.zoom = zoom;
        self.fit = false;
    }

    /// Moves the picture. A fitted picture has nothing to move to and stays.
    pub fn drag(&mut self, by: [f32; 2]) {
        if !self.fit {
            self.pan = [self.pan[0] + by[0], self.pan[1] + by[1]];
        }
    }

    /// Brings the view into order for a picture of this size in an area of this size: fitted where asked for, and
    /// never out of sight.
    pub fn settle(&mut self, picture: [u32; 2], area: [f32; 2]) {
        self.mend();
        let picture = picture.map(|side| side.max(1) as f32);
        if self.fit {
            let zoom = (area[0] / picture[0]).min(area[1] / picture[1]);
            self.zoom = if zoom.is_finite() && zoom > 0.0 { zoom } else { 1.0 };
            self.pan = [0.0; 2];
            return;
        }
        // Half of what could be seen along an axis must stay in sight.
        self.pan = [0, 1].map(|axis| {
            let shown = picture[axis] * self.zoom;
            let reach = (0.5 * shown.max(area[axis])).max(0.0);
            self.pan[axis].clamp(-reach, reach)
        });
    }

    /// A view read from a damaged file must not put NaN into every later frame.
    fn mend(&mut self) {
        if !(self.zoom.is_finite() && self.zoom > 0.0) {
            self.zoom = 1.0;
        }
        self.pan = self.pan.map(|pan| if pan.is_finite() { pan } else { 0.0 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_under_the_pointer_stays() {
        let mut view = View { zoom: 1.5, pan: [20.0, -7.0], fit: true };
        let about = [113.0, -41.0];
        let point = |v: &View| [0, 1].map(|i| (about[i] - v.pan[i]) / v.zoom);
        let before = point(&view);
        for factor in [1.3, 0.5, 4.0, 0.01, 1e9] {
            view.zoom_by(factor, about);
            let after = point(&view);
            assert!((0..2).all(|i| (before[i] - after[i]).abs() < 1e-2), "{factor}: {before:?} became {after:?}");
        }
        assert_eq!(view.zoom, ZOOM_RANGE[1]);
        assert!(!view.fit);
    }

    #[test]
    fn fit_shows_the_whole_picture() {
        let mut view = View { pan: [500.0, 0.0], ..View::default() };
        view.settle([512, 256], [300.0, 300.0]);
        assert_eq!((view.zoom, view.pan), (300.0 / 512.0, [0.0; 2]));
    }

    #[test]
    fn a_picture_cannot_be_lost() {
        for zoom in [0.1, 1.0, 20.0] {
            let mut view = View { zoom, pan: [1e7, -1e7], fit: false };
            view.settle([640, 480], [800.0, 600.0]);
            let shown = [640.0 * zoom, 480.0 * zoom];
            // The picture's near edge lies within the area.
            assert!(view.pan[0] - shown[0] / 2.0 < 400.0, "{view:?}");
            assert!(view.pan[1] + shown[1] / 2.0 > -300.0, "{view:?}");
        }
    }

    #[test]
    fn nonsense_is_mended() {
        let mut view = View { zoom: f32::NAN, pan: [f32::INFINITY, 3.0], fit: false };
        view.zoom_by(f32::NAN, [0.0; 2]);
        view.settle([10, 10], [100.0, 100.0]);
        assert_eq!((view.zoom, view.pan), (1.0, [0.0, 3.0]));
        let mut empty = View::default();
        empty.settle([0, 0], [0.0, 0.0]);
        assert_eq!(empty.zoom, 1.0);
    }

    #[test]
    fn a_fitted_picture_does_not_move() {
        let mut view = View::default();
        view.drag([10.0, 10.0]);
        assert_eq!(view, View::default());
    }
}

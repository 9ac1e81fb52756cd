//! Where the program keeps its files: one home folder, moved by `INSTANTSTYLE_HOME`.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that moves everything the program keeps.
pub const HOME_VARIABLE: &str = "INSTANTSTYLE_HOME";

/// The home folder; it need not exist yet.
///
/// `INSTANTSTYLE_HOME`, else the platform's folder for an application's data: `$XDG_DATA_HOME/instantstyle` or
/// `~/.local/share/instantstyle`, `~/Library/Application Support/instantstyle`, `%APPDATA%\instantstyle`.
/// `None` where the machine names no such folder.
pub fn home() -> Option<PathBuf> {
    home_from(|name| env::var_os(name))
}

/// Where the pictures of references lie, named by content hash.
pub fn references_folder() -> Option<PathBuf> {
    home().map(|home| home.join("references"))
}

fn home_from(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // An empty variable counts as unset, as it does in the XDG specification.
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(home) = folder(HOME_VARIABLE) {
        return Some(home);
    }
    let data = if cfg!(windows) {
        folder("APPDATA")
    } else if cfg!(target_os = "macos") {
        folder("HOME").map(|home| home.join("Library").join("Application Support"))
    } else {
        // The specification has relative paths ignored.
        let xdg = folder("XDG_DATA_HOME").filter(|path| path.is_absolute());
        xdg.or_else(|| folder("HOME").map(|home| home.join(".local").join("share")))
    };
    data.map(|data| data.join("instantstyle"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home_with(variables: &[(&str, &str)]) -> Option<PathBuf> {
        home_from(|name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn the_variable_moves_the_home() {
        let moved = home_with(&[("INSTANTSTYLE_HOME", "/disk/art"), ("HOME", "/home/a"), ("APPDATA", "C:")]);
        assert_eq!(moved, Some(PathBuf::from("/disk/art")));
    }

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn without_it_the_platform_decides() {
        let home = Some(PathBuf::from("/home/a/.local/share/instantstyle"));
        assert_eq!(home_with(&[("HOME", "/home/a")]), home);
        assert_eq!(home_with(&[("INSTANTSTYLE_HOME", ""), ("XDG_DATA_HOME", "data"), ("HOME", "/home/a")]), home);
        assert_eq!(home_with(&[("XDG_DATA_HOME", "/data"), ("HOME", "/home/a")]), Some("/data/instantstyle".into()));
        assert_eq!(home_with(&[]), None);
    }
}

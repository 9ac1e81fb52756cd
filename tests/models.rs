//! Finding models on this computer and bringing them there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/copy.rs"]
mod copying;
#[path = "common/server.rs"]
mod server;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use copying::copy;
use instantstyle::models::{
    Event, Getting, Hub, Listing, ModelEntry, ModelFile, ModelsError, Part, Patience, Places, Search, State,
    ensure_space, get, unfinished_bytes,
};
use server::{Server, content, head, serve, sha256};

const TAG: &str = "\"v1\"";

fn patience() -> Patience {
    Patience { silence: Duration::from_secs(20), tries: 2, pause: Duration::ZERO, ..Patience::default() }
}

/// A model of two files on a server, wanted by the library's own `get`.
struct Shop {
    home: tempfile::TempDir,
    server: Server,
    entry: ModelEntry,
    weights: Vec<u8>,
}

impl Shop {
    fn new() -> Self {
        let weights = content(300_000);
        let sent = weights.clone();
        let server = Server::start(move |_, request, to| match request.path.as_str() {
            "/o/r/resolve/abc/sub/model.safetensors" => serve(to, request, &sent, TAG),
            "/o/r/resolve/abc/sub/config.json" => serve(to, request, b"{}", TAG),
            _ => head(to, "404 Not Found", &[("Content-Length", "0")]),
        });
        let file = |path: &str, bytes: Option<&[u8]>| ModelFile {
            path: path.into(),
            bytes: bytes.map(|b| b.len() as u64),
            sha256: bytes.map(sha256),
        };
        let entry = ModelEntry {
            name: "tower".into(),
            title: "A tower".into(),
            purpose: "tests".into(),
            part: Part::ImageEncoder,
            folder: true,
            needs: vec![],
            licence: "MIT".into(),
            licence_url: "https://example.org".into(),
            repo: "o/r".into(),
            revision: "abc".into(),
            files: vec![file("sub/model.safetensors", Some(&weights)), file("sub/config.json", None)],
        };
        Self { home: tempfile::tempdir().unwrap(), server, entry, weights }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn search(&self) -> Search {
        Search::new(Places {
            store: Some(self.path("store")),
            hub_cache: Some(self.path("hub")),
            named: vec![self.path("comfy"), self.path("missing")],
        })
    }

    fn find(&self) -> State {
        self.search().find(&self.entry, &mut |_| {}, &|| false).unwrap()
    }

    fn get(&self, events: &Mutex<Vec<Event>>) -> Result<PathBuf, ModelsError> {
        let hub = Hub::new(&self.server.address, None).unwrap();
        let patience = patience();
        let mut say = |event| events.lock().unwrap().push(event);
        let mut work = Getting { hub: &hub, patience: &patience, say: &mut say, cancelled: &|| false };
        get(&self.entry, &mut self.search(), &mut work)
    }

    #[track_caller]
    fn is_whole(&self, folder: &Path) {
        assert!(std::fs::read(folder.join("model.safetensors")).unwrap() == self.weights);
        assert_eq!(std::fs::read(folder.join("config.json")).unwrap(), b"{}");
    }
}

#[test]
fn a_model_is_fetched_once() {
    let shop = Shop::new();
    assert_eq!(shop.find(), State::Missing);
    let events = Mutex::new(vec![]);
    let folder = shop.get(&events).unwrap();
    assert_eq!(folder, shop.path("store/tower"));
    shop.is_whole(&folder);
    assert_eq!(shop.find(), State::Here(folder.clone()));
    assert_eq!(shop.get(&events).unwrap(), folder);
    assert_eq!(shop.server.requests().len(), 2);
    // A file that lost its tail is no longer taken for whole.
    std::fs::write(folder.join("model.safetensors"), &shop.weights[..1000]).unwrap();
    assert_eq!(shop.find(), State::Missing);
    shop.get(&events).unwrap();
    shop.is_whole(&folder);
}

#[test]
fn two_at_once_do_not_disturb_each_other() {
    let shop = Shop::new();
    let events = Mutex::new(vec![]);
    let go = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !go.load(Ordering::Acquire) {
                    std::hint::spin_loop();
                }
                shop.is_whole(&shop.get(&events).unwrap());
            });
        }
        go.store(true, Ordering::Release);
    });
    // One fetched two files, the others found them.
    assert_eq!(shop.server.requests().len(), 2);
}

#[test]
fn what_lies_elsewhere_is_found_by_its_content() {
    let shop = Shop::new();
    // The right name and length, and other bytes: another fine-tune.
    let mut other = shop.weights.clone();
    other[9] ^= 1;
    shop.write("comfy/models/clip_vision/model.safetensors", &other);
    shop.write("comfy/models/clip_vision/config.json", b"{}");
    assert_eq!(shop.find(), State::Missing);
    // Outside the folders of models nothing is looked at.
    shop.write("comfy/output/deep/x.safetensors", &shop.weights);
    assert_eq!(shop.find(), State::Missing);
    // The right bytes under another name are the weights, without their settings.
    let renamed = shop.write("comfy/models/clip_vision/CLIP-ViT-H.safetensors", &shop.weights);
    assert_eq!(shop.find(), State::WeightsOnly(renamed.clone()));
    // Only the settings are fetched then.
    let events = Mutex::new(vec![]);
    let folder = shop.get(&events).unwrap();
    shop.is_whole(&folder);
    assert_eq!(shop.server.requests().len(), 1);
    assert!(events.lock().unwrap().iter().any(|event| matches!(event, Event::Reused { .. })));
    // What was renamed by the user may go, the store keeps its own.
    std::fs::remove_file(renamed).unwrap();
    shop.is_whole(&folder);

    let shop = Shop::new();
    let whole = shop.write("comfy/models/clip_vision/h/model.safetensors", &shop.weights);
    shop.write("comfy/models/clip_vision/h/config.json", b"{\"a\": 1}");
    assert_eq!(shop.find(), State::Here(whole.parent().unwrap().to_owned()));
    // It is no file of the program's own list, and no safetensors.
    let others = shop.search().others();
    assert!(others.len() == 1 && others[0].path == whole && others[0].kind.is_err(), "{others:?}");
}

#[test]
fn checksums_are_remembered_until_the_file_changes() {
    let shop = Shop::new();
    let path = shop.write("comfy/models/clip_vision/x.safetensors", &shop.weights);
    let checks = || {
        let mut count = 0;
        let mut say = |event: Event| count += usize::from(matches!(event, Event::Checking { .. }));
        let state = shop.search().find(&shop.entry, &mut say, &|| false).unwrap();
        (state == State::WeightsOnly(path.clone()), count > 0)
    };
    assert_eq!(checks(), (true, true));
    assert_eq!(checks(), (true, false));
    let mut other = shop.weights.clone();
    other[0] ^= 1;
    std::fs::write(&path, other).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(checks(), (false, true));
    assert_eq!(shop.search().find(&shop.entry, &mut |_| {}, &|| true).unwrap(), State::Missing);
}

#[test]
#[cfg(unix)]
fn the_hubs_cache_is_used_as_it_lies() {
    let shop = Shop::new();
    let blob = |bytes: &[u8], name: &str| shop.write(&format!("hub/models--o--r/blobs/{name}"), bytes);
    let link = |blob: &Path, name: &str| {
        let path = shop.path(&format!("hub/models--o--r/snapshots/abc/sub/{name}"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(blob, &path).unwrap();
        path
    };
    // Named by the checksum of another file: never read, never taken.
    let wrong = link(&blob(&shop.weights, &"0".repeat(64)), "model.safetensors");
    link(&blob(b"{}", "f00"), "config.json");
    assert_eq!(shop.find(), State::Missing);
    std::fs::remove_file(wrong).unwrap();
    link(&blob(&shop.weights, &sha256(&shop.weights)), "model.safetensors");
    assert_eq!(shop.find(), State::Here(shop.path("hub/models--o--r/snapshots/abc/sub")));
    assert_eq!(shop.server.requests().len(), 0);
}

#[test]
fn everything_that_can_be_chosen_is_listed_once_and_called_as_people_do() {
    let shop = Shop::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    copy(&golden.join("model_a"), &shop.path("hub/models--artist--small-xl/snapshots/abc"));
    // The cache holds models for all kinds of programs.
    copy(&golden.join("latents.safetensors"), &shop.path("hub/models--o--other/snapshots/1/model.safetensors"));
    copy(&golden.join("vision_a"), &shop.path("store/tower"));
    copy(&golden.join("model_a"), &shop.path("comfy/models/diffusers/small"));
    copy(&golden.join("adapter_a.safetensors"), &shop.path("comfy/models/ipadapter/ip.safetensors"));
    shop.write("comfy/models/loras/page.safetensors", b"<!DOCTYPE html>");
    // Not one of the folders that ComfyUI keeps models in.
    copy(&golden.join("adapter_a.safetensors"), &shop.path("comfy/output/ip.safetensors"));
    let places = shop.search().places().clone();
    let found = Listing::of(&places, std::slice::from_ref(&shop.entry), &|| false);
    let mut names: Vec<_> = found.items.iter().map(|item| (item.part, item.name.as_str())).collect();
    names.sort_by_key(|(_, name)| *name);
    let wanted = [
        (Part::Model, "artist/small-xl"),
        (Part::Adapter, "ip.safetensors"),
        (Part::Model, "small"),
        (Part::ImageEncoder, "tower"),
    ];
    assert_eq!(names, wanted);
    let licences: Vec<_> = found.items.iter().filter_map(|item| item.licence.as_deref()).collect();
    assert_eq!(licences, ["MIT"], "the licence of what the list brought");
    let [(path, why)] = found.unusable.as_slice() else { panic!("{:?}", found.unusable) };
    assert!(path.ends_with("page.safetensors") && why.contains("page.safetensors"), "{why}");
    assert_eq!(Listing::of(&places, &[], &|| true), Listing::default(), "stopped at once");
}

#[test]
fn space_is_reckoned_for_all_together_less_what_is_there() {
    let shop = Shop::new();
    let places = shop.search().places().clone();
    let ensure = |free: fn(&Path) -> std::io::Result<u64>| {
        ensure_space(&[&shop.entry, &shop.entry], &places, &Patience { free_space: free, ..Patience::default() })
    };
    let said = ensure(|_| Ok(599_999)).unwrap_err().to_string();
    assert!(said.contains("600.0 kB") && said.lines().count() == 1, "{said}");
    ensure(|_| Ok(600_000)).unwrap();
    // Half of it came before.
    shop.write("store/tower/model.safetensors.part", &shop.weights[..150_000]);
    assert_eq!(unfinished_bytes(&shop.path("store"), &shop.entry), 150_000);
    ensure(|_| Ok(300_000)).unwrap();
    assert!(ensure(|_| Ok(299_999)).is_err());
}

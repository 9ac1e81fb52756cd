//! The models panel, driven through the window's widgets on the fake engine.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/studio.rs"]
mod studio;
#[path = "common/window.rs"]
mod window;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use by_rule::golden;
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{Command, ModelsCommand, Place};
use instantstyle::engine::Script;
use instantstyle::models::Folders;
use instantstyle::recipe::ModelFiles;
use studio::{Studio, copy, examined, open_models, opened};
use window::{
    Window, click, drop_file, drop_files, errors, generate, history, kept, picture_file, press, settle, wait,
};

#[test]
fn a_found_model_is_chosen_with_what_goes_with_it_undone_and_kept() {
    let studio = Studio::new();
    let (mut window, fake) = studio.open();
    click(&mut window, "Model: Built-in model");
    wait(&mut window, "the look through the folders", |app| !app.state.models.is_looking);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    assert!(window.query_by_label_contains("References enter through adapter_a.safetensors").is_some());
    assert!(window.query_by_label_contains("Takes about").is_some(), "the estimate comes before the loading");
    assert_eq!(window.state().state.opened_model().model, None, "looking changes nothing");
    click(&mut window, "Use this model");
    let model = studio.path("model_a");
    opened(&mut window, Some(&model));
    let files = window.state().state.recipe.model.clone();
    assert!(files.model.starts_with("model_a@") && files.adapter.starts_with("adapter_a.safetensors@"), "{files:?}");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_role_and_label(Role::Button, "Model: model_a");

    generate(&mut window, 1);
    let spec = fake.seen().pop().unwrap();
    assert_eq!(spec.model.model.as_ref(), Some(&model));
    assert_eq!(spec.model.adapter, Some(studio.path("adapter_a.safetensors")));
    assert_eq!(spec.model.image_encoder, Some(studio.path("clip/vision_a")));

    press(&mut window, Modifiers::COMMAND, Key::Z);
    opened(&mut window, None);
    assert_eq!(window.state().state.recipe.model, ModelFiles::default());
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    opened(&mut window, Some(&model));
    assert_eq!(window.state().state.recipe.model, files);

    drop(window);
    let (window, _fake) = studio.open();
    assert_eq!(window.state().state.opened_model().model, Some(model));
    assert_eq!(window.state().state.recipe.model, files);
}

#[test]
fn keys_alone_open_the_panel_find_a_model_and_take_it_up() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    window.get_by_role_and_label(Role::TextInput, "Find a model").focus();
    window.run_steps(2);
    window.event(egui::Event::Text("model_a".to_owned()));
    window.run_steps(3);
    assert!(window.query_by_role_and_label(Role::Button, "IP-Adapter: adapter_b.safetensors").is_none());
    press(&mut window, Modifiers::NONE, Key::Tab);
    assert!(window.get_by_role_and_label(Role::Button, "Model: model_a").accesskit_node().is_focused());
    press(&mut window, Modifiers::NONE, Key::Enter);
    examined(&mut window);
    press(&mut window, Modifiers::NONE, Key::Enter);
    opened(&mut window, Some(&studio.path("model_a")));
}

#[test]
fn what_does_not_fit_or_is_no_model_is_refused_with_its_sentence() {
    let studio = Studio::new();
    copy(&golden().join("latents.safetensors"), &studio.path("odd.safetensors"));
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    // The built-in model takes no other adapter.
    click(&mut window, "IP-Adapter: adapter_a.safetensors");
    examined(&mut window);
    assert!(window.query_by_label_contains("The built-in model brings its own IP-Adapter").is_some());
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    click(&mut window, "IP-Adapter: adapter_b.safetensors");
    examined(&mut window);
    assert!(window.query_by_label_contains("is made for another model").is_some());
    assert!(window.get_by_role_and_label(Role::Button, "Use this IP-Adapter").accesskit_node().is_disabled());
    window.get_by_label("1 file that cannot be used");

    // Dropped: the same sentences, and nothing changes.
    drop_file(&mut window, &studio.path("odd.safetensors"), None);
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains("odd.safetensors is a safetensors file of no known kind"), "{said:?}");
    let page = studio.path("page.safetensors");
    fs::write(&page, "<!DOCTYPE html><html></html>").unwrap();
    drop_file(&mut window, &page, None);
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains("page.safetensors") && !said[0].contains('\n'), "{said:?}");
    assert_eq!(window.state().state.opened_model().adapter, Some(studio.path("adapter_a.safetensors")));
}

#[test]
fn a_dropped_model_is_offered_and_a_typed_path_is_opened() {
    let studio = Studio::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let model = elsewhere.path().join("model_a");
    copy(&golden().join("model_a"), &model);
    let (mut window, _fake) = studio.open();
    drop_file(&mut window, &model, None);
    window.get_by_label("model_a");
    click(&mut window, "Do nothing with the dropped file");
    assert!(window.state().state.models.offered.is_empty());
    drop_file(&mut window, &model, None);
    click(&mut window, "Use it as the model");
    opened(&mut window, Some(&model));

    open_models(&mut window);
    window.get_by_role_and_label(Role::TextInput, "Path of a model").focus();
    window.run_steps(2);
    let path = studio.path("model_a");
    window.event(egui::Event::Text(path.display().to_string()));
    window.run_steps(2);
    press(&mut window, Modifiers::NONE, Key::Enter);
    wait(&mut window, "the file", |app| !app.state.models.offered.is_empty());
    assert_eq!(window.state().state.models.selected, Some(path));
}

#[test]
fn a_model_that_is_gone_at_the_start_is_named_and_comes_back() {
    let studio = Studio::new();
    // Not in a folder that is looked through, as on a disk that can be taken away.
    let disk = tempfile::tempdir().unwrap();
    let (model, aside) = (disk.path().join("model_a"), disk.path().join("aside"));
    fs::rename(studio.path("model_a"), &model).unwrap();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    press(&mut window, Modifiers::NONE, Key::Escape);
    drop_file(&mut window, &model, None);
    click(&mut window, "Use it as the model");
    opened(&mut window, Some(&model));
    let recipe = window.state().state.recipe.clone();
    drop(window);
    fs::rename(&model, &aside).unwrap();

    let (mut window, fake) = studio.open();
    let said = errors(&window, Place::Model);
    assert!(said.len() == 1 && said[0].contains(&model.display().to_string()), "{said:?}");
    assert_eq!(window.state().state.opened_model().model, None, "the built-in model stands in");
    assert_eq!(window.state().state.recipe, recipe, "and nothing of the recipe is lost");
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].model.model, None);
    drop(window);

    // It is still missing, and then it is back.
    let (mut window, _fake) = studio.open();
    assert_eq!(errors(&window, Place::Model).len(), 1);
    fs::rename(&aside, &model).unwrap();
    open_models(&mut window);
    click(&mut window, "Try the last one again");
    opened(&mut window, Some(&model));
    assert!(errors(&window, Place::Model).is_empty());
    assert_eq!(window.state().state.recipe, recipe);
}

#[test]
fn a_model_that_was_renamed_is_found_by_its_content() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    press(&mut window, Modifiers::NONE, Key::Escape);
    generate(&mut window, 1);
    let made = window.state().state.history.entries()[0].clone();
    drop(window);
    fs::rename(studio.path("model_a"), studio.path("models_of_mine")).unwrap();
    let (mut window, _fake) = studio.open();
    assert_eq!(errors(&window, Place::Model).len(), 1);
    open_models(&mut window);
    opened(&mut window, Some(&studio.path("models_of_mine")));
    assert!(errors(&window, Place::Model).is_empty());

    // A recipe that names it brings it back.
    click(&mut window, "Model: Built-in model");
    assert!(window.query_by_label_contains("It brings its own IP-Adapter, image encoder and VAE").is_some());
    assert_eq!(
        window.state().state.opened_model().model,
        Some(studio.path("models_of_mine")),
        "looking changes nothing"
    );
    click(&mut window, "Use this model");
    opened(&mut window, None);
    press(&mut window, Modifiers::NONE, Key::Escape);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    opened(&mut window, Some(&studio.path("models_of_mine")));
    assert!(made.recipe.model.model.starts_with("model_a@"), "{:?}", made.recipe.model);
}

#[test]
fn a_job_goes_on_with_its_model_when_another_is_chosen() {
    let studio = Studio::new();
    let (mut window, fake) = studio.open();
    open_models(&mut window);
    let goes_on = Arc::<AtomicBool>::default();
    fake.next(Script::Hold(goes_on.clone()));
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Generate");
    wait(&mut window, "the first step", |app| app.state.jobs.front().is_some_and(|job| job.preview.is_some()));
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("model_a")));
    press(&mut window, Modifiers::NONE, Key::Escape);
    assert_eq!(window.state().state.jobs.len(), 1, "the picture is still being painted");
    click(&mut window, "Generate");
    goes_on.store(true, Ordering::Relaxed);
    wait(&mut window, "both pictures", |app| app.state.history.entries().len() == 2 && kept(app));
    assert_eq!(history(&window), 2);
    let models: Vec<_> = fake.seen().iter().map(|spec| spec.model.model.clone()).collect();
    assert_eq!(models, [None, Some(studio.path("model_a"))]);
}

#[test]
fn a_folder_is_named_and_left_again() {
    let studio = Studio::new();
    let more = tempfile::tempdir().unwrap();
    copy(&golden().join("adapter_a_plus.safetensors"), &more.path().join("plus.safetensors"));
    let store = studio.home.path().join("models");
    Folders { folders: vec![more.path().to_owned()] }.save(&store).unwrap();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    window.get_by_role_and_label(Role::Button, "IP-Adapter: plus.safetensors");
    let name = more.path().file_name().unwrap().to_string_lossy().into_owned();
    click(&mut window, &format!("Do not look in {name} any more"));
    wait(&mut window, "another look", |app| !app.state.models.is_looking && app.state.models.folders.is_empty());
    window.run_steps(3);
    assert!(window.query_by_role_and_label(Role::Button, "IP-Adapter: plus.safetensors").is_none());
    assert!(more.path().join("plus.safetensors").exists(), "nothing is deleted");
    assert_eq!(Folders::load(&store).unwrap(), Folders::default());
}

#[test]
fn several_dropped_files_are_asked_about_one_after_the_other() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    let (model, adapter) = (studio.path("model_a"), studio.path("adapter_b.safetensors"));
    drop_files(&mut window, &[&studio.path("adapter_a.safetensors"), &adapter]);
    window.get_by_label("adapter_a.safetensors");
    window.get_by_label("1 more file after this one");
    click(&mut window, "Do nothing with the dropped file");
    window.get_by_label("adapter_b.safetensors");
    assert!(window.query_by_label_contains("more file").is_none());
    click(&mut window, "More about it");
    assert_eq!(window.state().state.models.selected, Some(adapter.clone()));
    assert!(window.state().state.models.offered.is_empty());
    press(&mut window, Modifiers::NONE, Key::Escape);

    // A newer drop takes the place of an older one, and so does taking the file up elsewhere.
    drop_file(&mut window, &adapter, None);
    drop_file(&mut window, &model, None);
    assert_eq!(window.state().state.models.offered.len(), 1);
    open_models(&mut window);
    click(&mut window, "Model: model_a");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&model));
    assert!(window.state().state.models.offered.is_empty());
}

#[test]
fn weights_that_are_let_go_over_the_content_picture_are_still_weights() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    let place = window.get_by_role_and_label(Role::Button, "Open a content picture").rect().center();
    window.hover_at(place);
    window.run_steps(2);
    drop_file(&mut window, &studio.path("adapter_a.safetensors"), None);
    let state = &window.state().state;
    assert_eq!((state.models.offered.len(), errors(&window, Place::Content)), (1, Vec::new()));
    // A picture becomes the content as before.
    let files = tempfile::tempdir().unwrap();
    drop_file(&mut window, &picture_file(files.path(), "sketch.png", [9, 80, 70]), None);
    assert_eq!(window.state().state.recipe.init.as_ref().map(|init| init.name.as_str()), Some("sketch.png"));
    // A folder is none.
    drop_file(&mut window, files.path(), None);
    let state = &window.state().state;
    assert_eq!((state.models.offered_folders.len(), errors(&window, Place::Content)), (1, Vec::new()));
}

#[test]
fn a_folder_in_which_models_lie_is_looked_through_when_it_is_typed_or_dropped() {
    let studio = Studio::new();
    let more = tempfile::tempdir().unwrap();
    let models = fs::canonicalize(more.path()).unwrap().join("models");
    copy(&golden().join("adapter_a_plus.safetensors"), &models.join("ipadapter/plus.safetensors"));
    let (mut window, _fake) = studio.open();
    let typed = |window: &Window| {
        let node = window.get_by_role_and_label(Role::TextInput, "Path of a model");
        node.accesskit_node().value().unwrap_or_default()
    };
    let write = |window: &mut Window, text: &str| {
        window.get_by_role_and_label(Role::TextInput, "Path of a model").focus();
        window.run_steps(2);
        press(window, Modifiers::COMMAND, Key::A);
        window.event(egui::Event::Text(text.to_owned()));
        window.run_steps(2);
        press(window, Modifiers::NONE, Key::Enter);
    };
    open_models(&mut window);
    let slip = more.path().join("modles").display().to_string();
    write(&mut window, &slip);
    wait(&mut window, "the refusal", |app| app.state.notes.at(Place::Model).count() == 1);
    window.run_steps(2);
    assert_eq!(typed(&window), slip, "a slip is mended, not typed again");
    write(&mut window, &models.display().to_string());
    wait(&mut window, "the question", |app| app.state.models.offered_folders.len() == 1);
    window.run_steps(2);
    assert_eq!((typed(&window), errors(&window, Place::Model)), (String::new(), Vec::new()));
    click(&mut window, "Look in this folder for models");
    wait(&mut window, "the look", |app| app.state.models.items.iter().any(|item| item.name == "plus.safetensors"));
    let kept = Folders::load(&studio.home.path().join("models")).unwrap();
    assert_eq!(kept.folders, [models]);
    press(&mut window, Modifiers::NONE, Key::Escape);

    // Among pictures, too; and nobody has to.
    let picture = picture_file(more.path(), "red.png", [200, 9, 9]);
    drop_files(&mut window, &[more.path(), &picture]);
    assert_eq!(window.state().state.models.offered_folders, [more.path()]);
    assert_eq!(window.state().state.recipe.references.last().map(|last| last.name.as_str()), Some("red.png"));
    click(&mut window, "Do nothing with the folder");
    assert!(window.state().state.models.offered_folders.is_empty());
    assert!(errors(&window, Place::References).is_empty());
}

#[test]
fn a_look_that_meets_a_bug_comes_to_an_end() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    let mut source = studio.source("http://127.0.0.1:9", Vec::new());
    let places = source.places.clone();
    let (asked, ask) = (Arc::new(AtomicUsize::new(0)), 2);
    source.places = Arc::new(move || {
        // Each look asks twice.
        assert!(asked.fetch_add(1, Ordering::Relaxed) >= ask, "a bug");
        places()
    });
    window.state_mut().state.set_model_source(source);
    open_models(&mut window);
    assert!(errors(&window, Place::Model)[0].contains("because of a bug"), "{:?}", errors(&window, Place::Model));
    click(&mut window, "Look again");
    wait(&mut window, "another look", |app| !app.state.models.is_looking);
    window.run_steps(2);
    window.get_by_role_and_label(Role::Button, "Model: model_a");
}

#[test]
fn tab_brings_what_it_reaches_into_sight() {
    let studio = Studio::new();
    for number in 0..40 {
        copy(&golden().join("adapter_a.safetensors"), &studio.path(&format!("many/adapter_{number:02}.safetensors")));
    }
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    let edge = window.get_by_role_and_label(Role::Button, "Add a folder to look in…").rect().min.y;
    let last = |window: &Window| {
        let row = window.get_by_role_and_label(Role::Button, "IP-Adapter: adapter_39.safetensors");
        (row.rect(), row.accesskit_node().is_focused())
    };
    assert!(last(&window).0.min.y > edge, "it is out of sight at first");
    window.get_by_role_and_label(Role::TextInput, "Find a model").focus();
    window.run_steps(2);
    for _ in 0..200 {
        press(&mut window, Modifiers::NONE, Key::Tab);
        if last(&window).1 {
            break;
        }
    }
    settle(&mut window);
    let (row, is_focused) = last(&window);
    assert!(is_focused && row.max.y <= edge, "{row:?} is below {edge}");
}

#[test]
fn a_part_that_is_chosen_while_a_model_opens_goes_with_it() {
    let studio = Studio::new();
    let (mut window, _fake) = studio.open();
    open_models(&mut window);
    // Between two frames, so that the model is not open when the adapter is chosen.
    let (model, adapter) = (studio.path("model_a"), studio.path("adapter_a.safetensors"));
    for path in [&model, &adapter] {
        window.state_mut().state.execute(Command::Models(ModelsCommand::Use(path.clone())));
    }
    opened(&mut window, Some(&model));
    assert_eq!(window.state().state.opened_model().adapter, Some(adapter));
    assert!(errors(&window, Place::Model).is_empty());
}

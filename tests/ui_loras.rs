//! LoRAs in the window, on the fake engine.
#![cfg(feature = "ui")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/studio.rs"]
mod studio;
#[path = "common/window.rs"]
mod window;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use by_rule::{ByRule, write};
use egui::accesskit::Role;
use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use instantstyle::app::{Command, ModelsCommand, Place};
use instantstyle::engine::FakeEngine;
use instantstyle::recipe::SchedulerName;
use safetensors::Dtype;
use studio::{Studio, examined, open_models, opened};
use window::{Window, click, click_until, drop_file, errors, files_are_done, generate, hold_files, press, wait};

/// A window on a small SDXL checkpoint in one file, and a LoRA of this name for it.
fn with_checkpoint(lora: &str) -> (Studio, Window, Arc<FakeEngine>, PathBuf) {
    let studio = Studio::new();
    let model = ByRule::load("s");
    write(&studio.path("models/checkpoints/small.safetensors"), &model.single(), Dtype::F16);
    let lora = studio.path(&format!("models/loras/{lora}.safetensors"));
    write(&lora, &model.lora("lora_kohya"), Dtype::F32);
    let (mut window, fake) = studio.open();
    open_models(&mut window);
    // ComfyUI's layout: only its model folders are entered.
    assert!(window.query_by_role_and_label(Role::Button, "Model: model_a").is_none());
    click(&mut window, "Model: small.safetensors");
    examined(&mut window);
    click(&mut window, "Use this model");
    opened(&mut window, Some(&studio.path("models/checkpoints/small.safetensors")));
    (studio, window, fake, lora)
}

#[test]
fn a_lora_is_added_weighed_switched_off_and_undone() {
    let (studio, mut window, fake, lora) = with_checkpoint("brush");
    let truth = "References cannot be used with this model yet";
    assert!(window.state().state.notes.at(Place::Model).any(|note| note.text.contains(truth)));
    let strength = |window: &Window| window.state().state.recipe.loras.first().map(|lora| lora.strength);
    click(&mut window, "LoRA: brush.safetensors");
    examined(&mut window);
    click_until(&mut window, "Add this LoRA", |app| app.state.recipe.loras.len() == 1);
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.get_by_role_and_label(Role::Slider, "Strength of brush").set_value_accesskit(0.5);
    window.run_steps(60);
    assert_eq!(strength(&window), Some(0.5));

    // No adapter goes with it: the same is said when it is chosen, on the card, and instead of a picture.
    window.get_by_label("Cannot be used with this model yet");
    click(&mut window, "Generate");
    assert!(errors(&window, Place::Picture)[0].contains(truth));
    click(&mut window, "Get an IP-Adapter…");
    window.get_by_role_and_label(Role::Button, "Close the models");
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Switch the references off");
    assert_eq!(errors(&window, Place::Picture), Vec::<String>::new());
    generate(&mut window, 1);
    let spec = fake.seen().pop().unwrap();
    assert_eq!((spec.model.loras.as_slice(), spec.recipe.loras[0].strength), ([lora.clone()].as_slice(), 0.5));

    // Off keeps the strength, and the engine does not hear of it.
    window.get_by_role_and_label(Role::CheckBox, "Use the LoRA brush").click();
    window.run_steps(3);
    assert_eq!(strength(&window), Some(0.0));
    generate(&mut window, 2);
    assert!(fake.seen()[1].model.loras.is_empty() && fake.seen()[1].recipe.loras.is_empty());
    window.get_by_role_and_label(Role::CheckBox, "Use the LoRA brush").click();
    window.run_steps(3);
    assert_eq!(strength(&window), Some(0.5));
    // Off by an undo, too.
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(strength(&window), Some(0.0));
    toggle(&mut window, "brush");
    assert_eq!(strength(&window), Some(0.5));
    for wanted in [Some(0.0), Some(0.5)] {
        press(&mut window, Modifiers::COMMAND, Key::Z);
        assert_eq!(strength(&window), wanted);
    }

    click(&mut window, "Blocks of the LoRA brush");
    click(&mut window, "Style half of a B-LoRA");
    assert_eq!(window.state().state.recipe.loras[0].blocks, ["style"]);
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Remove the LoRA brush");
    assert_eq!(strength(&window), None);
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(strength(&window), Some(0.5));

    // The file moved away: it is said where it matters, and found again.
    drop(window);
    let moved = studio.path("models/loras/other.safetensors");
    fs::rename(&lora, &moved).unwrap();
    let (mut window, fake) = studio.open();
    assert_eq!(strength(&window), Some(0.5));
    open_models(&mut window);
    // Its card says no more that the file is missing, and what lies below it has moved.
    wait(&mut window, "the LoRA", |app| app.state.models.lora_troubles.is_empty());
    press(&mut window, Modifiers::NONE, Key::Escape);
    generate(&mut window, 3);
    assert_eq!(fake.seen()[0].model.loras, [moved]);
}

#[test]
fn a_lora_of_another_model_is_refused() {
    let (studio, mut window, _fake, lora) = with_checkpoint("brush");
    click(&mut window, "Model: Built-in model");
    click(&mut window, "Use this model");
    opened(&mut window, None);
    press(&mut window, Modifiers::NONE, Key::Escape);
    drop_file(&mut window, &lora, None);
    examined(&mut window);
    window.get_by_label("'brush' is made for another kind of model; choose a LoRA for the model in use");
    let is_refused =
        |window: &Window| window.get_by_role_and_label(Role::Button, "Add it as a LoRA").accesskit_node().is_disabled();
    assert!(is_refused(&window));
    // Asked for all the same, on a model that takes its place.
    let model = studio.path("models/checkpoints/small.safetensors");
    window.state_mut().state.execute(Command::Models(ModelsCommand::Use(model.clone())));
    opened(&mut window, Some(&model));
    wait(&mut window, "another try", |app| matches!(app.state.models.examined, Some((_, Ok(_)))));
    assert!(!is_refused(&window));
    assert!(window.state().state.recipe.loras.is_empty());
}

#[test]
fn a_lora_is_judged_by_the_model_that_is_chosen_with_it() {
    let (studio, mut window, _fake, lora) = with_checkpoint("brush");
    let model = studio.path("models/checkpoints/small.safetensors");
    // Between two frames, so that the model is not open when the LoRA is added, or is chosen before it has answered.
    for order in [[&model, &lora], [&lora, &model]] {
        window.state_mut().state.execute(Command::Models(ModelsCommand::UseBuiltIn));
        opened(&mut window, None);
        for path in order {
            window.state_mut().state.execute(Command::Models(ModelsCommand::Use(path.clone())));
        }
        wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
        assert_eq!(window.state().state.opened_model().model.as_ref(), Some(&model));
        assert_eq!(errors(&window, Place::Model), Vec::<String>::new());
        window.state_mut().state.execute(Command::Models(ModelsCommand::RemoveLora(0)));
    }
}

#[test]
fn a_lora_that_is_found_elsewhere_while_the_model_opens_is_tried_there() {
    let (studio, mut window, _fake, lora) = with_checkpoint("brush");
    window.state_mut().state.execute(Command::Models(ModelsCommand::Use(lora.clone())));
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    drop(window);
    let moved = studio.path("models/loras/other.safetensors");
    fs::rename(&lora, &moved).unwrap();
    let (mut window, _fake) = studio.open();
    assert_eq!(window.state().state.models.lora_troubles.len(), 1, "nobody has looked for it yet");
    let hold = hold_files(&mut window);
    window.state_mut().state.execute(Command::Models(ModelsCommand::TryAgain));
    window.state_mut().state.execute(Command::Models(ModelsCommand::Look));
    wait(&mut window, "the look", |app| app.state.lora_path(&app.state.recipe.loras[0]) == Some(&moved));
    drop(hold);
    files_are_done(&mut window);
    assert!(window.state().state.models.lora_troubles.is_empty(), "{:?}", window.state().state.models.lora_troubles);
}

/// Steps that are set, and those that are painted with where none are.
fn steps(window: &Window) -> (Option<u32>, u32) {
    let state = &window.state().state;
    (state.recipe.steps, state.model_info().unwrap().defaults.steps)
}

fn toggle(window: &mut Window, name: &str) {
    window.get_by_role_and_label(Role::CheckBox, &format!("Use the LoRA {name}")).click();
    window.run_steps(3);
}

#[test]
fn a_lora_for_few_steps_brings_its_settings_and_gives_the_artists_back() {
    let (_studio, mut window, fake, lora) = with_checkpoint("brush_lcm");
    press(&mut window, Modifiers::NONE, Key::Escape);
    window.state_mut().state.settings.is_advanced_open = true;
    window.state_mut().state.recipe.steps = Some(28);
    window.run_steps(3);
    assert_eq!(steps(&window), (Some(28), 30));
    drop_file(&mut window, &lora, None);
    click(&mut window, "Add it as a LoRA");
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    window.run_steps(3);
    assert_eq!(steps(&window), (None, 4), "what it was made for, though 28 were set");
    let defaults = window.state().state.model_info().unwrap().defaults.clone();
    assert_eq!((defaults.guidance, defaults.scheduler), (1.5, SchedulerName::Lcm));
    // Said once, and to be seen for as long as it holds.
    let notes: Vec<_> = window.state().state.notes.at(Place::Model).map(|note| note.text.clone()).collect();
    assert_eq!(notes.len(), 1);
    assert!(notes[0].contains(
        "made for few steps and paints with 4 steps, guidance 1.5, sampler LCM; its card brings your settings back"
    ));
    assert!(window.query_by_label("Made for few steps: 4 steps, guidance 1.5, sampler LCM").is_some());
    let slider = window.get_by_role_and_label(Role::Slider, "Steps").accesskit_node().numeric_value();
    assert_eq!(slider, Some(4.0));
    click(&mut window, "Remove reference 1");
    generate(&mut window, 1);
    assert_eq!(fake.seen()[0].recipe.steps, None, "the engine fills in the same");

    click(&mut window, "Back to my settings with brush_lcm");
    assert_eq!(steps(&window), (Some(28), 4));
    click(&mut window, "Use the settings of brush_lcm");
    assert_eq!(steps(&window), (None, 4));
    toggle(&mut window, "brush_lcm");
    assert_eq!(steps(&window), (Some(28), 30), "off, all is as it was");
    toggle(&mut window, "brush_lcm");
    assert_eq!(steps(&window), (None, 4));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(steps(&window), (Some(28), 30));
    press(&mut window, Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    assert_eq!(steps(&window), (None, 4));

    // Kept to blocks it makes no few-step model, as the engine has it.
    window.state_mut().state.recipe.loras[0].blocks = vec!["style".to_owned()];
    window.run_steps(3);
    assert_eq!(steps(&window), (None, 30));
    assert!(window.query_by_label_contains("where it is used whole").is_some());
}

#[test]
fn a_lora_for_few_steps_is_known_again_at_the_next_start() {
    let (studio, mut window, _fake, lora) = with_checkpoint("Hyper-SDXL-8steps-lora");
    press(&mut window, Modifiers::NONE, Key::Escape);
    drop_file(&mut window, &lora, None);
    click(&mut window, "Add it as a LoRA");
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    window.run_steps(3);
    assert_eq!(steps(&window), (None, 8));
    drop(window);
    let (window, _fake) = studio.open();
    assert_eq!(steps(&window), (None, 8));
    // Also where it is found again in another place.
    drop(window);
    fs::rename(&lora, studio.path("models/loras/moved_Hyper-SDXL-8steps-lora.safetensors")).unwrap();
    let (mut window, _fake) = studio.open();
    assert_eq!(steps(&window), (None, 30));
    open_models(&mut window);
    wait(&mut window, "its settings", |app| app.state.model_info().unwrap().defaults.steps == 8);
    press(&mut window, Modifiers::NONE, Key::Escape);
    click(&mut window, "Remove the LoRA Hyper-SDXL-8steps-lora");
    assert_eq!(steps(&window), (None, 30));
}

#[test]
fn the_artists_settings_are_never_lost_behind_a_lora_for_few_steps() {
    let (studio, mut window, _fake, lora) = with_checkpoint("brush_lcm");
    let own = |window: &Window| (window.state().state.recipe.steps, window.state().state.recipe.guidance);
    press(&mut window, Modifiers::NONE, Key::Escape);
    let recipe = &mut window.state_mut().state.recipe;
    (recipe.steps, recipe.guidance) = (Some(28), Some(6.5));
    window.run_steps(3);
    drop_file(&mut window, &lora, None);
    click(&mut window, "Add it as a LoRA");
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    window.run_steps(3);
    assert_eq!(own(&window), (None, None));
    // Removed, undone, and removed again.
    click(&mut window, "Remove the LoRA brush_lcm");
    assert_eq!(own(&window), (Some(28), Some(6.5)));
    press(&mut window, Modifiers::COMMAND, Key::Z);
    assert_eq!(own(&window), (None, None));
    click(&mut window, "Remove the LoRA brush_lcm");
    assert_eq!(own(&window), (Some(28), Some(6.5)));
    press(&mut window, Modifiers::COMMAND, Key::Z);

    // The next start knows them, and one that was touched meanwhile keeps nothing else away.
    drop(window);
    let (mut window, _fake) = studio.open();
    assert_eq!(own(&window), (None, None));
    window.state_mut().state.recipe.steps = Some(5);
    // Kept to blocks it leads no more, and there is a way back.
    window.state_mut().state.recipe.loras[0].blocks = vec!["style".to_owned()];
    window.run_steps(3);
    click(&mut window, "Back to my settings with brush_lcm");
    assert_eq!(own(&window), (Some(5), Some(6.5)));

    // Nothing is set when it is added: nothing comes back.
    click(&mut window, "Remove the LoRA brush_lcm");
    let recipe = &mut window.state_mut().state.recipe;
    (recipe.steps, recipe.guidance) = (None, None);
    window.run_steps(3);
    drop_file(&mut window, &lora, None);
    click(&mut window, "Add it as a LoRA");
    wait(&mut window, "the LoRA", |app| app.state.recipe.loras.len() == 1);
    window.run_steps(3);
    click(&mut window, "Remove the LoRA brush_lcm");
    assert_eq!(own(&window), (None, None));
}

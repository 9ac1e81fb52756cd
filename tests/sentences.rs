//! What an artist reads when a file is wrong: every sentence of `render` about a model, adapter, encoder, VAE or LoRA that
//! is no such thing, is damaged, or does not fit the others. One snapshot, to be read as a whole.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/by_rule.rs"]
mod by_rule;
#[path = "common/cases.rs"]
mod cases;

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use by_rule::{ByRule, Tensors, write};
use cases::{bench, render};
use safetensors::Dtype;
use serde_json::{Value, json};

/// Name, dtype, shape.
type Header = Vec<(String, Dtype, Vec<usize>)>;

fn header(tensors: &Tensors) -> Header {
    tensors.iter().map(|(name, shape, _)| (name.clone(), Dtype::F16, shape.clone())).collect()
}

/// A whole safetensors file of zeros: nothing may be read of it but the header.
fn write_zeros(path: &Path, header: &Header) {
    let (mut at, mut entries) = (0, serde_json::Map::new());
    for (name, dtype, shape) in header {
        let end = at + shape.iter().product::<usize>() * dtype.bitsize() / 8;
        let dtype = dtype.to_string();
        entries.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [at, end]}));
        at = end;
    }
    let text = Value::Object(entries).to_string();
    let mut file = File::create(path).unwrap();
    file.write_all(&(text.len() as u64).to_le_bytes()).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.set_len((8 + text.len() + at) as u64).unwrap();
}

fn without(header: &Header, part: &str) -> Header {
    let left: Header = header.iter().filter(|(name, ..)| !name.contains(part)).cloned().collect();
    assert!(left.len() < header.len(), "nothing is called {part}");
    left
}

/// The first tensor whose name contains `part`, changed.
fn changed(header: &Header, part: &str, change: impl FnOnce(&mut Dtype, &mut Vec<usize>)) -> Header {
    let mut out = header.clone();
    let (_, dtype, shape) = out.iter_mut().find(|(name, ..)| name.contains(part)).expect(part);
    change(dtype, shape);
    out
}

fn of(tensors: &[(&str, &[usize])]) -> Header {
    tensors.iter().map(|(name, shape)| (name.to_string(), Dtype::F16, shape.to_vec())).collect()
}

struct Table {
    folder: tempfile::TempDir,
    model: ByRule,
    text: String,
}

impl Table {
    fn new() -> Self {
        let model = ByRule::load("s");
        let folder = bench(&model, &["adapter_s"]);
        write(&folder.path().join("model.safetensors"), &model.single(), Dtype::F16);
        model.write_folder(&folder.path().join("folder"), Dtype::F16);
        Self { folder, model, text: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn title(&mut self, title: &str) {
        writeln!(self.text, "\n{title}").unwrap();
    }

    /// Renders with `model`, which must end in one sentence and status 2.
    fn model_path_says(&mut self, what: &str, model: &str, flags: &[&str]) {
        let mut all = vec!["--model", "", "--prompt", "x", "--steps", "1", "--width", "64", "--height", "64"];
        all.extend(["--seed", "1"]);
        all.extend(flags);
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let output = render(self.folder.path(), model, &all);
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{what}: {said}");
        let said = said.strip_prefix("error: ").expect("an error").replace(std::path::MAIN_SEPARATOR, "/");
        writeln!(self.text, "{what}:\n    {said}").unwrap();
    }

    /// The same with the good model and these flags.
    fn says(&mut self, what: &str, flags: &[&str]) {
        self.model_path_says(what, "model.safetensors", flags);
    }

    fn model_says(&mut self, what: &str, header: &Header) {
        write_zeros(&self.path("bad.safetensors"), header);
        self.model_path_says(what, "bad.safetensors", &[]);
    }

    fn bytes_say(&mut self, what: &str, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
        self.model_path_says(what, name, &[]);
    }

    fn adapter_says(&mut self, what: &str, header: &Header) {
        write_zeros(&self.path("bad_adapter.safetensors"), header);
        self.pair_says(what, "bad_adapter.safetensors", "vision_a");
    }

    fn pair_says(&mut self, what: &str, adapter: &str, encoder: &str) {
        self.says(what, &["--reference", "ref1.png", "--adapter", adapter, "--image-encoder", encoder]);
    }

    fn lora_says(&mut self, what: &str, header: &Header) {
        write_zeros(&self.path("bad_lora.safetensors"), header);
        self.says(what, &["--lora", "bad_lora.safetensors"]);
    }
}

/// The beginning of a style's archive.
const STYLE: &[u8] = b"PK\x03\x04\x14\0\0\0\x08\0\0\0!\0\0\0\0\0\0\0\0\0\0\0\0\0\x0d\0\0\0manifest.json";

fn not_safetensors(table: &mut Table) {
    table.title("In place of a model");
    table.model_path_says("nothing", "nowhere.safetensors", &[]);
    table.bytes_say("an empty file", "m.safetensors", b"");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:31e35c80fc4829d1\nsize 6938078334\n";
    table.bytes_say("a git-LFS pointer", "m.safetensors", pointer);
    table.bytes_say("a web page", "m.safetensors", b"<!DOCTYPE html><html><title>Sign in</title></html>");
    table.bytes_say("a server's error", "m.safetensors", br#"{"error":"Access to model is restricted"}"#);
    table.bytes_say("a text", "m.safetensors", b"Please read the licence before you download this file.\n");
    table.bytes_say("zeros", "m.safetensors", &[0; 4096]);
    table.bytes_say("a GGUF file", "m.gguf", b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0");
    table.bytes_say("a zipped pickle", "m.ckpt", b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl");
    table.bytes_say("an old pickle", "m.pt", b"\x80\x02}q\0X\x05\0\0\0model");
    table.bytes_say("noise", "m.safetensors", &[0xC7, 0x91, 0x33, 0xFE, 0x02, 0x8B, 0xE5, 0x10, 0x77, 0x99]);
    let whole = std::fs::read(table.path("model.safetensors")).unwrap();
    table.bytes_say("the first half of a model", "m.safetensors", &whole[..whole.len() / 2]);
    table.bytes_say("the first bytes of a model", "m.safetensors", &whole[..300]);
    let mut longer = whole.clone();
    longer.push(0);
    table.bytes_say("a model and a byte", "m.safetensors", &longer);
    std::fs::create_dir(table.path("empty")).unwrap();
    table.model_path_says("an empty folder", "empty", &[]);
    table.model_path_says("a part of a folder", "folder/unet", &[]);
    table.model_path_says("a file of a folder", "folder/model_index.json", &[]);
    table.model_path_says("the weights of a part", "folder/unet/diffusion_pytorch_model.safetensors", &[]);
    table.model_path_says("a picture", "ref1.png", &[]);
    table.bytes_say("a text by its ending", "m.txt", "Ein Bild für später.\n".as_bytes());
    table.bytes_say("a style", "m.instantstyle-style", STYLE);
}

fn other_kinds(table: &mut Table) {
    table.title("Another kind of file in place of a model");
    let whole = header(&table.model.single());
    let part = |start: &str| -> Header { whole.iter().filter(|(name, ..)| name.starts_with(start)).cloned().collect() };
    table.model_says("a UNet", &part("model.diffusion_model."));
    table.model_says("a VAE", &part("first_stage_model."));
    table.model_path_says("an adapter", "adapter_s.safetensors", &[]);
    table.model_path_says("an image encoder", "vision_a/model.safetensors", &[]);
    table.model_says("a LoRA", &header(&table.model.lora("lora_peft")));
    table.model_says("a ControlNet", &of(&[("controlnet_cond_embedding.conv_in.weight", &[16, 3, 3, 3])]));
    table.model_says("a preview VAE", &of(&[("1.weight", &[64, 4, 3, 3]), ("3.conv.0.weight", &[64, 64, 3, 3])]));
    table.model_says("a tower of OpenCLIP's", &of(&[("visual.conv1.weight", &[1280, 3, 14, 14])]));
    table.model_says("something else", &of(&[("fc.weight", &[10, 10])]));
}

fn mutated_models(table: &mut Table) {
    table.title("A single file with a fault");
    let whole = header(&table.model.single());
    table.model_says("a key of the UNet missing", &without(&whole, "output_blocks.1.1.proj_in.weight"));
    table.model_says("a key of the VAE missing", &without(&whole, "decoder.up.2.block.1.conv1.weight"));
    table.model_says("a key of a text encoder missing", &without(&whole, "resblocks.1.attn.in_proj_weight"));
    table.model_says("the first convolution missing", &without(&whole, "input_blocks.0.0.weight"));
    table.model_says("no VAE", &without(&whole, "first_stage_model."));
    table.model_says("no text encoders", &without(&whole, "conditioner."));
    let wider = |_: &mut Dtype, shape: &mut Vec<usize>| shape[1] += 1;
    table.model_says("a shape of the UNet off", &changed(&whole, "output_blocks.1.1.proj_in.weight", wider));
    table.model_says("a shape of the VAE off", &changed(&whole, "decoder.conv_out.weight", wider));
    table.model_says("a shape of a text encoder off", &changed(&whole, "resblocks.1.mlp.c_fc.weight", wider));
    let odd = |dtype: Dtype| move |old: &mut Dtype, _: &mut Vec<usize>| *old = dtype;
    table.model_says("whole numbers", &changed(&whole, "output_blocks.1.1.proj_in.weight", odd(Dtype::I32)));
    table.model_says("the other fp8", &changed(&whole, "decoder.conv_out.weight", odd(Dtype::F8_E5M2)));
    let mut scaled = whole.clone();
    scaled.extend(of(&[("model.diffusion_model.out.2.scale_weight", &[1])]));
    table.model_says("fp8 with scales", &scaled);
    let channels = |_: &mut Dtype, shape: &mut Vec<usize>| shape[1] = 9;
    table.model_says("an inpainting model", &changed(&whole, "input_blocks.0.0.weight", channels));
    let mut refiner = whole.clone();
    refiner.extend(of(&[("conditioner.embedders.0.model.token_embedding.weight", &[1])]));
    table.model_says("a refiner", &refiner);

    table.title("A folder with a fault");
    let unet = header(&table.model.component("unet"));
    let file = "folder/unet/diffusion_pytorch_model.safetensors";
    let mut fault = |what: &str, header: &Header| {
        write_zeros(&table.path(file), header);
        table.model_path_says(what, "folder", &[]);
    };
    fault("a key missing", &without(&unet, "mid_block.resnets.0.conv1.weight"));
    fault("nearly all keys missing", &unet.iter().take(5).cloned().collect());
    fault("a shape off", &changed(&unet, "mid_block.resnets.0.conv1.weight", wider));
    fault("whole numbers", &changed(&unet, "mid_block.resnets.0.conv1.weight", odd(Dtype::U8)));
    std::fs::rename(table.path(file), table.path("folder/unet/diffusion_pytorch_model.bin")).unwrap();
    std::fs::write(table.path("folder/unet/diffusion_pytorch_model.bin"), b"PK\x03\x04").unwrap();
    table.model_path_says("a pickle alone", "folder", &[]);
    std::fs::remove_file(table.path("folder/unet/diffusion_pytorch_model.bin")).unwrap();
    table.model_path_says("no weights", "folder", &[]);
    std::fs::write(table.path("folder/unet/config.json"), "{\"in_channels\": ").unwrap();
    table.model_path_says("a config cut short", "folder", &[]);
    std::fs::remove_dir_all(table.path("folder/text_encoder_2")).unwrap();
    std::fs::remove_file(table.path("folder/unet/config.json")).unwrap();
    table.model_path_says("no config", "folder", &[]);
}

fn pairs(table: &mut Table) {
    table.title("Adapter and image encoder");
    let good = header(&table.model.component("adapter_s"));
    let keys = |header: &Header, by: isize| -> Header {
        let width = |name: &str| if name.ends_with("_ip.weight") { by } else { 0 };
        header.iter().map(|(n, d, s)| (n.clone(), *d, vec_at(s, 1, width(n)))).collect()
    };
    table.adapter_says("keys of another width", &keys(&good, 64));
    table.adapter_says("a layer too few", &without(&without(&good, "ip_adapter.1.to_k"), "ip_adapter.1.to_v"));
    table.adapter_says("a key without its value", &without(&good, "ip_adapter.1.to_v"));
    let wider = |_: &mut Dtype, shape: &mut Vec<usize>| shape[1] += 1;
    table.adapter_says("for another encoder", &changed(&good, "image_proj.proj.weight", wider));
    table.adapter_says("of whole numbers", &changed(&good, "image_proj.proj.weight", |dtype, _| *dtype = Dtype::I16));
    table.adapter_says("no norm", &without(&good, "image_proj.norm.weight"));
    let layers: Header = good.iter().filter(|(name, ..)| name.starts_with("ip_adapter.")).cloned().collect();
    let with = |projection: &[(&str, &[usize])]| -> Header { layers.iter().cloned().chain(of(projection)).collect() };
    let face = with(&[("image_proj.norm.weight", &[64]), ("image_proj.proj.0.weight", &[128, 512])]);
    table.adapter_says("FaceID", &face);
    let instant = with(&[("image_proj.latents", &[1, 16, 64]), ("image_proj.proj_in.weight", &[64, 512])]);
    table.adapter_says("InstantID", &instant);
    table.pair_says("a model in place of the adapter", "model.safetensors", "vision_a");
    std::fs::write(table.path("adapter.bin"), b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl").unwrap();
    table.pair_says("a pickled adapter", "adapter.bin", "vision_a");
    std::fs::create_dir(table.path("lone")).unwrap();
    std::fs::copy(table.path("vision_a/model.safetensors"), table.path("lone/model.safetensors")).unwrap();
    table.pair_says("an encoder's file without its settings", "adapter_s.safetensors", "lone/model.safetensors");
    table.pair_says("a picture in place of the encoder", "adapter_s.safetensors", "ref1.png");
    table.pair_says("an adapter in place of the encoder", "adapter_s.safetensors", "adapter_s.safetensors");
    table.pair_says("a text encoder in place of the encoder", "adapter_s.safetensors", "folder/text_encoder");
    table.says("no encoder", &["--reference", "ref1.png", "--adapter", "adapter_s.safetensors"]);
    table.says("no adapter", &["--reference", "ref1.png", "--image-encoder", "vision_a"]);
    let vision = table.path("vision_a/model.safetensors");
    std::fs::create_dir(table.path("cut")).unwrap();
    std::fs::copy(table.path("vision_a/config.json"), table.path("cut/config.json")).unwrap();
    let bytes = std::fs::read(vision).unwrap();
    std::fs::write(table.path("cut/model.safetensors"), &bytes[..bytes.len() - 1000]).unwrap();
    table.pair_says("an encoder cut short", "adapter_s.safetensors", "cut");
    table.pair_says("a whole model in place of the encoder", "adapter_s.safetensors", "folder");
    table.says("an adapter in place of the VAE", &["--vae", "adapter_s.safetensors"]);
    table.says("an image encoder in place of the VAE", &["--vae", "vision_a"]);
}

fn vec_at(shape: &[usize], axis: usize, by: isize) -> Vec<usize> {
    let mut out = shape.to_vec();
    if let Some(size) = out.get_mut(axis) {
        *size = size.checked_add_signed(by).unwrap();
    }
    out
}

fn loras(table: &mut Table) {
    table.title("LoRAs");
    let good = header(&table.model.lora("lora_peft"));
    let with = |name: &str| -> Header { good.iter().cloned().chain(of(&[(name, &[1])])).collect() };
    table.lora_says("DoRA", &with("unet.mid_block.attentions.0.proj_in.lora_magnitude_vector"));
    table.lora_says("LoKr", &of(&[("lora_unet_x.lokr_w1", &[8, 8]), ("lora_unet_x.lokr_w2", &[8, 8])]));
    table.lora_says("a half", &without(&good, "lora_B"));
    table.lora_says("a tensor of no known kind", &with("odd.tensor"));
    table.lora_says("another width", &changed(&good, "to_k.lora_A", |_, shape| shape[1] += 1));
    let other: Header = good.iter().map(|(n, d, s)| (n.replace("attentions", "transformers"), *d, s.clone())).collect();
    table.lora_says("another model's", &other);
    table.says("a model in place of a LoRA", &["--lora", "model.safetensors"]);
    table.says("blocks without it", &["--lora", "good.safetensors", "--lora-blocks", "up_blocks.9.attentions.0"]);
    let peft: Header = good
        .iter()
        .filter_map(|(n, d, s)| Some((format!("base_model.model.{}", n.strip_prefix("unet.")?), *d, s.clone())))
        .collect();
    for (what, config) in [
        ("PEFT's settings cut short", "{\"lora_alpha\": 4,"),
        ("PEFT's settings with a text for a number", "{\"lora_alpha\": \"four\"}"),
        ("another method of PEFT's", "{\"peft_type\": \"LOHA\"}"),
        ("PEFT's patterns", "{\"alpha_pattern\": {\"to_(q|k)\": 2}}"),
    ] {
        std::fs::write(table.path("adapter_config.json"), config).unwrap();
        table.lora_says(what, &peft);
    }
}

#[test]
fn what_an_artist_reads() {
    let mut table = Table::new();
    write(&table.path("good.safetensors"), &table.model.lora("lora_peft"), Dtype::F32);
    not_safetensors(&mut table);
    other_kinds(&mut table);
    pairs(&mut table);
    loras(&mut table);
    mutated_models(&mut table);
    insta::assert_snapshot!(table.text);
}

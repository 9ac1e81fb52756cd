//! A file or folder that can be chosen: what it serves as, in plain words, and what it goes with.

use std::path::{Path, PathBuf};

use super::Part;
use crate::weights::{AdapterInfo, AdapterKind, EncoderNeed, Family, FewStep, Kind, Weights, inspect, pair};

/// Something that the engine can take, known by its header.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What the engine is given: a file, or the folder that stands for it.
    pub path: PathBuf,
    /// For people: the file's or folder's name, or the repository of a cached one.
    pub name: String,
    pub part: Part,
    /// Such as "SDXL checkpoint" or "IP-Adapter Plus for SDXL".
    pub words: String,
    pub bytes: u64,
    /// As the list of models or the file itself names it.
    pub licence: Option<String>,
    /// Identity of the content, of the UNet where it is a folder.
    pub id: String,
    kind: Kind,
    /// Cross-attention layers of a model.
    layers: usize,
    /// A folder with an adapter and an image encoder of its own.
    brings_adapter: bool,
}

impl Item {
    /// Looks at headers and settings only; reads some thousand bytes. Not for a thread that paints.
    ///
    /// # Errors
    /// What is not there or damaged, and what nothing here can use: one sentence that names it.
    pub fn look(path: &Path) -> Result<Self, String> {
        let path = &stands_for(path);
        let found = inspect(path).map_err(|error| error.to_string())?;
        let shown = path.display().to_string();
        if let Some(wrong) = found.wrong.first() {
            let is_named = wrong.contains(&shown);
            return Err(if is_named { wrong.clone() } else { format!("{shown} is {}: {wrong}", found.what) });
        }
        let is_model_folder = found.parts.iter().any(|part| !part.name.is_empty());
        let contents = || found.parts.iter().filter_map(|part| Some((part.name.as_str(), part.content.as_ref()?)));
        let content = match is_model_folder {
            true => contents().find(|(name, _)| *name == "unet"),
            false => contents().next(),
        };
        let Some((_, content)) = content else { return Err(format!("{shown} is {}, and has no weights", found.what)) };
        let kind = content.kind.clone();
        let is_whole = path.is_dir() || found.needs.is_empty();
        let part = part_of(&kind, is_model_folder, is_whole).map_err(|advice| {
            // Only what could be used in another way gets here.
            format!("{shown} is {kind} on its own; {advice}")
        })?;
        let file = (!path.is_dir()).then(|| Weights::open(path)).transpose().map_err(|error| error.to_string())?;
        let licence = file.as_ref().and_then(|file| file.metadata().get("modelspec.license")).cloned();
        let layers = match (&kind, &file) {
            (Kind::Unet { cross_attentions, .. }, _) => *cross_attentions,
            (Kind::Checkpoint { .. }, Some(file)) => {
                file.names().filter(|name| name.ends_with(".attn2.to_k.weight")).count()
            }
            _ => 0,
        };
        let own = ["ip_adapter.safetensors", "image_encoder/config.json"];
        Ok(Self {
            name: name_of(path),
            part,
            words: words(&kind, is_model_folder, path),
            bytes: contents().map(|(_, content)| content.bytes).sum(),
            licence,
            id: content.content_id.clone(),
            kind,
            layers,
            brings_adapter: is_model_folder && own.iter().all(|file| path.join(file).is_file()),
            path: path.clone(),
        })
    }

    /// References work with it as it is.
    pub fn brings_adapter(&self) -> bool {
        self.brings_adapter
    }

    /// The image encoder that an adapter needs, in words.
    pub fn needs(&self) -> Option<String> {
        self.encoder_need().map(|need| need.to_string())
    }

    /// Words can be subtracted from references with this adapter: it takes the projected embedding of the tower whose
    /// text side is SDXL's own.
    pub fn can_subtract(&self) -> bool {
        self.encoder_need() == Some(EncoderNeed { width: 1280, patches: false })
    }

    /// A base adapter rather than one that looks at patches.
    pub fn is_base_adapter(&self) -> bool {
        self.adapter().is_some_and(|adapter| adapter.kind == AdapterKind::Base)
    }

    /// Whether this adapter goes with a model and an image encoder, as far as they are named; else why not.
    ///
    /// # Errors
    /// The first thing that does not fit, in one sentence.
    pub fn adapter_fits(&self, model: Option<&Self>, encoder: Option<&Self>) -> Result<(), String> {
        let Some(adapter) = self.adapter() else { return Err(format!("{} is no IP-Adapter", self.name)) };
        let (width, layers) = match model.map(|model| (&model.kind, model.layers)) {
            Some((Kind::Unet { cross_attention_dim, .. } | Kind::Checkpoint { cross_attention_dim, .. }, layers)) => {
                (*cross_attention_dim, layers)
            }
            _ => (adapter.cross_attention_dim, adapter.layers),
        };
        let (projection, hidden) = match encoder.map(|encoder| &encoder.kind) {
            Some(Kind::ImageEncoder { hidden_size, projection_dim, .. }) => (projection_dim.unwrap_or(0), *hidden_size),
            _ => (adapter.embedding_width, adapter.embedding_width),
        };
        pair(adapter, width, layers, projection, hidden).map_err(|error| error.to_string())
    }

    /// Why this LoRA is not for `model`, where both say what they are for.
    pub fn lora_differs(&self, model: &Self) -> Option<String> {
        let (Kind::Lora { family: Some(own), .. }, Some(other)) = (&self.kind, model.family()) else { return None };
        let is_told = |family: Family| matches!(family, Family::Sdxl | Family::Sd15 | Family::Sd2);
        (is_told(*own) && is_told(other) && *own != other).then(|| format!("made for {own}, and the model is {other}"))
    }

    fn family(&self) -> Option<Family> {
        match &self.kind {
            Kind::Unet { family, .. } | Kind::Checkpoint { family, .. } => Some(*family),
            _ => None,
        }
    }

    fn adapter(&self) -> Option<&AdapterInfo> {
        match &self.kind {
            Kind::Adapter { adapter, .. } => Some(adapter),
            _ => None,
        }
    }

    fn encoder_need(&self) -> Option<EncoderNeed> {
        self.adapter().and_then(AdapterInfo::encoder_need)
    }
}

/// The folder of an image encoder where its file was named: the engine takes it with its settings.
fn stands_for(path: &Path) -> PathBuf {
    let is_encoder = |path: &Path| {
        let kind = Weights::open(path).map(|weights| crate::weights::identify(&weights));
        matches!(kind, Ok(Kind::ImageEncoder { .. }))
    };
    match path.parent().filter(|folder| folder.join("config.json").is_file()) {
        Some(folder) if path.is_file() && is_encoder(path) => folder.to_owned(),
        _ => path.to_owned(),
    }
}

/// What a kind serves as; the advice says what to take instead where it serves as nothing on its own.
fn part_of(kind: &Kind, is_model_folder: bool, is_whole: bool) -> Result<Part, &'static str> {
    match kind {
        Kind::Unet { .. } if is_model_folder => Ok(Part::Model),
        Kind::Checkpoint { .. } => Ok(Part::Model),
        Kind::Adapter { .. } => Ok(Part::Adapter),
        Kind::ImageEncoder { .. } if is_whole => Ok(Part::ImageEncoder),
        Kind::ImageEncoder { .. } => Err("put its config.json beside it, or download the encoder whole"),
        Kind::Vae { .. } => Ok(Part::Vae),
        Kind::Lora { .. } => Ok(Part::Lora),
        Kind::Unet { .. } | Kind::TextEncoder { .. } | Kind::OpenClip => {
            Err("choose the checkpoint or the folder of the whole model")
        }
        Kind::TinyVae { .. }
        | Kind::ControlNet { .. }
        | Kind::Latents { .. }
        | Kind::Foreign { .. }
        | Kind::Unknown => Err("this version has no use for it"),
    }
}

fn words(kind: &Kind, is_model_folder: bool, path: &Path) -> String {
    let of = |family: Family| match family {
        Family::Other => String::new(),
        family => format!(" for {family}"),
    };
    match kind {
        Kind::Checkpoint { family, few_step: Some(few_step), .. } => format!("{family} {few_step}"),
        Kind::Checkpoint { family, v_prediction: true, .. } => format!("{family} checkpoint, v-prediction"),
        Kind::Checkpoint { family, .. } => format!("{family} checkpoint"),
        Kind::Unet { family, .. } if is_model_folder => {
            match FewStep::told(&path.to_string_lossy(), &Default::default()) {
                Some(few_step) => format!("{family} {few_step}, a folder"),
                None => format!("{family} model, a folder"),
            }
        }
        Kind::Adapter { adapter, family, .. } => match adapter.kind {
            AdapterKind::Base => format!("IP-Adapter{}", of(*family)),
            kind => format!("IP-Adapter {kind}{}", of(*family)),
        },
        Kind::ImageEncoder { hidden_size, .. } => {
            match (EncoderNeed { width: *hidden_size, patches: true }).published() {
                Some((_, model)) => format!("Image encoder, {model}"),
                None => format!("Image encoder, {hidden_size} wide"),
            }
        }
        Kind::Vae { .. } => "VAE".to_owned(),
        Kind::Lora { family, rank, .. } => {
            let rank = if *rank > 0 { format!(", rank {rank}") } else { String::new() };
            format!("LoRA{}{rank}", family.map_or(String::new(), of))
        }
        other => other.to_string(),
    }
}

/// What people call a file or folder: a cached one by its repository, a component by the folder above it too.
pub fn name_of(path: &Path) -> String {
    let plain = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let (own, above) = (plain(path), path.parent().unwrap_or(Path::new("")));
    if above.ends_with("snapshots")
        && let Some(repo) = above.parent().map(plain).as_deref().and_then(|name| name.strip_prefix("models--"))
    {
        return repo.replace("--", "/");
    }
    match own.as_str() {
        "image_encoder" | "vae" => format!("{}/{own}", plain(above)),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
    }

    #[test]
    fn the_golden_models_are_named_and_paired() {
        let look = |name: &str| Item::look(&golden(name)).unwrap();
        let (model, adapter, encoder) = (look("model_a"), look("adapter_a.safetensors"), look("vision_a"));
        assert_eq!((model.part, adapter.part, encoder.part), (Part::Model, Part::Adapter, Part::ImageEncoder));
        assert_eq!(model.words, "SDXL-shaped model, a folder");
        assert_eq!(adapter.words, "IP-Adapter");
        assert_eq!(look("adapter_a_plus.safetensors").words, "IP-Adapter Plus");
        assert!(encoder.words.starts_with("Image encoder, "), "{}", encoder.words);
        assert_eq!(adapter.adapter_fits(Some(&model), Some(&encoder)), Ok(()));
        let said = look("adapter_b.safetensors").adapter_fits(Some(&model), None).unwrap_err();
        assert!(said.contains("made for another model"), "{said}");
        let said = adapter.adapter_fits(Some(&model), Some(&look("vision_b"))).unwrap_err();
        assert!(said.contains("does not fit the image encoder"), "{said}");
        // The file of an encoder means its folder.
        assert_eq!(look("vision_a/model.safetensors").path, encoder.path);
    }

    #[test]
    fn what_is_of_no_use_gets_a_sentence_that_names_it() {
        for (file, words) in [
            ("model_a/unet/diffusion_pytorch_model.safetensors", "choose the checkpoint or the folder"),
            ("latents.safetensors", "nothing here uses a file like this"),
            ("cases.json", "cases.json"),
            ("missing.safetensors", "does not exist"),
        ] {
            let said = Item::look(&golden(file)).unwrap_err();
            assert!(said.contains(words) && said.contains(file) && said.lines().count() == 1, "{said}");
        }
    }

    #[test]
    fn cached_models_are_called_by_their_repository() {
        let named = |path: &str| name_of(Path::new(path));
        assert_eq!(named("/h/hub/models--o--sdxl--x/snapshots/abc"), "o/sdxl/x");
        assert_eq!(named("/m/sdxl_models/image_encoder"), "sdxl_models/image_encoder");
        assert_eq!(named("/m/a.safetensors"), "a.safetensors");
    }
}

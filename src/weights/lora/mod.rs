//! LoRA files, merged into the weights that they were trained on: W + strength * alpha / rank * up * down.
//!
//! Source: arXiv 2106.09685, section 4.1; the factor as in kohya-ss/sd-scripts and PEFT, a missing alpha being the rank.
//! A merged tensor is computed when a network reads it, in f32, so that nothing is held twice.

mod names;
mod settings;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use self::names::{ModuleName, Role, parse};
use self::settings::{Scaling, Settings};
use super::error::shown;
use super::lora_kind::lora_dialect;
use super::single_file::UnetLayout;
use super::{Distillation, FewStep, LoraDialect, ModelFolder, Weights, WeightsError};

pub use names::LoraPart;

/// The names under which the two halves of a B-LoRA are known (arXiv 2403.14572, section 4): what it holds, and how.
const B_LORA: &[(&str, &str)] = &[("content", "up_blocks.0.attentions.0"), ("style", "up_blocks.0.attentions.1")];

/// What PEFT calls its settings.
const PEFT_CONFIG: &str = "adapter_config.json";
/// What PEFT puts before the names of modules in files of its own; only these need its settings.
const PEFT_START: &str = "base_model.model.";

/// A LoRA, known by its header.
#[derive(Debug, Clone)]
pub struct Lora {
    file: Arc<Weights>,
    modules: Vec<Module>,
    /// PEFT's `adapter_config.json` as it stands beside the file.
    config: Option<String>,
    notices: Vec<String>,
}

#[derive(Debug, Clone)]
struct Module {
    name: ModuleName,
    down: String,
    up: String,
    /// None: the product as it is.
    scaling: Option<Scaling>,
}

/// What one LoRA adds to one tensor.
#[derive(Debug, Clone)]
pub struct Delta {
    file: Arc<Weights>,
    down: String,
    up: String,
    scale: f64,
}

/// What a LoRA does to one component.
#[derive(Debug, Clone, Default)]
pub struct Placed {
    /// By the name that the component's file gives the tensor.
    pub deltas: Vec<(String, Delta)>,
    /// Modules that have no place in the component.
    pub homeless: Vec<String>,
}

impl Lora {
    /// Opens a file by its header, with the settings beside it where it is one of PEFT's own.
    ///
    /// Errors: as [`Lora::new`], and settings that cannot be read.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        Self::beside(Arc::new(Weights::open(path)?), path.parent())
    }

    /// As [`Lora::open`], for an open file that lies in `folder`.
    pub(super) fn beside(file: Arc<Weights>, folder: Option<&Path>) -> Result<Self, WeightsError> {
        let here = Path::new(".");
        let folder = folder.map(|folder| if folder.as_os_str().is_empty() { here } else { folder });
        match folder.filter(|_| file.names().any(|name| name.starts_with(PEFT_START))) {
            Some(folder) => Self::with_config(file, ModelFolder::open_component(folder)?.text(PEFT_CONFIG)?),
            None => Self::with_config(file, None),
        }
    }

    /// Reads the header, and the few numbers called alpha.
    ///
    /// Errors: no LoRA, a kind that cannot be merged, or one that is incomplete.
    pub fn new(file: Arc<Weights>) -> Result<Self, WeightsError> {
        Self::with_config(file, None)
    }

    fn with_config(file: Arc<Weights>, config: Option<String>) -> Result<Self, WeightsError> {
        let name = || file.name().to_owned();
        match lora_dialect(&file) {
            None => {
                let what = super::identify(&file).to_string();
                let advice = "choose a LoRA .safetensors file".to_owned();
                return Err(WeightsError::OtherKind { file: name(), what, wanted: "a LoRA", advice });
            }
            Some(dialect @ (LoraDialect::Dora | LoraDialect::Lycoris(_))) => {
                return Err(WeightsError::UnsupportedLora { file: name(), what: dialect.to_string() });
            }
            Some(_) => {}
        }
        let mut found: BTreeMap<ModuleName, [Option<String>; 3]> = BTreeMap::new();
        for tensor in file.names() {
            let broken = |why: &str| {
                let why = format!("its tensor '{}' {why}", shown(tensor));
                WeightsError::BrokenLora { file: name(), why }
            };
            let (module, role) = parse(tensor).ok_or_else(|| broken("is of a kind that this program does not know"))?;
            let [down, up, alpha] = found.entry(module).or_default();
            let slot = match role {
                Role::Down => down,
                Role::Up => up,
                Role::Alpha => alpha,
            };
            if slot.replace(tensor.to_owned()).is_some() {
                return Err(broken("stands there twice, in two dialects"));
            }
        }
        let settings = match &config {
            Some(text) => Settings::Beside(serde_json::from_str(text).map_err(|error| {
                let why = format!("its {PEFT_CONFIG} cannot be read, {}", shown(&error.to_string()));
                WeightsError::BrokenLora { file: name(), why }
            })?),
            None => Settings::of_header(&file)?,
        };
        if let Some(what) = settings.unsupported() {
            return Err(WeightsError::UnsupportedLora { file: name(), what });
        }
        let mut modules = Vec::new();
        for (module, [down, up, alpha]) in found {
            let (Some(down), Some(up)) = (down, up) else {
                let why = format!("'{}' has only a half", shown(&module.path));
                return Err(WeightsError::BrokenLora { file: name(), why });
            };
            let scaling = match alpha {
                Some(alpha) => Some(Scaling { alpha: number(&file, &alpha)?, is_rank_stabilised: false }),
                None => settings.scaling(&module),
            };
            modules.push(Module { name: module, down, up, scaling });
        }
        let is_bare = config.is_none() && modules.iter().all(|module| module.scaling.is_none());
        let wants_config = is_bare && file.names().any(|name| name.starts_with(PEFT_START));
        let notices = wants_config.then(|| {
            format!("the LoRA {} came with a file {PEFT_CONFIG}, which is not beside it: without its alpha the strength may be another than was meant", file.name())
        });
        Ok(Self { file, modules, config, notices: notices.into_iter().collect() })
    }

    /// What is odd but harmless, one sentence each.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What messages call it.
    pub fn name(&self) -> &str {
        self.file.name()
    }

    /// How it was distilled, where it makes a few-step model of the one that it is merged into. Published ones say for how
    /// many steps, but for LCM; one that only has the word may as well draw lightning, or cars.
    pub fn few_step(&self) -> Option<FewStep> {
        let told = FewStep::told(self.file.name(), self.file.metadata());
        told.filter(|few_step| few_step.steps.is_some() || few_step.distillation == Distillation::Lcm)
    }

    /// Identity of the content, as [`Weights::content_id`], with the settings beside it.
    pub fn content_id(&self) -> Result<String, WeightsError> {
        let id = self.file.content_id()?;
        let joined = |config: &String| blake3::hash(format!("{id}\n{config}").as_bytes()).to_hex().to_string();
        Ok(self.config.as_ref().map_or_else(|| id.clone(), joined))
    }

    /// How many modules it changes.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// The modules of one part, as the file names them.
    pub fn modules_of(&self, part: LoraPart) -> impl Iterator<Item = &str> {
        self.modules.iter().filter(move |module| module.name.part == part).map(|module| module.name.path.as_str())
    }

    /// What it adds to the tensors of `base`, a component under diffusers' names.
    ///
    /// `blocks` keeps modules inside these blocks of the UNet alone (`content` and `style` are the halves of a B-LoRA);
    /// empty keeps all.
    ///
    /// Errors: a module whose sizes are not those of its tensor.
    pub fn place(
        &self,
        part: LoraPart,
        base: &Weights,
        strength: f64,
        blocks: &[String],
    ) -> Result<Placed, WeightsError> {
        let mut out = Placed::default();
        let places = Places::of(part, base);
        let blocks: Vec<&str> = blocks.iter().map(|block| full_name(block)).collect();
        for module in self.modules.iter().filter(|module| module.name.part == part) {
            let Some(place) = places.find(&module.name) else {
                out.homeless.push(module.name.path.clone());
                continue;
            };
            let inside = |block: &str| place.strip_prefix(block).is_some_and(|rest| rest.starts_with('.'));
            if !blocks.is_empty() && (part != LoraPart::Unet || !blocks.iter().any(|block| inside(block))) {
                continue;
            }
            let tensor = format!("{place}.weight");
            let shape = |name: &str| self.file.shape(name).unwrap_or_default().to_vec();
            let (down, up, wanted) = (shape(&module.down), shape(&module.up), base.shape(&tensor).unwrap_or_default());
            let rank = down.first().copied().unwrap_or(0);
            if !fits(&down, &up, wanted) {
                let why =
                    format!("its '{}' is {up:?} by {down:?}, the model's is {wanted:?}", shown(&module.name.path));
                return Err(WeightsError::LoraForOtherModel { file: self.name().to_owned(), why });
            }
            let scale = strength * module.scaling.map_or(1.0, |scaling| scaling.factor(rank));
            let stored = base.resolve(&tensor).unwrap_or(&tensor).to_owned();
            let (file, down, up) = (self.file.clone(), module.down.clone(), module.up.clone());
            out.deltas.push((stored, Delta { file, down, up, scale }));
        }
        Ok(out)
    }
}

/// The block that a word of [`B_LORA`] stands for, else the block itself.
fn full_name(block: &str) -> &str {
    B_LORA.iter().find(|(word, _)| *word == block).map_or(block, |(_, name)| name)
}

/// Two matrices, or a convolution before one of one by one, that make a tensor of the wanted shape.
fn fits(down: &[usize], up: &[usize], wanted: &[usize]) -> bool {
    let (Some(rank), Some(outputs)) = (down.first(), up.first()) else { return false };
    let inputs: usize = down.iter().skip(1).product();
    let wanted_inputs: usize = wanted.iter().skip(1).product();
    *rank > 0
        && up.get(1) == Some(rank)
        && up.iter().skip(2).all(|n| *n == 1)
        && wanted.first() == Some(outputs)
        && inputs == wanted_inputs
        // A kernel's sides must agree, not only their product.
        && (down.len() != 4 || wanted.len() != 4 || down.get(1..) == wanted.get(1..))
}

impl Delta {
    /// The part to add, in f32, of the shape of `base`.
    pub(super) fn read(&self, shape: &[usize]) -> Result<Tensor, WeightsError> {
        let matrix = |name: &str| -> Result<Tensor, WeightsError> {
            let tensor = self.file.read(name)?;
            tensor.to_dtype(DType::F32).and_then(|t| t.flatten_from(1)).map_err(|e| self.failed(&e))
        };
        let product = matrix(&self.up)?.matmul(&matrix(&self.down)?);
        product.and_then(|delta| (delta * self.scale)?.reshape(shape)).map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &candle_core::Error) -> WeightsError {
        let why = shown(error.to_string().lines().next().unwrap_or_default());
        WeightsError::BrokenLora { file: self.file.name().to_owned(), why }
    }
}

/// Where modules lie in a component, by every name that a LoRA may use.
struct Places {
    /// Names with dots, and as one word, to the module in diffusers' names.
    modules: HashMap<String, String>,
}

impl Places {
    fn of(part: LoraPart, base: &Weights) -> Self {
        let ldm = (part == LoraPart::Unet).then(|| UnetLayout::of_diffusers(base).names());
        let mut modules = HashMap::new();
        for module in base.names().filter_map(|name| name.strip_suffix(".weight")) {
            let mut spellings = vec![module.to_owned()];
            spellings.extend(ldm.as_ref().and_then(|names| names.ldm(module)));
            // transformers 5 leaves the prefix out, LoRAs do not.
            if part != LoraPart::Unet && !module.starts_with("text_model.") {
                spellings.push(format!("text_model.{module}"));
            }
            for spelling in spellings {
                modules.insert(spelling.replace('.', "_"), module.to_owned());
                modules.insert(spelling, module.to_owned());
            }
        }
        Self { modules }
    }

    fn find(&self, name: &ModuleName) -> Option<&str> {
        self.modules.get(&name.path).map(String::as_str)
    }
}

/// A tensor of one number.
fn number(file: &Weights, name: &str) -> Result<f64, WeightsError> {
    let tensor = file.read(name)?;
    let value = tensor.to_dtype(DType::F64).and_then(|t| t.flatten_all()?.to_vec1::<f64>());
    match value.as_deref() {
        Ok([value]) if value.is_finite() => Ok(*value),
        _ => {
            let why = format!("its '{}' is not one number", shown(name));
            Err(WeightsError::BrokenLora { file: file.name().to_owned(), why })
        }
    }
}

use serde::{Deserialize, Serialize};

/// A LoRA that is merged into the model, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lora {
    /// The file's name, for messages and lists only; never opened.
    pub name: String,
    /// Identity of the file's content. Empty until the file has been read.
    pub hash: String,
    /// -1 to 5.
    pub strength: f64,
    /// Blocks of the UNet that it is kept to, as diffusers names them; `content` and `style` are the halves of a B-LoRA.
    /// Empty: everything in it.
    pub blocks: Vec<String>,
}

impl Default for Lora {
    fn default() -> Self {
        Self { name: String::new(), hash: String::new(), strength: 1.0, blocks: Vec::new() }
    }
}

impl Lora {
    /// Reads [`Lora::blocks`] from `NAME,…`.
    pub fn read_blocks(text: &str) -> Vec<String> {
        text.split(',').map(|block| block.trim().to_owned()).filter(|block| !block.is_empty()).collect()
    }
}
